//! Idempotency keys: the same key with the same body is one message with the same response.

use axum::body::Body;
use axum::http::Request;
use engine::access::api_key::DEV_KEY;
use engine::background;
use serde_json::{Value, json};
use sim::{Fault, FaultAction};
use tokio::task::JoinSet;

use crate::support::{CUSTOMER, NEW_RECIPIENT, TestApp, TestResponse};

async fn send_with(app: &TestApp, key: &str, body: &Value) -> TestResponse {
    let request = Request::post("/api/messages/send")
        .header("X-API-Key", DEV_KEY)
        .header("Idempotency-Key", key)
        .body(Body::from(body.to_string()))
        .unwrap();
    app.run_with_clock(app.call(request)).await
}

fn text(to: &str) -> Value {
    json!({"to": to, "type": "text", "text": "Hi"})
}

#[tokio::test]
async fn a_repeated_request_is_one_message_with_the_first_response() {
    let app = TestApp::new().await;
    let first = send_with(&app, "order-1", &text(CUSTOMER)).await.expect(200);
    assert!(!first.headers.contains_key("idempotent-replayed"));
    // The same JSON with another order of members.
    let again = json!({"type": "text", "text": "Hi", "to": CUSTOMER});
    let second = send_with(&app, "order-1", &again).await.expect(200);
    assert_eq!(second.headers["idempotent-replayed"], "true");
    assert_eq!(first.body, second.body);
    assert_eq!(app.n_accepted(), 1);
    // A repetition does not use the rate limit for sends.
    assert_eq!(second.number("x-ratelimit-limit"), 1200);
}

#[tokio::test]
async fn another_body_with_the_same_key_is_rejected() {
    let app = TestApp::new().await;
    send_with(&app, "order-1", &text(CUSTOMER)).await.expect(200);
    let other = json!({"to": CUSTOMER, "type": "text", "text": "Ho"});
    assert_eq!(send_with(&app, "order-1", &other).await.expect(409).code(), "idempotency_mismatch");
    assert_eq!(app.n_accepted(), 1);
}

#[tokio::test]
async fn a_key_belongs_to_its_owner() {
    let app = TestApp::new().await;
    send_with(&app, "order-1", &text(CUSTOMER)).await.expect(200);
    let other = app.key(|_| ()).await;
    let request = Request::post("/api/messages/send")
        .header("X-API-Key", other)
        .header("Idempotency-Key", "order-1")
        .body(Body::from(text(CUSTOMER).to_string()))
        .unwrap();
    app.call(request).await.expect(200);
    assert_eq!(app.n_accepted(), 2);
}

#[tokio::test]
async fn a_hundred_equal_calls_at_once_are_one_message() {
    let app = TestApp::new().await;
    let mut calls = JoinSet::new();
    let key = app.key(|new| (new.rate_per_minute, new.rate_burst) = (Some(1000), Some(1000))).await;
    for _ in 0..100 {
        let request = Request::post("/api/messages/send")
            .header("X-API-Key", &key)
            .header("Idempotency-Key", "order-1")
            .body(Body::from(text(CUSTOMER).to_string()))
            .unwrap();
        calls.spawn(tower::ServiceExt::oneshot(app.router.clone(), request));
    }
    let mut n_first = 0;
    while let Some(response) = calls.join_next().await {
        let response = response.unwrap().unwrap();
        match response.status().as_u16() {
            200 if !response.headers().contains_key("idempotent-replayed") => n_first += 1,
            200 => {}
            409 => assert!(response.headers().contains_key("retry-after")),
            status => unreachable!("{status}"),
        }
    }
    assert_eq!((n_first, app.n_accepted()), (1, 1));
}

#[tokio::test]
async fn an_idempotency_key_is_stored_for_24_hours_and_across_restarts() {
    let mut app = TestApp::new().await;
    let template = json!({"to": NEW_RECIPIENT, "type": "template", "template": {"name": "hello_world", "language": "en_US"}});
    let first = send_with(&app, "order-1", &template).await.expect(200);
    app.restart().await;
    app.advance(24 * 3600 - 1);
    assert_eq!(send_with(&app, "order-1", &template).await.expect(200).body, first.body);
    app.advance(1);
    let later = send_with(&app, "order-1", &template).await.expect(200);
    assert_ne!(later.data()["id"], first.data()["id"]);
    assert_eq!(app.n_accepted(), 2);
}

