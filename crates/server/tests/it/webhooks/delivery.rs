//! Deliveries: retries, order, concurrency, dead letters and replays.

use engine::ports::WebhookOutcome;
use jiff::SignedDuration;
use serde_json::{Value, json};

use super::{OTHER, URL, add, deliveries, id, texts, webhook};
use crate::support::{CUSTOMER, NEW_RECIPIENT, TestApp};

#[tokio::test]
async fn a_failed_delivery_is_retried_by_the_schedule_and_blocks_only_its_contact() {
    let app = TestApp::new().await;
    let created = add(&app, URL, json!({"events": ["message.incoming"]})).await;
    app.receiver.respond_with(URL, 500);
    app.customer_writes(CUSTOMER, "one").await;
    app.customer_writes(CUSTOMER, "two").await;
    app.deliver_events().await;
    assert_eq!(texts(&app, URL), ["one"]);
    let rows = deliveries(&app, id(&created), "status=failed").await;
    assert_eq!((&rows[0]["attempt"], &rows[0]["response"]), (&json!(1), &json!("so be it")));
    assert!(rows[0]["next_attempt_at"].is_string());
    let waiting = deliveries(&app, id(&created), "status=pending").await;
    assert_eq!((waiting.len(), &waiting[0]["next_attempt_at"]), (1, &Value::Null));

    // Another contact has its own queue.
    app.receiver.respond_with(URL, 200);
    app.customer_writes(NEW_RECIPIENT, "other").await;
    app.deliver_events().await;
    assert_eq!(texts(&app, URL), ["one", "other"]);
    // A success releases the following events immediately.
    app.advance(13);
    app.deliver_events().await;
    assert_eq!(texts(&app, URL), ["one", "other", "one", "two"]);
    let ids: Vec<_> = app.receiver.received().iter().map(|received| received.event_id.clone()).collect();
    assert_eq!(ids[0], ids[2]);
}

#[tokio::test]
async fn the_retry_schedule_ends_in_a_dead_letter() {
    let app = TestApp::new().await;
    let created = add(&app, URL, json!({"events": ["message.incoming"]})).await;
    app.receiver.respond_with(URL, 503);
    app.customer_writes(CUSTOMER, "lost?").await;
    app.deliver_events().await;
    let waits = [10, 60, 300, 1_800, 7_200, 18_000, 36_000, 86_400];
    for (n, wait) in waits.into_iter().enumerate() {
        assert_eq!(texts(&app, URL).len(), n + 1);
        app.advance(wait * 4 / 5 - 1);
        app.deliver_events().await;
        assert_eq!(texts(&app, URL).len(), n + 1, "too early after {n}");
        app.advance(wait * 2 / 5 + 2);
        app.deliver_events().await;
    }
    assert!(texts(&app, URL).len() >= 8);
    app.advance(42 * 3600);
    app.deliver_events().await;
    let rows = deliveries(&app, id(&created), "status=dead").await;
    assert_eq!(rows.len(), 1);
    assert_eq!(webhook(&app, id(&created)).await["status"], "failing");
    // The event is still available for a replay.
    app.receiver.respond_with(URL, 200);
    app.receiver.clear();
    let path = format!("/api/deliveries/{}/redeliver", id(&rows[0]));
    let repeated = app.post(&path, &json!({})).await.expect(202);
    assert_eq!(
        (&repeated.data()["redelivery"], &repeated.data()["event_id"]),
        (&json!(true), &rows[0]["event_id"])
    );
    app.deliver_events().await;
    assert_eq!(texts(&app, URL), ["lost?"]);
    assert!(app.receiver.received()[0].is_redelivery);
    assert_eq!(webhook(&app, id(&created)).await["status"], "active");
}

#[tokio::test]
async fn an_event_that_waited_too_long_is_a_dead_letter() {
    let app = TestApp::new().await;
    let created = add(&app, URL, json!({"events": ["message.incoming"]})).await;
    app.receiver.respond_with(URL, 503);
    for n in 0..5 {
        app.customer_writes(CUSTOMER, &n.to_string()).await;
    }
    app.deliver_events().await;
    app.advance(42 * 3600 + 1);
    app.receiver.clear();
    app.deliver_events().await;
    assert_eq!(texts(&app, URL), [""; 0]);
    assert_eq!(deliveries(&app, id(&created), "status=dead").await.len(), 5);
    app.receiver.respond_with(URL, 200);
    app.customer_writes(CUSTOMER, "fresh").await;
    app.deliver_events().await;
    assert_eq!(texts(&app, URL), ["fresh"]);
}

#[tokio::test]
async fn a_retry_after_header_is_respected() {
    let app = TestApp::new().await;
    add(&app, URL, json!({"events": ["message.incoming"]})).await;
    let retry_after = Some(SignedDuration::from_secs(3_600));
    let throttled =
        WebhookOutcome::Responded { status: 429, body: String::new(), retry_after, redirect_to: None };
    app.receiver.end(URL, throttled);
    app.customer_writes(CUSTOMER, "one").await;
    app.deliver_events().await;
    app.advance(3_599);
    app.deliver_events().await;
    assert_eq!(texts(&app, URL).len(), 1);
    app.advance(1);
    app.deliver_events().await;
    assert_eq!(texts(&app, URL).len(), 2);
}

