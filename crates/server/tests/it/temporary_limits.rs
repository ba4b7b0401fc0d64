//! Limits and outages of Meta that end by themselves are never final: each kind of call responds 429 or 503 with
//! `Retry-After`, and the same call succeeds afterwards; the queue retries.

use std::collections::BTreeMap;

use axum::body::Body;
use axum::http::Request;
use engine::access::api_key::DEV_KEY;
use serde_json::{Value, json};
use sim::{Fault, FaultAction, FaultAnswer};

use crate::support::{CUSTOMER, NEW_RECIPIENT, TestApp, TestResponse};

/// Codes with which Meta limits the rate of calls.
const LIMITS: [i64; 7] = [4, 17, 341, 613, 80_007, 80_008, 130_429];
/// Codes of temporary failures.
const FAILURES: [i64; 7] = [2, 131_000, 131_016, 133_004, 139_102, 139_103, 2_494_100];

fn refusal(code: i64, headers: &[(&str, &str)]) -> FaultAnswer {
    let error = json!({"error": {"message": format!("(#{code}) Later"), "code": code, "type": "OAuthException",
        "fbtrace_id": "AbC"}});
    let headers: BTreeMap<_, _> =
        headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    FaultAnswer { status: Some(400), body: Some(error), headers, ..FaultAnswer::default() }
}

fn fail(app: &TestApp, path: &str, times: u32, answer: FaultAnswer) {
    app.sim.fail(Fault { times, ..Fault::on(path, FaultAction::Status(answer)) });
}

fn hello_world() -> Value {
    json!({"to": NEW_RECIPIENT, "type": "template", "template": {"name": "hello_world", "language": "en_US"}})
}

/// A call of the API that calls Meta.
struct Call {
    /// Part of the path of the call to Meta.
    path: String,
    method: &'static str,
    api_path: String,
    body: Value,
}

/// Returns calls of each kind, except sends of messages that need no lookup.
async fn calls(app: &TestApp) -> Vec<Call> {
    let wamid = app.customer_writes(CUSTOMER, "Hi").await;
    let wamid: String = url::form_urlencoded::byte_serialize(wamid.as_bytes()).collect();
    let call =
        |path: &str, method, api_path: String, body| Call { path: path.to_owned(), method, api_path, body };
    let account = |action: &str| format!("/api/accounts/sandbox/{action}");
    let template = json!({"name": "ferry_delay", "language": "en", "category": "UTILITY", "components": [
        {"type": "BODY", "text": "The ferry is late."}]});
    let mut calls = vec![
        call("/message_templates", "POST", "/api/messages/send".to_owned(), hello_world()),
        call("/message_templates", "POST", "/api/templates/sync".to_owned(), json!({})),
        call("/message_templates", "POST", "/api/templates".to_owned(), template),
        call("/messages", "POST", format!("/api/messages/{wamid}/read"), json!({})),
        call("/register", "POST", account("register"), json!({"pin": "123456"})),
        call("/subscribed_apps", "POST", account("subscribe"), json!({})),
        call("/whatsapp_business_profile", "GET", account("profile"), Value::Null),
        call("/whatsapp_business_profile", "PUT", account("profile"), json!({"about": "Hello"})),
    ];
    let listed = app.post("/api/templates/sync", &json!({})).await.expect(200);
    assert!(listed.data()["total"].as_i64().unwrap() > 0);
    let listed = app.get("/api/templates?name=order_confirmation").await;
    let stored = &listed.data()["templates"][0];
    let (id, meta_id) = (stored["id"].as_str().unwrap(), stored["template_id"].as_str().unwrap());
    let change = json!({"components": [{"type": "BODY", "text": "Your order is on its way."}]});
    calls.push(call(&format!("/{meta_id}"), "PUT", format!("/api/templates/{id}"), change));
    calls.push(call("/message_templates", "DELETE", format!("/api/templates/{id}"), Value::Null));
    // The first call is the lookup of a template that Waypost does not know yet.
    calls[0].body["template"]["name"] = json!("new_at_meta");
    calls[0].body["template"]["language"] = json!("en");
    calls
}

async fn make(app: &TestApp, call: &Call) -> TestResponse {
    let body = if call.body.is_null() { Body::empty() } else { Body::from(call.body.to_string()) };
    app.run_with_clock(app.request(call.method, &call.api_path, body)).await
}

/// Makes each call twice: Meta refuses the first one.
async fn assert_temporary(answer: impl Fn() -> FaultAnswer, status: u16, code: &str, min_wait: i64) {
    let app = TestApp::new().await;
    let calls = calls(&app).await;
    let new = json!({"name": "new_at_meta", "language": "en", "category": "UTILITY",
        "components": [{"type": "BODY", "text": "Hello."}]});
    app.sim.add_template(None, new.as_object().unwrap(), "APPROVED").unwrap();
    for call in &calls {
        fail(&app, &call.path, 1, answer());
        let name = format!("{} {} {:#?}", call.method, call.api_path, answer().body);
        let refused = make(&app, call).await;
        assert_eq!((refused.status.as_u16(), refused.code()), (status, code), "{name}: {:#}", refused.body);
        let wait = refused.number("retry-after");
        assert!(wait >= min_wait, "{name}: {wait}");
        app.advance(wait.unsigned_abs());
        let repeated = make(&app, call).await;
        assert!(repeated.status.is_success(), "{name}: {:#}", repeated.body);
    }
    assert_eq!(app.get("/api/accounts/sandbox").await.data()["status"], "connected");
}

#[tokio::test]
async fn a_rate_limit_is_429_in_each_kind_of_call() {
    for code in LIMITS {
        let min_wait = if code == 130_429 { 1 } else { 60 };
        assert_temporary(|| refusal(code, &[]), 429, "meta_rate_limited", min_wait).await;
    }
}

