//! Refusals of Meta that concern the whole account.

use axum::body::Body;
use axum::http::Request;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use sim::{Fault, FaultAction, FaultAnswer, Status, StatusReport};
use tower::ServiceExt;

use crate::support::{CUSTOMER, TestApp};

const N_QUEUED: usize = 4;

/// Makes the simulator refuse the next sends with a code of Meta.
fn refuse_sends(app: &TestApp, times: u32, code: i64, subcode: Option<i64>) {
    let response = FaultAnswer { code: Some(code), subcode, ..FaultAnswer::default() };
    app.sim.fail(Fault { times, ..Fault::on("/messages", FaultAction::Status(response)) });
}

/// Returns the number of sends that the simulator will still refuse.
async fn n_refusals_left(app: &TestApp) -> u64 {
    let request = Request::get("/_sim/faults").header("Host", "127.0.0.1").body(Body::empty()).unwrap();
    let response = app.sim.router().oneshot(request).await.unwrap();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    let body: Value = serde_json::from_slice(&body).unwrap();
    let faults = body.as_array().or_else(|| body["faults"].as_array()).unwrap().clone();
    faults.iter().map(|fault| fault["times_left"].as_u64().unwrap()).sum()
}

fn hello_world(to: &str) -> Value {
    json!({"to": to, "type": "template", "template": {"name": "hello_world", "language": "en_US"}})
}

/// Queues templates to different recipients. Returns the identifiers of the messages.
async fn queue_messages(app: &TestApp) -> Vec<String> {
    let mut ids = Vec::new();
    for i in 0..N_QUEUED {
        let mut body = hello_world(&format!("+44770090010{i}"));
        body["mode"] = json!("queue");
        ids.push(app.send(body).await.expect(202).data()["id"].as_str().unwrap().to_owned());
    }
    ids
}

async fn statuses(app: &TestApp, ids: &[String]) -> Vec<String> {
    let mut statuses = Vec::new();
    for id in ids {
        statuses.push(app.message(id).await["status"].as_str().unwrap().to_owned());
    }
    statuses
}

/// Lets Meta refuse the messages of the queue, which are in flight together, with a code that holds the account.
async fn hold(app: &TestApp, code: i64) {
    refuse_sends(app, 100, code, None);
    app.tick_queue().await;
    app.clear_faults().await;
    assert_eq!(account_status(app).await.0, "held");
}

async fn account_status(app: &TestApp) -> (String, String) {
    let shown = app.get("/api/accounts/sandbox").await;
    let text = |name: &str| shown.data()[name].as_str().unwrap_or_default().to_owned();
    (text("status"), text("status_reason"))
}

/// Returns the statuses in the `account.status` events.
async fn reported_statuses(app: &TestApp) -> Vec<Value> {
    let events = app.get("/api/events?events=account.status&per_page=100").await;
    let events = events.expect(200).data()["events"].as_array().unwrap().clone();
    events.into_iter().map(|event| event["data"]["status"].clone()).collect()
}

#[tokio::test]
async fn a_refusal_of_the_account_holds_it_and_the_queue_waits() {
    for (code, subcode, advice) in [
        (3, None, "permission"),
        (10, None, "permission"),
        (33, None, "phone_number_id"),
        (100, Some(33), "phone_number_id"),
        (200, None, "permission"),
        (294, None, "permission"),
        (803, None, "phone_number_id"),
        (131_005, None, "permission"),
        (131_037, None, "display name"),
        (131_042, None, "payment method"),
        (131_045, None, "Register"),
    ] {
        let app = TestApp::new().await;
        let ids = queue_messages(&app).await;
        refuse_sends(&app, 100, code, subcode);
        app.tick_queue().await;
        app.advance(30);
        app.tick_queue().await;
        assert_eq!(statuses(&app, &ids).await, ["queued"; N_QUEUED], "{code}");
        let (status, reason) = account_status(&app).await;
        assert_eq!(status, "held", "{code}");
        assert!(reason.contains(&format!("code {code}")) && reason.contains(advice), "{code}: {reason}");
        assert_eq!(reported_statuses(&app).await, ["held"], "{code}");
        let audit = app.get("/api/audit?action=account.hold").await;
        assert_eq!(audit.expect(200).data()["audit"].as_array().unwrap().len(), 1, "{code}");
        app.clear_faults().await;
        app.request("POST", "/api/accounts/sandbox/resume", "").await.expect(200);
        app.tick_queue().await;
        assert_eq!(statuses(&app, &ids).await, ["sent"; N_QUEUED], "{code}");
    }
}

