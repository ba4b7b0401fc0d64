//! Refusals of Meta that concern the whole account.

use serde_json::{Value, json};
use sim::{Fault, FaultAction, FaultAnswer, Status, StatusReport};

use crate::support::{CUSTOMER, TestApp};

const N_QUEUED: usize = 4;

/// Makes the simulator refuse the next sends with a code of Meta.
fn refuse_sends(app: &TestApp, times: u32, code: i64, subcode: Option<i64>) {
    let response = FaultAnswer { code: Some(code), subcode, ..FaultAnswer::default() };
    app.sim.fail(Fault { times, ..Fault::on("/messages", FaultAction::Status(response)) });
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
        let request = axum::http::Request::post("/api/messages/send")
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