#[tokio::test]
async fn the_wait_of_the_usage_header_is_the_wait_of_the_response() {
    let usage = r#"{"1":[{"type":"whatsapp","call_count":100,"total_cputime":25,"total_time":25,"estimated_time_to_regain_access":7}]}"#;
    let answer = || refusal(80_008, &[("x-business-use-case-usage", usage)]);
    assert_temporary(answer, 429, "meta_rate_limited", 420).await;
}

#[tokio::test]
async fn a_proxy_that_limits_the_rate_is_429_in_each_kind_of_call() {
    let answer = || FaultAnswer {
        status: Some(429),
        body: Some(json!("slow down")),
        headers: [("retry-after".to_owned(), "17".to_owned())].into(),
        ..FaultAnswer::default()
    };
    assert_temporary(answer, 429, "meta_rate_limited", 17).await;
}

#[tokio::test]
async fn a_temporary_failure_is_503_in_each_kind_of_call() {
    for code in FAILURES {
        assert_temporary(|| refusal(code, &[]), 503, "meta_unavailable", 1).await;
    }
}

#[tokio::test]
async fn a_block_with_an_end_is_503_until_then() {
    let app = TestApp::new().await;
    let answer = || refusal(368, &[("retry-after", "7200")]);
    fail(&app, "/whatsapp_business_profile", 1, answer());
    let refused = app.get("/api/accounts/sandbox/profile").await.expect(503);
    assert_eq!((refused.code(), refused.number("retry-after")), ("account_disconnected", 7_200));
    fail(&app, "/messages", 1, answer());
    let refused = app.send_text(CUSTOMER).await.expect(503);
    assert_eq!((refused.code(), refused.number("retry-after")), ("account_disconnected", 7_200));
    // The queue waits for the end of the block, and a probe ends the hold.
    app.request("POST", "/api/accounts/sandbox/resume", "").await.expect(200);
    let queued = json!({"to": CUSTOMER, "type": "text", "text": "Hi", "mode": "queue"});
    let queued = app.send(queued).await.expect(202);
    fail(&app, "/messages", 1, answer());
    app.tick_queue().await;
    let id = queued.data()["id"].as_str().unwrap();
    assert_eq!(app.message(id).await["status"], "queued");
    app.advance(7_200);
    app.tick_queue().await;
    assert_eq!(app.message(id).await["status"], "sent");
    assert_eq!(app.get("/api/accounts/sandbox").await.data()["status"], "connected");
}

#[tokio::test]
async fn the_queue_retries_after_each_temporary_refusal() {
    for code in LIMITS.into_iter().chain(FAILURES).chain([132_069, 134_101]) {
        let app = TestApp::new().await;
        app.post("/api/templates/sync", &json!({})).await.expect(200);
        let mut body = hello_world();
        body["mode"] = json!("queue");
        let id = app.send(body).await.expect(202).data()["id"].as_str().unwrap().to_owned();
        fail(&app, "/messages", 3, refusal(code, &[]));
        for _ in 0..4 {
            app.tick_queue().await;
            app.advance(3_600);
        }
        assert_eq!(app.message(&id).await["status"], "sent", "{code}");
    }
}

#[tokio::test]
async fn a_documented_wait_is_the_wait_of_the_response() {
    for (code, wait) in
        [(133_008, 3_600), (133_009, 60), (133_015, 300), (133_016, 259_200), (136_024, 3_600)]
    {
        let app = TestApp::new().await;
        fail(&app, "/register", 1, refusal(code, &[]));
        let refused = app.post("/api/accounts/sandbox/register", &json!({"pin": "123456"})).await.expect(429);
        assert_eq!((refused.code(), refused.number("retry-after")), ("meta_rate_limited", wait), "{code}");
    }
    for (code, wait) in [(132_069, 3_600), (134_101, 600)] {
        let app = TestApp::new().await;
        app.post("/api/templates/sync", &json!({})).await.expect(200);
        fail(&app, "/messages", 1, refusal(code, &[]));
        let refused = app.send(hello_world()).await.expect(429);
        assert_eq!((refused.code(), refused.number("retry-after")), ("meta_rate_limited", wait), "{code}");
    }
}

#[tokio::test]
async fn an_upload_and_a_download_are_retried_after_a_temporary_refusal() {
    for code in LIMITS.into_iter().chain(FAILURES) {
        let app = TestApp::new().await;
        let boundary = "b0undary";
        let file = format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.pdf\"\r\nContent-Type: \
             application/pdf\r\n\r\n%PDF-1.7\n%%EOF\r\n--{boundary}--\r\n"
        );
        let request = Request::post("/api/media")
            .header("X-API-Key", DEV_KEY)
            .header("Content-Type", format!("multipart/form-data; boundary={boundary}"))
            .body(Body::from(file))
            .unwrap();
        let media = app.call(request).await.expect(201).data()["id"].as_str().unwrap().to_owned();
        let body = json!({"to": CUSTOMER, "type": "document", "document": {"id": media}});
        fail(&app, "/media", 1_000, refusal(code, &[]));
        let refused = app.send(body.clone()).await;
        assert!(matches!(refused.status.as_u16(), 429 | 503), "{code}: {:#}", refused.body);
        assert!(refused.number("retry-after") >= 1);
        let mut queued = body;
        queued["mode"] = json!("queue");
        let id = app.send(queued).await.expect(202).data()["id"].as_str().unwrap().to_owned();
        app.tick_queue().await;
        assert_eq!(app.message(&id).await["status"], "queued", "{code}");
        app.clear_faults().await;
        app.advance(3_600);
        app.tick_queue().await;
        assert_eq!(app.message(&id).await["status"], "sent", "{code}");
    }
}
