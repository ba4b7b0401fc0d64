//! Store failures during deliveries to webhook endpoints.

use serde_json::{Value, json};

use super::{Side, TestFault, app_with_faults};
use crate::support::{CUSTOMER, TestApp};

const URL: &str = "https://shop.example.com/hook";

/// Creates an endpoint that refuses the first of two events of a contact.
async fn add(app: &TestApp, ordering: &str) -> String {
    let body = json!({"name": "shop", "url": URL, "events": ["message.incoming"], "ordering": ordering});
    let created = app.post("/api/webhooks", &body).await.expect(201);
    app.receiver.refuse_texts(&["poison"]);
    app.customer_writes(CUSTOMER, "poison").await;
    app.customer_writes(CUSTOMER, "after").await;
    app.deliver_events().await;
    created.data()["id"].as_str().unwrap().to_owned()
}

fn texts(app: &TestApp) -> Vec<Value> {
    app.receiver.received().iter().map(|received| received.data()["text"].clone()).collect()
}

async fn failed(app: &TestApp, webhook: &str) -> Vec<Value> {
    let page = app.get(&format!("/api/webhooks/{webhook}/deliveries?status=failed")).await.expect(200);
    page.data()["deliveries"].as_array().unwrap().clone()
}

#[tokio::test]
async fn a_skip_that_cannot_be_stored_changes_nothing_and_can_be_repeated() {
    let (app, faults) = app_with_faults().await;
    let webhook = add(&app, "strict").await;
    let head = failed(&app, &webhook).await.remove(0);
    let path = format!("/api/deliveries/{}/skip", head["id"].as_str().unwrap());
    faults.add(1, "finish_skipped_delivery", Side::Before, TestFault::Fails);
    assert_eq!(app.post(&path, &json!({})).await.expect(503).code(), "store_unavailable");
    assert_eq!(failed(&app, &webhook).await, [head]);
    app.deliver_events().await;
    assert_eq!(texts(&app), ["poison"]);
    // The skip is stored, but the caller does not learn it.
    faults.add(1, "finish_skipped_delivery", Side::After, TestFault::Fails);
    app.post(&path, &json!({})).await.expect(503);
    assert_eq!(app.post(&path, &json!({})).await.expect(409).code(), "not_skippable");
    app.deliver_events().await;
    assert_eq!(texts(&app), ["poison", "after"]);
    let audit = app.get("/api/audit?action=webhook.skip").await.expect(200);
    assert_eq!(audit.data()["audit"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_second_failure_whose_result_is_stored_late_or_twice_lets_the_next_event_pass_once() {
    for side in [Side::Before, Side::After] {
        let (app, faults) = app_with_faults().await;
        let webhook = add(&app, "best_effort").await;
        app.advance(13);
        faults.add(1, "finish_delivery_attempt", side, TestFault::Fails);
        app.deliver_events().await;
        app.deliver_events().await;
        assert_eq!(texts(&app), ["poison", "poison", "after"], "{side:?}");
        let passed = failed(&app, &webhook).await;
        assert_eq!(passed.len(), 1, "{side:?}");
        app.receiver.refuse_texts(&[]);
        app.advance(73);
        app.deliver_events().await;
        assert_eq!(texts(&app)[3..], ["poison"], "{side:?}");
    }
}

#[tokio::test]
async fn blocked_queues_that_cannot_be_changed_are_changed_in_the_next_round() {
    let (app, faults) = app_with_faults().await;
    let webhook = add(&app, "strict").await;
    app.advance(13);
    app.deliver_events().await;
    faults.add(1, "update_blocked_queues", Side::Before, TestFault::Fails);
    let change = json!({"ordering": "best_effort"}).to_string();
    app.request("PUT", &format!("/api/webhooks/{webhook}"), change).await.expect(200);
    assert!(engine::webhooks_out::deliver::tick(&app.deps).await.is_err());
    assert_eq!(texts(&app), ["poison", "poison"]);
    app.deliver_events().await;
    assert_eq!(texts(&app), ["poison", "poison", "after"]);
}
