//! The messaging limit: maximum number of recipients of templates outside of their window in 24 hours.

use engine::background;
use serde_json::{Value, json};
use sim::{Fault, FaultAction, FaultAnswer};

use crate::support::{CUSTOMER, NEW_RECIPIENT, TestApp};

/// Returns a gateway with this messaging limit, whose keys have no effective rate limit.
async fn at_tier(tier: &str) -> TestApp {
    let app = TestApp::with(|settings| {
        settings.limits.per_minute = 100_000;
        settings.limits.burst = 100_000;
    })
    .await;
    set_tier(&app, tier).await;
    app
}

async fn set_tier(app: &TestApp, tier: &str) {
    let mut settings = app.sim.settings();
    settings.messaging_limit = tier.to_owned();
    app.sim.set_settings(settings);
    background::tick_phone_numbers(&app.deps).await.unwrap();
}

/// Returns the number of the n-th recipient without a window.
fn recipient(n: usize) -> String {
    format!("+44770090{n:04}")
}

fn template(to: &str) -> Value {
    json!({"to": to, "type": "template", "template": {"name": "hello_world", "language": "en_US"}})
}

fn queued(to: &str) -> Value {
    let mut body = template(to);
    body["mode"] = json!("queue");
    body
}

/// Queues a template to each of these recipients.
async fn queue_all(app: &TestApp, recipients: impl Iterator<Item = usize>) {
    let messages: Vec<_> = recipients.map(|n| template(&recipient(n))).collect();
    app.post("/api/messages/batch", &json!({"messages": messages})).await.expect(202);
}

/// Runs the queue for some seconds.
async fn run_queue_for(app: &TestApp, seconds: u64) {
    for _ in 0..seconds {
        app.tick_queue().await;
        app.advance(1);
    }
}

async fn used(app: &TestApp) -> i64 {
    app.get("/api/accounts/sandbox").await.data()["messaging_limit"]["used_24h"].as_i64().unwrap()
}

/// Returns the events about the limit: level and number of recipients.
async fn limit_events(app: &TestApp) -> Vec<(i64, i64)> {
    let events = app.get("/api/events?events=account.status").await.expect(200);
    let all = events.data()["events"].as_array().unwrap().clone();
    all.into_iter()
        .map(|event| event["data"].clone())
        .filter(|data| data["change"] == "messaging_limit_used")
        .map(|data| {
            assert_eq!(data["whatsapp_account_id"], Value::Null);
            (
                data["details"]["level"].as_i64().unwrap(),
                data["messaging_limit"]["used_24h"].as_i64().unwrap(),
            )
        })
        .collect()
}

#[tokio::test]
async fn the_queue_respects_the_messaging_limit_and_sends_the_rest_a_day_later() {
    let app = at_tier("TIER_250").await;
    queue_all(&app, 0..300).await;
    run_queue_for(&app, 20).await;
    assert_eq!((app.n_accepted(), used(&app).await), (250, 250));
    let waiting = app.get("/api/messages?status=queued&per_page=200").await.expect(200);
    let waiting = waiting.data()["messages"].as_array().unwrap();
    assert_eq!(waiting.len(), 50);
    for message in waiting {
        // The first recipients were counted in the first second.
        let shown = (&message["waiting_for"], &message["due_at"]);
        assert_eq!(shown, (&json!("messaging_limit"), &json!("2026-01-02T00:00:00.000Z")));
    }
    let one = waiting[0]["id"].as_str().unwrap();
    assert_eq!(app.message(one).await["waiting_for"], "messaging_limit");
    // No recipient leaves the count before 24 hours have passed.
    app.advance(24 * 3600 - 21);
    run_queue_for(&app, 1).await;
    assert_eq!(app.n_accepted(), 250);
    run_queue_for(&app, 10).await;
    assert_eq!(app.n_accepted(), 300);
    let sent = app.message(one).await;
    assert_eq!((&sent["status"], &sent["waiting_for"]), (&json!("sent"), &Value::Null));
}

#[tokio::test]
async fn a_recipient_that_is_already_counted_does_not_wait_for_the_limit() {
    let app = at_tier("TIER_50").await;
    queue_all(&app, 0..50).await;
    run_queue_for(&app, 1).await;
    queue_all(&app, 50..60).await;
    run_queue_for(&app, 2).await;
    assert_eq!(app.n_accepted(), 50);
    // A counted recipient; a template in an open window; a text in an open window.
    app.send(queued(&recipient(0))).await.expect(202);
    app.send(queued(CUSTOMER)).await.expect(202);
    app.send(json!({"to": CUSTOMER, "type": "text", "text": "Hi", "mode": "queue"})).await.expect(202);
    run_queue_for(&app, 1).await;
    assert_eq!((app.n_accepted(), used(&app).await), (53, 50));
    // Messages to a customer with a new window are sent immediately, in the order of acceptance.
    let customer = recipient(59);
    app.customer_writes(&customer, "Hello?").await;
    app.send(json!({"to": customer, "type": "text", "text": "Yes?", "mode": "queue"})).await.expect(202);
    run_queue_for(&app, 2).await;
    assert_eq!((app.n_accepted(), used(&app).await), (55, 50));
    assert_eq!(
        (&app.accepted_message(53)["type"], &app.accepted_message(54)["type"]),
        (&json!("template"), &json!("text"))
    );
    // Messages to a recipient that was counted by another send are sent.
    app.send(template(&recipient(58))).await.expect(200);
    run_queue_for(&app, 1).await;
    assert_eq!((app.n_accepted(), used(&app).await), (57, 51));
}