#[tokio::test]
async fn a_slow_endpoint_delays_no_other_endpoint_and_its_concurrency_is_limited() {
    let app = TestApp::with(|settings| settings.deliveries.concurrency = 2).await;
    add(&app, URL, json!({"events": ["message.incoming"]})).await;
    add(&app, OTHER, json!({"events": ["message.incoming"]})).await;
    app.receiver.stop_responding(URL);
    let numbers: Vec<_> = (0..5).map(|n| format!("+1555010123{n}")).collect();
    for number in &numbers {
        app.customer_writes(number, "hi").await;
    }
    for _ in 0..6 {
        engine::webhooks_out::deliver::tick(&app.deps).await.unwrap();
        while texts(&app, OTHER).len() + texts(&app, URL).len() < 4 {
            tokio::task::yield_now().await;
        }
        // Waits for the other deliveries; only the slow ones remain in flight.
        while app.deps.tasks.len() > 2 {
            tokio::task::yield_now().await;
        }
    }
    assert_eq!(texts(&app, OTHER).len(), 5);
    assert_eq!(texts(&app, URL).len(), 2);
    app.receiver.release(URL);
    app.finish_tasks().await;
    app.deliver_events().await;
    assert_eq!(texts(&app, URL).len(), 5);
}

#[tokio::test]
async fn first_attempts_precede_retries() {
    let app = TestApp::with(|settings| settings.deliveries.concurrency = 1).await;
    add(&app, URL, json!({"events": ["message.incoming"]})).await;
    app.receiver.respond_with(URL, 500);
    for n in 0..3 {
        app.customer_writes(&format!("+1555010123{n}"), "failed").await;
    }
    app.deliver_events().await;
    app.advance(13);
    app.receiver.respond_with(URL, 200);
    app.receiver.clear();
    app.customer_writes("+15550101239", "fresh").await;
    app.deliver_events().await;
    assert_eq!(texts(&app, URL), ["fresh", "failed", "failed", "failed"]);
}

#[tokio::test]
async fn a_backlog_survives_a_restart_in_order() {
    let mut app = TestApp::new().await;
    add(&app, URL, json!({"events": ["message.incoming"]})).await;
    app.receiver.stop_responding(URL);
    for n in 0..30 {
        app.customer_writes(CUSTOMER, &n.to_string()).await;
    }
    engine::webhooks_out::deliver::tick(&app.deps).await.unwrap();
    while texts(&app, URL).is_empty() {
        tokio::task::yield_now().await;
    }
    // The process crashes during a delivery, whose outcome is not stored.
    app.restart().await;
    app.advance(11);
    engine::background::tick_recovery(&app.deps).await.unwrap();
    app.receiver.clear();
    app.receiver.abandon_waiting(URL);
    app.deliver_events().await;
    let expected: Vec<_> = (0..30).map(|n| n.to_string()).collect();
    assert_eq!(texts(&app, URL), expected);
}

#[tokio::test]
async fn an_endpoint_can_replay_events_from_before_its_creation() {
    let app = TestApp::new().await;
    app.customer_writes(CUSTOMER, "early").await;
    let created = add(&app, URL, json!({"events": ["message.incoming"]})).await;
    let path = format!("/api/webhooks/{}/replay", id(&created));
    let replay = app.post(&path, &json!({"since": "2025-12-31T00:00:00.000Z"})).await.expect(202);
    assert!(replay.data()["events_since"].as_i64().unwrap() >= 2);
    app.customer_writes(CUSTOMER, "late").await;
    app.deliver_events().await;
    let mut received = texts(&app, URL);
    received.sort_unstable();
    assert_eq!(received, ["Hello", "early", "late"]);
}

#[tokio::test]
async fn a_replay_delivers_events_after_an_hour_of_failures() {
    let app =
        TestApp::with(|settings| settings.deliveries.schedule = vec![SignedDuration::from_secs(1)]).await;
    let created = add(&app, URL, json!({"events": ["message.incoming"]})).await;
    app.receiver.respond_with(URL, 500);
    app.advance(1);
    let since = app.deps.now().to_string();
    for n in 0..6 {
        app.customer_writes(CUSTOMER, &n.to_string()).await;
        for _ in 0..3 {
            app.deliver_events().await;
            app.advance(200);
        }
    }
    assert_eq!(deliveries(&app, id(&created), "status=dead").await.len(), 6);
    app.receiver.respond_with(URL, 200);
    app.receiver.clear();
    let replay = app
        .post(&format!("/api/webhooks/{}/replay", id(&created)), &json!({"since": since}))
        .await
        .expect(202);
    assert_eq!(replay.data()["webhook_id"], created["id"]);
    app.customer_writes(CUSTOMER, "new").await;
    app.deliver_events().await;
    let mut received = texts(&app, URL);
    received.retain(|text| text != "new");
    assert_eq!(received, ["0", "1", "2", "3", "4", "5"]);
    assert_eq!(texts(&app, URL).len(), 7);
}