#[tokio::test]
async fn rejections_and_retryable_errors_release_the_key() {
    let app = TestApp::new().await;
    send_with(&app, "k", &json!({"to": CUSTOMER})).await.expect(400);
    send_with(&app, "k", &text(NEW_RECIPIENT)).await.expect(400);
    app.customer_writes("+15550101056", "Hi").await;
    let limited = send_with(&app, "k", &text("+15550101056")).await.expect(429);
    assert_eq!(limited.code(), "meta_rate_limited");
    let response = sim::FaultAnswer { code: Some(131_016), ..Default::default() };
    app.sim.fail(Fault { times: 1000, ..Fault::on("/messages", FaultAction::Status(response)) });
    send_with(&app, "k", &text(CUSTOMER)).await.expect(503);
    app.clear_faults().await;
    send_with(&app, "k", &text(CUSTOMER)).await.expect(200);
}

#[tokio::test]
async fn a_permanent_failure_and_an_unknown_outcome_are_stored() {
    let app = TestApp::new().await;
    let error = json!({"error": {"message": "(#131009) Parameter value is not valid", "code": 131_009}});
    app.sim.fail(Fault::on(
        "/messages",
        FaultAction::Status(sim::FaultAnswer { status: Some(400), body: Some(error), ..Default::default() }),
    ));
    let first = send_with(&app, "a", &text(CUSTOMER)).await.expect(400);
    let again = send_with(&app, "a", &text(CUSTOMER)).await.expect(400);
    assert_eq!(first.body, again.body);
    app.sim.fail(Fault::on("/messages", FaultAction::CutAfter));
    let first = send_with(&app, "b", &text(CUSTOMER)).await.expect(202);
    app.step().await;
    let again = send_with(&app, "b", &text(CUSTOMER)).await.expect(202);
    assert_eq!(first.body, again.body);
    assert_eq!(app.n_accepted(), 1);
}

#[tokio::test]
async fn the_key_of_a_crashed_call_returns_the_outcome_of_its_message() {
    let mut app = TestApp::new().await;
    app.sim.fail(Fault::on("/messages", FaultAction::Delay(std::time::Duration::from_secs(3600))));
    let request = Request::post("/api/messages/send")
        .header("X-API-Key", DEV_KEY)
        .header("Idempotency-Key", "order-1")
        .body(Body::from(text(CUSTOMER).to_string()))
        .unwrap();
    let mut calls = JoinSet::new();
    calls.spawn(tower::ServiceExt::oneshot(app.router.clone(), request));
    while app.n_accepted() == 0 {
        tokio::task::yield_now().await;
    }
    let running = send_with(&app, "order-1", &text(CUSTOMER)).await.expect(409);
    assert_eq!(running.code(), "idempotency_in_progress");
    assert!(running.number("retry-after") >= 1);
    calls.abort_all();
    app.restart().await;
    app.advance(11);
    background::tick_recovery(&app.deps).await.unwrap();
    let orphaned = send_with(&app, "order-1", &text(CUSTOMER)).await.expect(202);
    assert_eq!(orphaned.data()["status"], "unknown");
    assert_eq!(orphaned.headers["idempotent-replayed"], "true");
    assert_eq!(app.n_accepted(), 1);
}

#[tokio::test]
async fn an_invalid_idempotency_key_is_rejected() {
    let app = TestApp::new().await;
    for key in [String::new(), "x".repeat(256), "a\tb".to_owned()] {
        let response = send_with(&app, &key, &text(CUSTOMER)).await.expect(400);
        assert_eq!(response.pointers(), ["/Idempotency-Key"]);
        let mut dry_run = text(CUSTOMER);
        dry_run["dry_run"] = true.into();
        let response = send_with(&app, &key, &dry_run).await.expect(400);
        assert_eq!(response.pointers(), ["/Idempotency-Key"]);
    }
    send_with(&app, &"x".repeat(255), &text(CUSTOMER)).await.expect(200);
}
