//! Fallback templates of queued messages and of dry runs.

use serde_json::{Value, json};
use sim::{Fault, FaultAction, FaultAnswer};

use crate::support::{CUSTOMER, NEW_RECIPIENT, TestApp};

/// Makes the simulator reject the next message with this code.
fn refuse_once(app: &TestApp, code: i64) {
    let response = FaultAnswer { code: Some(code), ..FaultAnswer::default() };
    app.sim.fail(Fault::on("/messages", FaultAction::Status(response)));
}

fn hello() -> Value {
    json!({"name": "hello_world", "language": "en_US"})
}

fn sale() -> Value {
    json!({"name": "sandbox_marketing", "language": "en",
        "components": [{"type": "body", "parameters": [{"type": "text", "text": "Maya"}]}]})
}

/// Queues a text with a fallback template, and returns the id of the message.
async fn queue_with_fallback(app: &TestApp, to: &str, fallback: Value) -> String {
    let body =
        json!({"to": to, "type": "text", "text": "Hi", "mode": "queue", "fallback_template": fallback});
    app.send(body).await.expect(202).data()["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_fallback_template_was_lost_with_the_first_attempt() {
    let app = TestApp::new().await;
    let id = queue_with_fallback(&app, CUSTOMER, hello()).await;
    // Meta rejects the token: the account is held, and the message waits.
    refuse_once(&app, 190);
    app.tick_queue().await;
    assert_eq!(app.message(&id).await["status"], "queued");
    app.advance(25 * 3_600);
    app.request("POST", "/api/accounts/sandbox/resume", "").await.expect(200);
    app.tick_queue().await;
    let message = app.message(&id).await;
    assert_eq!(
        (&message["status"], &message["sent_as"]),
        (&json!("sent"), &json!("template")),
        "{message:#}"
    );
}

#[tokio::test]
async fn a_marketing_fallback_was_sent_after_an_opt_out() {
    let app = TestApp::new().await;
    app.request("POST", "/api/templates/sync", "").await.expect(200);
    app.customer_writes(NEW_RECIPIENT, "Hi").await;
    let id = queue_with_fallback(&app, NEW_RECIPIENT, sale()).await;
    app.advance(25 * 3_600);
    refuse_once(&app, 190);
    app.tick_queue().await;
    assert_eq!(app.message(&id).await["status"], "queued");
    let contact = app.message(&id).await["contact_id"].as_str().unwrap().to_owned();
    let body = json!({"opted_out": true}).to_string();
    app.request("PUT", &format!("/api/contacts/{contact}"), body).await.expect(200);
    app.request("POST", "/api/accounts/sandbox/resume", "").await.expect(200);
    app.tick_queue().await;
    let message = app.message(&id).await;
    assert_eq!(message["error"]["code"], "recipient_opted_out", "{message:#}");
    assert_eq!(app.n_accepted(), 0);
}

#[tokio::test]
async fn a_dry_run_ignored_the_fallback_template_and_the_send_time() {
    let app = TestApp::new().await;
    let dry_run = async |more: Value| {
        let mut body = json!({"to": CUSTOMER, "type": "text", "text": "Hi", "dry_run": true,
            "context": {"message_id": "wamid.x"}});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        app.send(body).await.expect(200).body["data"].take()
    };
    // The window is open now, and closed at the send time.
    let later = json!({"send_at": "2026-01-03T00:00:00.000Z"});
    assert_eq!(dry_run(later.clone()).await["would_send"], false);
    assert_eq!(dry_run(json!({})).await["request"]["type"], "text");
    // At the send time the fallback is sent, without the reference to the customer's message.
    let mut saved = later;
    saved["fallback_template"] = hello();
    let response = dry_run(saved).await;
    assert_eq!(response["would_send"], true, "{response:#}");
    assert_eq!(
        (&response["request"]["type"], &response["request"]["context"]),
        (&json!("template"), &Value::Null)
    );
    assert_eq!(dry_run(json!({"fallback_template": hello()})).await["request"]["type"], "text");
}
