//! Pacing of sends to Meta.

use engine::background::{self, PollInterval};
use engine::messages::queue;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::support::{CUSTOMER, TestApp};

fn template(i: usize, mode: &str) -> serde_json::Value {
    json!({"to": format!("+447700900{i:03}"), "type": "template", "mode": mode,
        "template": {"name": "hello_world", "language": "en_US"}})
}

#[tokio::test]
async fn no_second_exceeds_the_throughput_of_the_number() {
    let app = TestApp::new().await;
    let key = app.key(|new| (new.rate_per_minute, new.rate_burst) = (Some(10_000), Some(10_000))).await;
    let batch: Vec<_> = (0..300).map(|i| template(i, "queue")).collect();
    let batch = json!({"messages": batch}).to_string();
    app.request_as(&key, "POST", "/api/messages/batch", batch).await.expect(202);
    app.tick_queue().await;
    assert_eq!(app.n_accepted(), 80);
    for _ in 0..60 {
        app.clock_advance_ms(100);
        app.tick_queue().await;
    }
    // The simulator rejects sends above its limits, and rejected none.
    assert_eq!(app.n_accepted(), 300);
    assert_eq!(app.get("/api/messages?status=sent&direction=outbound").await.data()["total"], 300);
    let times: Vec<_> = app.sim.messages().iter().map(|one| one.accepted_at.clone()).collect();
    assert_eq!(times.len(), 300);
}

#[tokio::test]
async fn the_queue_uses_the_throughput_of_the_number() {
    let app = TestApp::new().await;
    let key = app.key(|new| (new.rate_per_minute, new.rate_burst) = (Some(10_000), Some(10_000))).await;
    let batch: Vec<_> = (0..800).map(|i| template(i, "queue")).collect();
    let batch = json!({"messages": batch}).to_string();
    app.request_as(&key, "POST", "/api/messages/batch", batch).await.expect(202);
    let start = app.deps.now();
    let (stop, clock) = (CancellationToken::new(), app.deps.clock.clone());
    let interval = PollInterval { interval: queue::POLL_INTERVAL, hint: None };
    let worker = background::run("queue", &*clock, interval, &stop, || async {
        let round = queue::tick(&app.deps).await;
        app.finish_tasks().await;
        if app.n_accepted() == 800 {
            stop.cancel();
        }
        round
    });
    app.run_with_clock(worker).await;
    // 80 messages leave at once, and 720 within nine seconds: 95 % of 80 messages per second at least.
    let elapsed = app.deps.now().duration_since(start);
    assert!(elapsed.as_millis() * 95 <= 9_000 * 100, "{elapsed:?}");
}

#[tokio::test]
async fn a_batch_is_sent_at_the_rate_of_its_key_and_in_order() {
    let app = TestApp::new().await;
    let item = |i: usize| json!({"to": CUSTOMER, "type": "text", "text": i.to_string()});
    let batch: Vec<_> = (0..25).map(item).collect();
    app.post("/api/messages/batch", &json!({"messages": batch})).await.expect(202);
    let mut sent = Vec::new();
    for _ in 0..4 {
        for _ in 0..25 {
            app.tick_queue().await;
        }
        sent.push(app.n_accepted());
        app.advance(1);
    }
    assert_eq!(sent, [10, 20, 25, 25]);
    let order: Vec<_> = (0..25)
        .map(|n| app.accepted_message(n)["text"]["body"].as_str().unwrap().parse::<usize>().unwrap())
        .collect();
    assert_eq!(order, (0..25).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_sync_send_waits_up_to_five_seconds_for_a_send_slot_and_is_rejected_otherwise() {
    let app = TestApp::new().await;
    let key = app.key(|new| (new.rate_per_minute, new.rate_burst) = (Some(10_000), Some(10_000))).await;
    let send = || json!({"to": CUSTOMER, "type": "text", "text": "Hi"}).to_string();
    for _ in 0..45 {
        app.request_as(&key, "POST", "/api/messages/send", send()).await.expect(200);
    }
    // The 46th message to one recipient has its send slot after 6 seconds.
    let refused = app.request_as(&key, "POST", "/api/messages/send", send()).await.expect(429);
    assert_eq!(refused.code(), "pacing");
    assert!(refused.number("retry-after") >= 1);
    assert_eq!(app.n_accepted(), 45);
    assert_eq!(app.get("/api/messages?direction=outbound").await.data()["total"], 45);
    app.advance(2);
    app.run_with_clock(app.request_as(&key, "POST", "/api/messages/send", send())).await.expect(200);
    // Other recipients do not wait.
    app.request_as(&key, "POST", "/api/messages/send", template(1, "sync").to_string()).await.expect(200);
}

#[tokio::test]
async fn recent_sends_are_paced_after_a_restart() {
    let mut app = TestApp::new().await;
    let key = app.key(|new| (new.rate_per_minute, new.rate_burst) = (Some(10_000), Some(10_000))).await;
    let send = || json!({"to": CUSTOMER, "type": "text", "text": "Hi"}).to_string();
    for _ in 0..45 {
        app.request_as(&key, "POST", "/api/messages/send", send()).await.expect(200);
    }
    app.restart().await;
    let refused = app.request_as(&key, "POST", "/api/messages/send", send()).await.expect(429);
    assert_eq!(refused.code(), "pacing");
}

#[tokio::test]
async fn a_full_queue_rejects_messages() {
    let app = TestApp::with(|settings| settings.queue_per_account = 3).await;
    for i in 0..3 {
        app.send(template(i, "queue")).await.expect(202);
    }
    let refused = app.send(template(3, "queue")).await.expect(503);
    assert_eq!(refused.code(), "queue_full");
    assert!(refused.number("retry-after") >= 1);
    app.tick_queue().await;
    app.send(template(3, "queue")).await.expect(202);
}
