//! Scheduled messages whose send time is changed.

use serde_json::{Value, json};
use sim::{Fault, FaultAction, FaultAnswer};

use crate::support::{CUSTOMER, NEW_RECIPIENT, TestApp, TestResponse};

async fn schedule(app: &TestApp, more: Value) -> String {
    let mut body = json!({"to": CUSTOMER, "type": "text", "text": "Hi", "send_at": "2026-01-01T05:00:00Z"});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    app.send(body).await.expect(202).data()["id"].as_str().unwrap().to_owned()
}

async fn move_to(app: &TestApp, id: &str, send_at: &str) -> TestResponse {
    app.request("PUT", &format!("/api/messages/{id}"), json!({"send_at": send_at}).to_string()).await
}

fn time(value: &Value) -> jiff::Timestamp {
    value.as_str().unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_message_is_sent_at_its_new_time_only() {
    let app = TestApp::new().await;
    let (sooner, later) = (schedule(&app, json!({})).await, schedule(&app, json!({"valid_for": 600})).await);
    let moved = move_to(&app, &sooner, "2026-01-01T01:00:00Z").await.expect(200);
    assert_eq!(time(&moved.data()["send_at"]), "2026-01-01T01:00:00Z".parse().unwrap());
    assert_eq!((&moved.data()["status"], &moved.data()["id"]), (&json!("queued"), &json!(sooner)));
    let moved = move_to(&app, &later, "2026-01-01T08:00:00+01:00").await.expect(200);
    assert_eq!(time(&moved.data()["send_at"]), "2026-01-01T07:00:00Z".parse().unwrap());
    // The message is valid as long as before.
    assert_eq!(time(&moved.data()["expires_at"]), "2026-01-01T07:10:00Z".parse().unwrap());
    app.advance(3599);
    app.tick_queue().await;
    assert_eq!(app.n_accepted(), 0);
    app.advance(1);
    app.tick_queue().await;
    assert_eq!((app.n_accepted(), &app.message(&sooner).await["status"]), (1, &json!("sent")));
    app.advance(5 * 3600);
    app.tick_queue().await;
    assert_eq!(app.n_accepted(), 1);
    app.advance(3600);
    app.tick_queue().await;
    assert_eq!((app.n_accepted(), &app.message(&later).await["status"]), (2, &json!("sent")));
    let entries = app.get("/api/audit?action=message.reschedule").await.expect(200);
    assert_eq!(entries.data()["total"], 2);
}

#[tokio::test]
async fn the_rules_of_a_new_message_apply_to_the_new_time() {
    let app = TestApp::new().await;
    let id = schedule(&app, json!({})).await;
    for send_at in ["2025-12-31T23:58:59Z", "2026-02-02T00:00:00Z", "tomorrow"] {
        assert_eq!(move_to(&app, &id, send_at).await.expect(400).pointers(), ["/send_at"]);
    }
    let path = format!("/api/messages/{id}");
    for body in [json!({}), json!({"send_at": null}), json!({"send_at": 5})] {
        let refused = app.request("PUT", &path, body.to_string()).await.expect(400);
        assert_eq!(refused.pointers(), ["/send_at"]);
    }
    let unknown = json!({"send_at": "2026-01-01T06:00:00Z", "text": "New"});
    assert_eq!(app.request("PUT", &path, unknown.to_string()).await.expect(400).pointers(), ["/text"]);
    // The customer wrote last at the start of the test.
    let refused = move_to(&app, &id, "2026-01-02T00:00:01Z").await.expect(400);
    assert_eq!(refused.code(), "outside_window");
    assert_eq!(time(&app.message(&id).await["send_at"]), "2026-01-01T05:00:00Z".parse().unwrap());
    let with_fallback =
        schedule(&app, json!({"fallback_template": {"name": "hello_world", "language": "en_US"}})).await;
    move_to(&app, &with_fallback, "2026-01-02T00:00:01Z").await.expect(200);
    // A time that has just passed is now.
    move_to(&app, &id, "2025-12-31T23:59:30Z").await.expect(200);
    app.tick_queue().await;
    assert_eq!(app.message(&id).await["status"], "sent");
}

#[tokio::test]
async fn a_message_that_has_left_cannot_be_rescheduled() {
    let app = TestApp::new().await;
    let sent = app.send_text(CUSTOMER).await.expect(200);
    let refused =
        move_to(&app, sent.data()["id"].as_str().unwrap(), "2026-01-01T06:00:00Z").await.expect(409);
    assert_eq!((refused.code(), &refused.body["details"]["status"]), ("not_reschedulable", &json!("sent")));
    let canceled = schedule(&app, json!({})).await;
    app.request("POST", &format!("/api/messages/{canceled}/cancel"), "").await.expect(200);
    move_to(&app, &canceled, "2026-01-01T06:00:00Z").await.expect(409);
    let nothing = "00000000-0000-7000-8000-000000000000";
    assert_eq!(move_to(&app, nothing, "2026-01-01T06:00:00Z").await.expect(404).code(), "message_not_found");
    let wamid = app.customer_writes(CUSTOMER, "Hi").await;
    let id = app.message(&wamid).await["id"].as_str().unwrap().to_owned();
    move_to(&app, &id, "2026-01-01T06:00:00Z").await.expect(404);
    // While Meta answers slowly, the message is being sent.
    let slow = schedule(&app, json!({})).await;
    app.advance(5 * 3600);
    app.sim.fail(Fault::on("/messages", FaultAction::Delay(std::time::Duration::from_secs(3))));
    engine::messages::queue::tick(&app.deps).await.unwrap();
    move_to(&app, &slow, "2026-01-01T09:00:00Z").await.expect(409);
    app.finish_tasks().await;
    assert_eq!((app.n_accepted(), &app.message(&slow).await["status"]), (2, &json!("sent")));
}

#[tokio::test]
async fn a_message_that_was_scheduled_for_days_failed_at_its_first_temporary_error() {
    let app = TestApp::new().await;
    let template = json!({"to": NEW_RECIPIENT, "type": "template", "send_at": "2026-01-04T00:00:00Z",
        "template": {"name": "hello_world", "language": "en_US"}});
    let id = app.send(template).await.expect(202).data()["id"].as_str().unwrap().to_owned();
    app.advance(3 * 86_400);
    let error = json!({"error": {"message": "(#131000) Something went wrong", "code": 131_000}});
    let answer = FaultAnswer { status: Some(500), body: Some(error), ..FaultAnswer::default() };
    app.sim.fail(Fault::on("/messages", FaultAction::Status(answer)));
    app.tick_queue().await;
    assert_eq!(app.message(&id).await["status"], "queued");
    app.advance(60);
    app.tick_queue().await;
    assert_eq!((&app.message(&id).await["status"], app.n_accepted()), (&json!("sent"), 1));
}
