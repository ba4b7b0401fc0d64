//! The API in the dialect of the Cloud API.

use axum::http::Request;
use domain::access::api_key::KeyScope;
use engine::access::api_key::DEV_KEY;
use serde_json::{Value, json};

use crate::support::{CUSTOMER, NEW_RECIPIENT, TestApp, TestResponse};

async fn send_as(app: &TestApp, key: &str, headers: &[(&str, &str)], body: &str) -> TestResponse {
    let mut request = Request::post("/v1/messages").header("Authorization", format!("Bearer {key}"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    app.run_with_clock(app.call(request.body(body.to_owned().into()).unwrap())).await
}

async fn send(app: &TestApp, body: &Value) -> TestResponse {
    send_as(app, DEV_KEY, &[], &body.to_string()).await
}

fn text(to: &str) -> Value {
    json!({"to": to, "type": "text", "text": {"body": "Hi"}})
}

/// Returns the body of a rejection without the id.
fn error_of(response: &TestResponse) -> (&Value, &str, Option<i64>) {
    let error = &response.body["error"];
    assert_eq!(response.body["success"], false, "{:#}", response.body);
    assert_eq!(response.body.as_object().unwrap().len(), 2);
    assert_eq!(error["request_id"], response.headers["x-request-id"].to_str().unwrap());
    (&error["code"], error["message"].as_str().unwrap(), error["retry_after_seconds"].as_i64())
}

#[tokio::test]
async fn a_cloud_api_body_is_sent_and_answered_in_this_dialect() {
    let app = TestApp::new().await;
    let digits = CUSTOMER.trim_start_matches('+');
    let body = json!({"messaging_product": "whatsapp", "recipient_type": "individual", "to": digits, "type": "text",
        "text": {"body": "Hi", "preview_url": false}});
    let sent = send(&app, &body).await.expect(200);
    let id = sent.body["message_id"].as_str().unwrap();
    assert!(id.starts_with("wamid."));
    assert_eq!(sent.body, json!({"success": true, "message_id": id, "status": "sent", "recipient": digits}));
    assert_eq!(app.accepted_message(0)["text"]["body"], "Hi");
    assert_eq!(sent.number("x-ratelimit-limit"), 100);
    assert_eq!(sent.number("x-ratelimit-remaining"), 99);
    assert!(sent.headers.contains_key("x-request-id"));
    assert_eq!(sent.headers["content-type"], "application/json; charset=utf-8");
    assert_eq!(app.message(id).await["status"], "sent");
}

#[tokio::test]
async fn a_queued_and_an_unknown_message_have_their_status() {
    let app = TestApp::new().await;
    let mut queued = text(CUSTOMER);
    queued["mode"] = json!("queue");
    let response = send(&app, &queued).await.expect(202);
    assert_eq!((&response.body["status"], &response.body["success"]), (&json!("queued"), &json!(true)));
    app.customer_writes("+15550100505", "Hi").await;
    assert_eq!(send(&app, &text("+15550100505")).await.expect(202).body["status"], "unknown");
}

#[tokio::test]
async fn errors_have_stable_codes() {
    let app = TestApp::new().await;
    let outside = send(&app, &text(NEW_RECIPIENT)).await.expect(400);
    assert_eq!(
        error_of(&outside),
        (&json!("outside_window"), "Outside 24-hour window. Use a template message.", None)
    );
    assert!(outside.body["error"]["details"].as_object().unwrap().contains_key("closed_at"));
    let invalid = send_as(&app, DEV_KEY, &[], "{}").await.expect(400);
    assert_eq!(error_of(&invalid).0, "invalid_request");
    assert_eq!(invalid.body["error"]["details"]["errors"][0]["pointer"], "/type");
    assert_eq!(error_of(&send_as(&app, DEV_KEY, &[], "no JSON").await.expect(400)).0, "invalid_request");
    let rejected = send_as(&app, "wp_live_nobody", &[], &text(CUSTOMER).to_string()).await.expect(401);
    assert_eq!(error_of(&rejected).0, "invalid_api_key");
    let reader = app.key(|new| new.scopes = vec![KeyScope::Read]).await;
    let forbidden = send_as(&app, &reader, &[], &text(CUSTOMER).to_string()).await.expect(403);
    assert_eq!(error_of(&forbidden).0, "forbidden");
    let template = json!({"to": NEW_RECIPIENT, "type": "template", "template": {"name": "nothing", "language": {"code": "en"}}});
    assert_eq!(error_of(&send(&app, &template).await.expect(404)).0, "template_not_found");
    let large = "x".repeat(5_000_001);
    assert_eq!(error_of(&send_as(&app, DEV_KEY, &[], &large).await.expect(413)).0, "payload_too_large");
    app.customer_writes("+15550100190", "Hi").await;
    let held = send(&app, &text("+15550100190")).await.expect(503);
    assert_eq!(error_of(&held), (&json!("account_disconnected"), error_of(&held).1, Some(60)));
    assert_eq!(held.number("retry-after"), 60);
}

#[tokio::test]
async fn every_rate_limit_is_rate_limit_exceeded() {
    let app = TestApp::new().await;
    let key = app.key(|new| new.rate_per_minute = Some(2)).await;
    for _ in 0..2 {
        send_as(&app, &key, &[], &text(CUSTOMER).to_string()).await.expect(200);
    }
    let ours = send_as(&app, &key, &[], &text(CUSTOMER).to_string()).await.expect(429);
    let (code, message, wait) = error_of(&ours);
    assert_eq!(code, "rate_limit_exceeded");
    assert!(message.starts_with("Rate limit exceeded"));
    assert_eq!(wait, Some(ours.number("retry-after")));
    app.customer_writes("+15550101056", "Hi").await;
    let metas = send(&app, &text("+15550101056")).await.expect(429);
    assert_eq!(error_of(&metas).0, "rate_limit_exceeded");
    assert!(error_of(&metas).2.unwrap() >= 1);
    assert_eq!(metas.body["error"]["details"]["meta"]["code"], 131_056);
}

#[tokio::test]
async fn a_key_for_repeated_requests_works_in_both_dialects() {
    let app = TestApp::new().await;
    let body = text(CUSTOMER).to_string();
    let key = [("Idempotency-Key", "k1")];
    let first = send_as(&app, DEV_KEY, &key, &body).await.expect(200);
    let again = send_as(&app, DEV_KEY, &key, &body).await.expect(200);
    assert_eq!(first.body, again.body);
    assert_eq!(again.headers["idempotent-replayed"], "true");
    let other = send_as(&app, DEV_KEY, &key, &text(NEW_RECIPIENT).to_string()).await.expect(409);
    assert_eq!(error_of(&other).0, "idempotency_mismatch");
    let request =
        Request::post("/api/messages/send").header("X-API-Key", DEV_KEY).header("Idempotency-Key", "k1");
    let there = app.call(request.body(body.into()).unwrap()).await.expect(200);
    assert_eq!(there.data()["message_id"], first.body["message_id"]);
    assert_eq!(app.n_accepted(), 1);
    // A final rejection is stored, and its repetition has the dialect of the repeated request.
    let refused = json!({"error": {"message": "(#131009) Parameter value is not valid", "code": 131_009}});
    let response = sim::FaultAnswer { status: Some(400), body: Some(refused), ..sim::FaultAnswer::default() };
    app.sim.fail(sim::Fault::on("/messages", sim::FaultAction::Status(response)));
    let body = json!({"to": CUSTOMER, "type": "text", "text": {"body": "other"}}).to_string();
    let key = [("Idempotency-Key", "k2")];
    let first = send_as(&app, DEV_KEY, &key, &body).await.expect(400);
    let again = send_as(&app, DEV_KEY, &key, &body).await.expect(400);
    assert_eq!(first.body["error"]["code"], "meta_error");
    assert_eq!(first.body, again.body);
}

#[tokio::test]
async fn a_dry_run_shows_what_would_be_sent() {
    let app = TestApp::new().await;
    let mut body = text(CUSTOMER);
    body["dry_run"] = json!(true);
    let shown = send(&app, &body).await.expect(200);
    assert_eq!((&shown.body["success"], &shown.body["data"]["would_send"]), (&json!(true), &json!(true)));
    assert_eq!(app.n_accepted(), 0);
}

#[tokio::test]
async fn other_paths_and_methods_are_rejected_in_this_dialect() {
    let app = TestApp::new().await;
    assert_eq!(error_of(&app.get("/v1/messages").await.expect(405)).0, "method_not_allowed");
    for path in ["/v1/contacts", "/v1", "/v1/", "/v1/messages/x"] {
        assert_eq!(error_of(&app.get(path).await.expect(404)).0, "not_found", "{path}");
    }
    let unexpected = app.post("/v1/messages?to=1", &text(CUSTOMER)).await.expect(400);
    assert_eq!(error_of(&unexpected).0, "invalid_request");
    let stranger = Request::get("/v1/messages").body(axum::body::Body::empty()).unwrap();
    assert_eq!(error_of(&app.call(stranger).await.expect(401)).0, "invalid_api_key");
}
