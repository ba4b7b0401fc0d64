//! The rate limits of a key, with exact boundaries.

use serde_json::json;

use crate::support::{CUSTOMER, TestApp};

#[tokio::test]
async fn ten_sends_in_a_second_are_accepted_and_the_eleventh_is_rejected() {
    let app = TestApp::new().await;
    for i in 0..10 {
        let response = app.send_text(CUSTOMER).await.expect(200);
        assert_eq!(response.number("x-ratelimit-limit"), 100);
        assert_eq!(response.number("x-ratelimit-remaining"), 99 - i);
        assert!(response.number("x-ratelimit-reset") >= 1_767_225_660);
    }
    let refused = app.send_text(CUSTOMER).await.expect(429);
    assert_eq!(refused.code(), "rate_limited");
    assert_eq!((refused.number("retry-after"), refused.number("x-ratelimit-remaining")), (1, 90));
    assert_eq!(app.n_accepted(), 10);
    assert_eq!(app.get("/api/messages?direction=outbound").await.data()["total"], 10);
    app.advance(1);
    app.send_text(CUSTOMER).await.expect(200);
}

#[tokio::test]
async fn a_hundred_sends_in_a_minute_are_accepted_and_the_next_is_rejected() {
    let app = TestApp::new().await;
    // Each recipient gets one message, so that Meta's pair rate limit does not apply.
    for i in 0..100 {
        let template = json!({"name": "hello_world", "language": "en_US"});
        let to = format!("+447700900{i:03}");
        app.send(json!({"to": to, "type": "template", "template": template})).await.expect(200);
        if i % 10 == 9 {
            app.advance(2);
        }
    }
    let refused = app.send_text(CUSTOMER).await.expect(429);
    assert_eq!(refused.number("x-ratelimit-remaining"), 0);
    let wait = refused.number("retry-after");
    assert!((1..=60).contains(&wait));
    // Other calls have their own limit.
    let other = app.get("/api/messages").await.expect(200);
    assert_eq!(other.number("x-ratelimit-limit"), 1200);
    app.advance(wait.unsigned_abs());
    app.send_text(CUSTOMER).await.expect(200);
}

#[tokio::test]
async fn an_invalid_send_counts_and_a_dry_run_does_not() {
    let app = TestApp::new().await;
    app.send(json!({"to": CUSTOMER})).await.expect(400);
    let body = json!({"to": CUSTOMER, "type": "text", "text": "Hi", "dry_run": true});
    let rehearsed = app.send(body).await.expect(200);
    assert_eq!(rehearsed.number("x-ratelimit-limit"), 1200);
    assert_eq!(app.send_text(CUSTOMER).await.number("x-ratelimit-remaining"), 98);
}

#[tokio::test]
async fn a_key_can_have_its_own_limits() {
    let app = TestApp::new().await;
    let key = app.key(|new| (new.rate_per_minute, new.rate_burst) = (Some(3), Some(2))).await;
    let body = || json!({"to": CUSTOMER, "type": "text", "text": "Hi"}).to_string();
    for status in [200, 200, 429] {
        let response = app.request_as(&key, "POST", "/api/messages/send", body()).await.expect(status);
        assert_eq!(response.number("x-ratelimit-limit"), 3);
    }
    app.advance(2);
    app.request_as(&key, "POST", "/api/messages/send", body()).await.expect(200);
    let refused = app.request_as(&key, "POST", "/api/messages/send", body()).await.expect(429);
    assert!(refused.number("retry-after") > 50);
}