#[tokio::test]
async fn a_synchronous_send_gets_metas_error_and_its_response_is_not_cached() {
    let app = TestApp::new().await;
    refuse_sends(&app, 1, 131_042, None);
    let send = async || {
        let request = Request::post("/api/messages/send")
            .header("X-API-Key", engine::access::api_key::DEV_KEY)
            .header("Content-Type", "application/json")
            .header("Idempotency-Key", "invoice-1")
            .body(hello_world(CUSTOMER).to_string().into())
            .unwrap();
        app.run_with_clock(app.call(request)).await
    };
    let refused = send().await.expect(503);
    assert_eq!(refused.code(), "account_disconnected");
    assert_eq!(refused.body["details"]["meta"]["code"], 131_042);
    assert!(refused.headers.contains_key("retry-after"));
    // The account is held: there is no second call.
    assert_eq!(send().await.expect(503).code(), "account_disconnected");
    app.request("POST", "/api/accounts/sandbox/resume", "").await.expect(200);
    send().await.expect(200);
}

#[tokio::test]
async fn a_failed_status_that_concerns_the_account_holds_it() {
    let app = TestApp::new().await;
    let sent = app.send(hello_world(CUSTOMER)).await.expect(200).data()["message_id"].clone();
    let ids = queue_messages(&app).await;
    let report =
        |code| StatusReport { code: Some(code), ..StatusReport::of(sent.as_str().unwrap(), Status::Failed) };
    app.sim.set_status(&report(131_042));
    app.deliver_webhooks().await;
    assert_eq!(app.message(sent.as_str().unwrap()).await["status"], "failed");
    let (status, reason) = account_status(&app).await;
    assert_eq!(status, "held");
    assert!(reason.contains("code 131042") && reason.contains("payment method"), "{reason}");
    assert_eq!(reported_statuses(&app).await, ["held"]);
    app.tick_queue().await;
    assert_eq!(statuses(&app, &ids).await, ["queued"; N_QUEUED]);
}

#[tokio::test]
async fn a_failed_status_from_before_the_account_was_resumed_does_not_hold_it() {
    let app = TestApp::new().await;
    let mut sent = Vec::new();
    for _ in 0..3 {
        let response = app.send(hello_world(CUSTOMER)).await;
        sent.push(response.expect(200).data()["message_id"].as_str().unwrap().to_owned());
    }
    let start = engine::ports::Clock::now(&*app.clock).as_second();
    let report = |n: usize, at| StatusReport {
        code: Some(131_042),
        timestamp: Some(at),
        ..StatusReport::of(&sent[n], Status::Failed)
    };
    app.advance(2 * 3_600);
    app.sim.set_status(&report(0, start));
    app.deliver_webhooks().await;
    assert_eq!(account_status(&app).await.0, "connected", "the error is two hours old");
    app.sim.set_status(&report(1, start + 7_200));
    app.deliver_webhooks().await;
    assert_eq!(account_status(&app).await.0, "held");
    app.advance(60);
    app.request("POST", "/api/accounts/sandbox/resume", "").await.expect(200);
    app.sim.set_status(&report(2, start + 7_230));
    app.deliver_webhooks().await;
    assert_eq!(account_status(&app).await.0, "connected", "the error is from before the resumption");
}

#[tokio::test]
async fn a_refused_permission_to_read_templates_does_not_hold_the_account() {
    let app = TestApp::new().await;
    let response = FaultAnswer { code: Some(200), ..FaultAnswer::default() };
    app.sim.fail(Fault { times: 2, ..Fault::on("/message_templates", FaultAction::Status(response)) });
    let mut unknown = hello_world(CUSTOMER);
    unknown["template"]["name"] = json!("never_seen");
    assert_eq!(app.send(unknown).await.expect(400).code(), "meta_error");
    assert_eq!(app.post("/api/templates/sync", &json!({})).await.expect(400).code(), "meta_error");
    assert_eq!(account_status(&app).await.0, "connected");
}