#[tokio::test]
async fn a_deferred_message_does_not_delay_other_recipients() {
    let app = at_tier("TIER_50").await;
    queue_all(&app, 0..1000).await;
    app.send(json!({"to": CUSTOMER, "type": "text", "text": "Hi", "mode": "queue"})).await.expect(202);
    // The pacing allows 80 messages in the first second, the messaging limit allows 50 of them.
    app.tick_queue().await;
    assert_eq!(app.n_accepted(), 51);
    assert!((0..51).any(|n| app.accepted_message(n)["type"] == "text"));
}

#[tokio::test]
async fn a_deferred_message_expires_and_can_be_canceled() {
    let app = at_tier("TIER_50").await;
    queue_all(&app, 0..50).await;
    run_queue_for(&app, 2).await;
    let mut body = queued(NEW_RECIPIENT);
    body["valid_for"] = json!(60);
    let expiring = app.send(body).await.expect(202).data()["id"].as_str().unwrap().to_owned();
    let canceled =
        app.send(queued(&recipient(51))).await.expect(202).data()["id"].as_str().unwrap().to_owned();
    run_queue_for(&app, 1).await;
    for id in [&expiring, &canceled] {
        assert_eq!(app.message(id).await["waiting_for"], "messaging_limit");
    }
    app.post(&format!("/api/messages/{canceled}/cancel"), &json!({})).await.expect(200);
    app.advance(60);
    app.tick_queue().await;
    let (expired, canceled) = (app.message(&expiring).await, app.message(&canceled).await);
    assert_eq!((&expired["status"], &canceled["status"]), (&json!("expired"), &json!("canceled")));
    assert_eq!(expired["waiting_for"], Value::Null);
    assert_eq!(app.n_accepted(), 50);
}

#[tokio::test]
async fn a_higher_tier_releases_deferred_messages_and_an_unlimited_tier_defers_nothing() {
    let app = at_tier("TIER_50").await;
    queue_all(&app, 0..120).await;
    run_queue_for(&app, 2).await;
    assert_eq!(app.n_accepted(), 50);
    set_tier(&app, "TIER_100").await;
    run_queue_for(&app, 2).await;
    assert_eq!(app.n_accepted(), 100);
    set_tier(&app, "UNTIERED").await;
    run_queue_for(&app, 1).await;
    assert_eq!(app.n_accepted(), 120);
}

#[tokio::test]
async fn a_rejected_template_frees_capacity_for_the_next_message() {
    let app = at_tier("TIER_50").await;
    let error = json!({"error": {"message": "(#131026) Message undeliverable", "code": 131_026}});
    let response = FaultAnswer { status: Some(400), body: Some(error), ..FaultAnswer::default() };
    app.sim.fail(Fault { times: 10, ..Fault::on("/messages", FaultAction::Status(response)) });
    queue_all(&app, 0..70).await;
    run_queue_for(&app, 5).await;
    assert_eq!((app.n_accepted(), used(&app).await), (50, 50));
    let waiting = app.get("/api/messages?status=queued").await;
    assert_eq!(waiting.data()["total"], 10);
}

#[tokio::test]
async fn an_unknown_outcome_counts_towards_the_messaging_limit() {
    let mut app = at_tier("TIER_50").await;
    app.sim.fail(Fault::on("/messages", FaultAction::CutBefore));
    queue_all(&app, 0..1).await;
    app.tick_queue().await;
    app.send(template("+15550100505")).await.expect(202);
    assert_eq!(used(&app).await, 2);
    // A message in flight during a crash counts as well.
    app.restart().await;
    queue_all(&app, 2..60).await;
    run_queue_for(&app, 3).await;
    assert_eq!(used(&app).await, 50);
}

#[tokio::test]
async fn a_sync_send_is_not_deferred() {
    let app = at_tier("TIER_50").await;
    queue_all(&app, 0..50).await;
    run_queue_for(&app, 2).await;
    app.send(template(NEW_RECIPIENT)).await.expect(200);
    assert_eq!(used(&app).await, 51);
}

#[tokio::test]
async fn the_limit_is_reported_once_at_80_and_at_100_percent() {
    let mut app = at_tier("TIER_50").await;
    queue_all(&app, 0..39).await;
    run_queue_for(&app, 2).await;
    assert_eq!(limit_events(&app).await, []);
    app.send(template(&recipient(39))).await.expect(200);
    assert_eq!(limit_events(&app).await, [(80, 40)]);
    app.restart().await;
    queue_all(&app, 40..60).await;
    run_queue_for(&app, 2).await;
    background::tick_recovery(&app.deps).await.unwrap();
    assert_eq!(limit_events(&app).await, [(80, 40), (100, 50)]);
    // After 24 hours the count is empty, the deferred messages are sent, and each level is reported again.
    app.advance(24 * 3600);
    run_queue_for(&app, 1).await;
    background::tick_recovery(&app.deps).await.unwrap();
    assert_eq!((used(&app).await, limit_events(&app).await.len()), (10, 2));
    queue_all(&app, 100..140).await;
    run_queue_for(&app, 2).await;
    assert_eq!(limit_events(&app).await, [(80, 40), (100, 50), (80, 40), (100, 50)]);
    // A higher tier resets the levels, and a lower tier reports them again.
    set_tier(&app, "TIER_250").await;
    background::tick_recovery(&app.deps).await.unwrap();
    set_tier(&app, "TIER_50").await;
    background::tick_recovery(&app.deps).await.unwrap();
    assert_eq!(limit_events(&app).await.last(), Some(&(100, 50)));
    assert_eq!(limit_events(&app).await.len(), 5);
}
