//! Skipping a delivery.

use domain::access::api_key::KeyScope;
use engine::AuditContext;
use serde_json::{Value, json};

use super::{URL, add, deliveries, id, texts};
use crate::support::{CUSTOMER, TestApp};

/// Creates a strict endpoint whose head is refused, with one event behind the head. Returns the endpoint and the head.
async fn blocked(app: &TestApp) -> (Value, Value) {
    let endpoint = add(app, URL, json!({"events": ["message.incoming"], "ordering": "strict"})).await;
    app.receiver.refuse_texts(&["poison"]);
    app.customer_writes(CUSTOMER, "poison").await;
    app.customer_writes(CUSTOMER, "after").await;
    for seconds in [0, 13, 73] {
        app.advance(seconds);
        app.deliver_events().await;
    }
    assert_eq!(texts(app, URL), ["poison", "poison", "poison"]);
    let head = deliveries(app, id(&endpoint), "status=failed").await.remove(0);
    (endpoint, head)
}

fn path(delivery: &Value) -> String {
    format!("/api/deliveries/{}/skip", id(delivery))
}

#[tokio::test]
async fn a_skipped_head_lets_the_next_event_pass() {
    let app = TestApp::new().await;
    let (endpoint, head) = blocked(&app).await;
    let skipped = app.post(&path(&head), &json!({})).await.expect(200);
    assert_eq!(
        (&skipped.data()["id"], &skipped.data()["status"], &skipped.data()["reason"]),
        (&head["id"], &json!("dead"), &json!("skipped"))
    );
    assert_eq!(skipped.data()["next_attempt_at"], Value::Null);
    app.deliver_events().await;
    assert_eq!(texts(&app, URL), ["poison", "poison", "poison", "after"]);
    // A delivery is skipped once.
    let again = app.post(&path(&head), &json!({})).await.expect(409);
    assert_eq!((again.code(), &again.body["details"]["status"]), ("not_skippable", &json!("dead")));
    let after = deliveries(&app, id(&endpoint), "status=succeeded").await.remove(0);
    let late = app.post(&path(&after), &json!({})).await.expect(409);
    assert_eq!((late.code(), &late.body["details"]["status"]), ("not_skippable", &json!("succeeded")));
    let audit = app.get("/api/audit?action=webhook.skip").await.expect(200);
    let entries = audit.data()["audit"].as_array().unwrap();
    assert_eq!(entries.len(), 1);
    assert_eq!(
        (&entries[0]["subject"]["id"], &entries[0]["details"]["delivery_id"]),
        (&endpoint["id"], &head["id"])
    );
    // The event can be redelivered.
    app.receiver.refuse_texts(&[]);
    app.post(&format!("/api/deliveries/{}/redeliver", id(&head)), &json!({})).await.expect(202);
    app.deliver_events().await;
    assert_eq!(texts(&app, URL)[4..], ["poison"]);
}

#[tokio::test]
async fn a_waiting_delivery_is_skipped_without_an_effect_on_the_head() {
    let app = TestApp::new().await;
    let (endpoint, head) = blocked(&app).await;
    let waiting = deliveries(&app, id(&endpoint), "status=pending").await.remove(0);
    app.post(&path(&waiting), &json!({})).await.expect(200);
    let row = deliveries(&app, id(&endpoint), "status=failed").await.remove(0);
    assert_eq!((&row["id"], &row["next_attempt_at"]), (&head["id"], &head["next_attempt_at"]));
    app.receiver.refuse_texts(&[]);
    app.advance(3_600);
    app.deliver_events().await;
    assert_eq!(texts(&app, URL)[3..], ["poison"]);
    app.customer_writes(CUSTOMER, "new").await;
    app.deliver_events().await;
    assert_eq!(texts(&app, URL)[4..], ["new"]);
}