#[tokio::test]
async fn a_held_account_is_probed_with_one_message_after_waits_that_double() {
    let app = TestApp::new().await;
    let ids = queue_messages(&app).await;
    hold(&app, 131_042).await;
    refuse_sends(&app, 3, 131_042, None);
    let mut refused_at = Vec::new();
    for minute in 1..=15 {
        app.advance(59);
        app.tick_queue().await;
        assert_eq!(statuses(&app, &ids).await, ["queued"; N_QUEUED], "minute {minute}");
        app.advance(1);
        let n_left = n_refusals_left(&app).await;
        app.tick_queue().await;
        refused_at.extend((n_refusals_left(&app).await < n_left).then_some(minute));
    }
    assert_eq!(refused_at, [1, 3, 7]);
    // The queue continues after the accepted probe.
    assert_eq!(statuses(&app, &ids).await, ["sent"; N_QUEUED]);
    assert_eq!(account_status(&app).await.0, "connected");
    assert_eq!(reported_statuses(&app).await, ["held", "connected"]);
    let audit = app.get("/api/audit?action=account.resume").await;
    let entries = audit.expect(200).data()["audit"].as_array().unwrap().clone();
    assert_eq!((entries.len(), &entries[0]["actor"]["kind"]), (1, &json!("gateway")));
}

#[tokio::test]
async fn a_probe_that_fails_for_its_own_reason_ends_the_hold() {
    let app = TestApp::new().await;
    let ids = queue_messages(&app).await;
    hold(&app, 131_037).await;
    refuse_sends(&app, 1, 131_026, None);
    app.advance(60);
    app.tick_queue().await;
    let found = statuses(&app, &ids).await;
    assert_eq!(
        (found[0].as_str(), &found[1..]),
        ("failed", &["sent".to_owned(), "sent".to_owned(), "sent".to_owned()][..])
    );
    assert_eq!(account_status(&app).await.0, "connected");
}

#[tokio::test]
async fn a_probe_without_an_answer_about_the_account_leaves_it_held() {
    let app = TestApp::new().await;
    let ids = queue_messages(&app).await;
    hold(&app, 200).await;
    refuse_sends(&app, 1, 131_016, None);
    app.advance(60);
    app.tick_queue().await;
    assert_eq!(statuses(&app, &ids).await, ["queued"; N_QUEUED]);
    assert_eq!(account_status(&app).await.0, "held");
    app.advance(120);
    app.tick_queue().await;
    assert_eq!(statuses(&app, &ids).await, ["sent"; N_QUEUED]);
}

#[tokio::test]
async fn a_held_account_with_a_refused_token_is_not_probed() {
    let app = TestApp::new().await;
    let ids = queue_messages(&app).await;
    hold(&app, 190).await;
    for _ in 0..20 {
        app.advance(60);
        app.tick_queue().await;
    }
    assert_eq!(statuses(&app, &ids).await, ["queued"; N_QUEUED]);
    assert_eq!(account_status(&app).await.0, "held");
}

#[tokio::test]
async fn the_time_of_the_next_probe_survives_a_restart() {
    let mut app = TestApp::new().await;
    let ids = queue_messages(&app).await;
    hold(&app, 131_042).await;
    refuse_sends(&app, 1, 131_042, None);
    app.advance(60);
    app.tick_queue().await;
    app.restart().await;
    app.advance(60);
    app.tick_queue().await;
    assert_eq!(statuses(&app, &ids).await, ["queued"; N_QUEUED], "the second probe is due after two minutes");
    app.advance(60);
    app.tick_queue().await;
    assert_eq!(statuses(&app, &ids).await, ["sent"; N_QUEUED]);
}

#[tokio::test]
async fn a_spam_limit_slows_the_number_to_one_message_at_a_time() {
    for code in [131_048, 131_064] {
        let app = TestApp::new().await;
        let ids = queue_messages(&app).await;
        refuse_sends(&app, 100, code, None);
        app.tick_queue().await;
        app.clear_faults().await;
        refuse_sends(&app, 2, code, None);
        let mut refused_at = Vec::new();
        for minute in 1..=7 {
            assert_eq!(statuses(&app, &ids).await, ["queued"; N_QUEUED], "{code}, minute {minute}");
            app.advance(60);
            let n_left = n_refusals_left(&app).await;
            app.tick_queue().await;
            refused_at.extend((n_refusals_left(&app).await < n_left).then_some(minute));
        }
        assert_eq!(refused_at, [1, 3], "{code}");
        app.advance(60);
        app.tick_queue().await;
        assert_eq!(statuses(&app, &ids).await, ["sent"; N_QUEUED], "{code}");
        assert_eq!(account_status(&app).await.0, "connected");
    }
}

#[tokio::test]
async fn a_synchronous_send_gets_a_spam_limit_as_a_rate_limit() {
    let app = TestApp::new().await;
    refuse_sends(&app, 1, 131_048, None);
    let refused = app.send(hello_world(CUSTOMER)).await.expect(429);
    assert_eq!(
        (refused.code(), &refused.headers["retry-after"]),
        ("meta_rate_limited", &"60".parse().unwrap())
    );
    // The next send is not even tried.
    app.send(hello_world(CUSTOMER)).await.expect(429);
    app.advance(60);
    app.send(hello_world(CUSTOMER)).await.expect(200);
    app.send(hello_world(CUSTOMER)).await.expect(200);
}

#[tokio::test]
async fn a_temporary_limit_of_a_call_is_answered_with_a_wait() {
    let app = TestApp::new().await;
    let template = json!({"name": "parcel", "language": "en", "category": "UTILITY",
        "components": [{"type": "BODY", "text": "Your parcel is here."}]});
    let mut unknown = hello_world(CUSTOMER);
    unknown["template"]["name"] = json!("never_seen");
    for (code, status, name) in [
        (4, 429, "meta_rate_limited"),
        (17, 429, "meta_rate_limited"),
        (341, 429, "meta_rate_limited"),
        (613, 429, "meta_rate_limited"),
        (80_007, 429, "meta_rate_limited"),
        (80_008, 429, "meta_rate_limited"),
        (130_429, 429, "meta_rate_limited"),
        (131_057, 429, "meta_rate_limited"),
        (139_102, 503, "meta_unavailable"),
        (139_103, 503, "meta_unavailable"),
    ] {
        let response = FaultAnswer { code: Some(code), ..FaultAnswer::default() };
        app.sim.fail(Fault { times: 3, ..Fault::on("/message_templates", FaultAction::Status(response)) });
        for (path, body) in [
            ("/api/messages/send", &unknown),
            ("/api/templates/sync", &json!({})),
            ("/api/templates", &template),
        ] {
            let refused = app.run_with_clock(app.post(path, body)).await.expect(status);
            assert_eq!(refused.code(), name, "{code} {path}");
            assert!(refused.headers.contains_key("retry-after"), "{code} {path}");
        }
        app.clear_faults().await;
        app.advance(120);
    }
}

#[tokio::test]
async fn the_error_of_a_held_account_in_the_sandbox_shows_the_command_that_resumes_it() {
    let mut app = TestApp::new().await;
    let public_url = Some("http://127.0.0.1:8080".to_owned());
    let options = server::http_options::HttpOptions { public_url, ..Default::default() };
    app.router = server::run::router(&app.deps, options);
    refuse_sends(&app, 1, 190, None);
    let refused = app.send_text(CUSTOMER).await.expect(503);
    let held = app.send_text(CUSTOMER).await.expect(503);
    for response in [refused, held] {
        let message = response.body["message"].as_str().unwrap();
        let path = format!("/api/accounts/{}/resume", app.account);
        let command = format!("curl -X POST http://127.0.0.1:8080{path} -H 'X-API-Key: wp_test_");
        assert!(message.contains(&command), "{message}");
    }
    app.request("POST", &format!("/api/accounts/{}/resume", app.account), "").await.expect(200);
    app.send_text(CUSTOMER).await.expect(200);
}