/// Skips the head while an attempt to deliver it is in progress. Returns the statuses of the two deliveries afterwards.
async fn skip_during_an_attempt(refused: &[&str]) -> Vec<Value> {
    let app = TestApp::new().await;
    let (endpoint, head) = blocked(&app).await;
    app.receiver.refuse_texts(refused);
    app.receiver.stop_responding(URL);
    app.advance(3_600);
    engine::webhooks_out::deliver::tick(&app.deps).await.unwrap();
    while texts(&app, URL).len() < 4 {
        tokio::task::yield_now().await;
    }
    app.post(&path(&head), &json!({})).await.expect(200);
    assert_eq!(app.post(&path(&head), &json!({})).await.expect(409).code(), "not_skippable");
    // The next event does not overtake the attempt in progress.
    assert_eq!(engine::webhooks_out::deliver::tick(&app.deps).await.unwrap(), 0);
    assert_eq!(texts(&app, URL).len(), 4);
    app.receiver.release(URL);
    app.finish_tasks().await;
    app.deliver_events().await;
    assert_eq!(texts(&app, URL)[3..], ["poison", "after"]);
    // There is no further attempt.
    app.advance(3 * 3_600);
    app.deliver_events().await;
    assert_eq!(texts(&app, URL).len(), 5);
    let mut rows = deliveries(&app, id(&endpoint), "").await;
    rows.reverse();
    rows.iter().map(|row| json!([row["status"], row["reason"], row["attempt"]])).collect()
}

#[tokio::test]
async fn an_attempt_in_progress_ends_before_the_next_event() {
    assert_eq!(
        skip_during_an_attempt(&["poison"]).await,
        [json!(["dead", "skipped", 4]), json!(["succeeded", null, 1])]
    );
    assert_eq!(
        skip_during_an_attempt(&[]).await,
        [json!(["succeeded", null, 4]), json!(["succeeded", null, 1])]
    );
}

#[tokio::test]
async fn a_passed_delivery_can_be_skipped() {
    let app = TestApp::new().await;
    let endpoint = add(&app, URL, json!({"events": ["message.incoming"]})).await;
    app.receiver.refuse_texts(&["poison"]);
    app.customer_writes(CUSTOMER, "poison").await;
    app.customer_writes(CUSTOMER, "after").await;
    app.deliver_events().await;
    app.advance(13);
    app.deliver_events().await;
    let passed = deliveries(&app, id(&endpoint), "status=failed").await.remove(0);
    app.post(&path(&passed), &json!({})).await.expect(200);
    app.advance(86_400);
    app.deliver_events().await;
    assert_eq!(texts(&app, URL), ["poison", "poison", "after"]);
}

#[tokio::test]
async fn a_delivery_of_another_workspace_or_account_cannot_be_skipped() {
    let app = TestApp::new().await;
    let (endpoint, head) = blocked(&app).await;
    let by = AuditContext::command_line();
    let clinic = engine::workspace::create_workspace(&app.deps, &by, "clinic").await.unwrap();
    let stranger = app.key(|key| key.workspace = clinic).await;
    let second = app.add_second_account().await;
    let limited = app.key(|key| key.accounts = vec![second]).await;
    let reader = app.key(|key| key.scopes = vec![KeyScope::Read]).await;
    for (key, status, code) in [
        (stranger.as_str(), 404, "delivery_not_found"),
        (limited.as_str(), 404, "delivery_not_found"),
        (reader.as_str(), 403, "forbidden"),
    ] {
        let response = app.request_as(key, "POST", &path(&head), "{}").await.expect(status);
        assert_eq!(response.code(), code);
    }
    for unknown in ["018f2f3e-0c1d-7a3b-9c55-0242ac120002", "x"] {
        let response = app.post(&format!("/api/deliveries/{unknown}/skip"), &json!({})).await.expect(404);
        assert_eq!(response.code(), "delivery_not_found");
    }
    let invalid = app.post(&path(&head), &json!({"why": "old"})).await.expect(400);
    assert_eq!(invalid.pointers(), ["/why"]);
    assert_eq!(deliveries(&app, id(&endpoint), "status=failed").await, [head]);
}
