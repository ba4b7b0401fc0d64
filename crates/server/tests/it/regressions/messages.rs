//! Sends, the queue and idempotency keys.

use std::sync::Arc;

use async_trait::async_trait;
use axum::body::Body;
use axum::http::Request;
use engine::access::api_key::DEV_KEY;
use engine::background;
use engine::messages::queue;
use engine::ports::{FaultInjector, StoreError};
use serde_json::json;
use sim::{Fault, FaultAction, FaultAnswer};
use tokio::sync::Notify;

use crate::fault_ports::with_faults;
use crate::support::{CUSTOMER, TestApp, TestResponse};

/// Panics once, at the first call with this name after it is armed.
struct PanicAt(std::sync::Mutex<Option<&'static str>>);
#[async_trait]
impl FaultInjector for PanicAt {
    async fn before(&self, call: &'static str) -> Result<usize, StoreError> {
        let is_it = self.0.lock().unwrap().take_if(|name| *name == call).is_some();
        assert!(!is_it, "on purpose");
        Ok(0)
    }
    async fn after(&self, _: &'static str, _: usize) -> Result<(), StoreError> {
        Ok(())
    }
}

/// Notifies after the effect of a call with this name.
struct NotifyAfter(&'static str, Notify);
#[async_trait]
impl FaultInjector for NotifyAfter {
    async fn before(&self, _: &'static str) -> Result<usize, StoreError> {
        Ok(0)
    }
    async fn after(&self, call: &'static str, _: usize) -> Result<(), StoreError> {
        if call == self.0 {
            self.1.notify_one();
            tokio::task::yield_now().await;
        }
        Ok(())
    }
}

fn fault(app: &TestApp, action: FaultAction) {
    app.sim.fail(Fault::on("/messages", action));
}
fn code(code: i64) -> FaultAction {
    FaultAction::Status(FaultAnswer { code: Some(code), ..FaultAnswer::default() })
}
async fn send_with(app: &TestApp, key: &str) -> TestResponse {
    let request = Request::post("/api/messages/send")
        .header("X-API-Key", DEV_KEY)
        .header("Idempotency-Key", key)
        .body(Body::from(json!({"to": CUSTOMER, "type": "text", "text": "Hi"}).to_string()))
        .unwrap();
    app.run_with_clock(app.call(request)).await
}

#[tokio::test]
async fn the_key_of_a_send_that_panicked_was_released_and_the_message_duplicated() {
    let mut app = TestApp::new().await;
    let panics = Arc::new(PanicAt(std::sync::Mutex::new(None)));
    let guard = panics.clone();
    app.restart_with(|ports| with_faults(ports, guard)).await;
    background::tick_recovery(&app.deps).await.unwrap();
    *panics.0.lock().unwrap() = Some("finish_attempt");
    let first = send_with(&app, "k").await.expect(202);
    assert_eq!(app.n_accepted(), 1);
    background::tick_recovery(&app.deps).await.unwrap();
    let again = send_with(&app, "k").await;
    assert_eq!(app.n_accepted(), 1, "doubled: {:#}", again.body);
    assert_eq!(again.body, first.body);
}

#[tokio::test]
async fn a_rejected_retry_denied_the_effect_of_the_first_attempt() {
    for (second, times) in [(code(131_009), 1), (code(131_000), 1000), (code(130_429), 1000), (code(190), 1)]
    {
        let app = TestApp::new().await;
        fault(&app, FaultAction::CutAfter);
        app.sim.fail(Fault { times, ..Fault::on("/messages", second) });
        let response =
            app.send(json!({"to": CUSTOMER, "type": "text", "text": "Hi", "on_unknown": "resend"})).await;
        assert_eq!(app.n_accepted(), 1);
        assert_eq!(response.status.as_u16(), 202, "Meta has taken it: {:#}", response.body);
    }
}

#[tokio::test]
async fn a_key_was_released_although_the_first_attempt_may_have_been_sent() {
    let app = TestApp::new().await;
    fault(&app, FaultAction::CutAfter);
    app.sim.fail(Fault { times: 1000, ..Fault::on("/messages", code(131_000)) });
    let send = async || {
        let request = Request::post("/api/messages/send")
            .header("X-API-Key", DEV_KEY)
            .header("Idempotency-Key", "k")
            .body(Body::from(
                json!({"to": CUSTOMER, "type": "text", "text": "Hi", "on_unknown": "resend"}).to_string(),
            ))
            .unwrap();
        app.run_with_clock(app.call(request)).await
    };
    let response = send().await;
    app.clear_faults().await;
    fault(&app, FaultAction::CutAfter);
    send().await;
    assert!(app.n_accepted() <= 2, "{}: {:#}", app.n_accepted(), response.body);
}

#[tokio::test]
async fn a_queued_message_was_sent_again_more_than_once() {
    let app = TestApp::new().await;
    fault(&app, FaultAction::CutAfter);
    fault(&app, code(131_000));
    fault(&app, FaultAction::CutAfter);
    app.send(json!({"to": CUSTOMER, "type": "text", "text": "Hi", "on_unknown": "resend", "mode": "queue"}))
        .await
        .expect(202);
    for _ in 0..10 {
        app.tick_queue().await;
        app.advance(7);
    }
    assert!(app.n_accepted() <= 2, "handed over {} times", app.n_accepted());
}

#[tokio::test]
async fn a_disconnected_caller_made_an_unknown_message_unresolvable() {
    let mut app = TestApp::new().await;
    let tells = Arc::new(NotifyAfter("lease_unknown_message", Notify::new()));
    let guard = tells.clone();
    app.restart_with(|ports| with_faults(ports, guard)).await;
    background::tick_recovery(&app.deps).await.unwrap();
    fault(&app, FaultAction::CutBefore);
    let unknown = app.send_text(CUSTOMER).await.expect(202);
    let path = format!("/api/messages/{}/resolve", unknown.data()["id"].as_str().unwrap());
    let resend = json!({"action": "resend"});
    tokio::select! {
        biased;
        () = tells.1.notified() => {}
        _ = app.post(&path, &resend) => unreachable!(),
    }
    app.finish_tasks().await;
    for _ in 0..60 {
        app.advance(2);
        background::tick_recovery(&app.deps).await.unwrap();
    }
    assert!(
        app.n_accepted() == 1 || app.post(&path, &json!({"action": "fail"})).await.status == 200,
        "stuck"
    );
}

#[tokio::test]
async fn a_round_of_the_queue_that_was_aborted_left_its_messages_sending() {
    let mut app = TestApp::new().await;
    let tells = Arc::new(NotifyAfter("lease_due_messages", Notify::new()));
    let guard = tells.clone();
    app.restart_with(|ports| with_faults(ports, guard)).await;
    background::tick_recovery(&app.deps).await.unwrap();
    let response =
        app.send(json!({"to": CUSTOMER, "type": "text", "text": "Hi", "mode": "queue"})).await.expect(202);
    tokio::select! {
        biased;
        () = tells.1.notified() => {}
        _ = queue::tick(&app.deps) => unreachable!(),
    }
    for _ in 0..60 {
        app.advance(2);
        background::tick_recovery(&app.deps).await.unwrap();
        app.tick_queue().await;
    }
    assert_ne!(app.message(response.data()["id"].as_str().unwrap()).await["status"], "sending");
}

#[tokio::test]
async fn a_panic_before_the_record_was_answered_as_accepted() {
    for mode in ["sync", "queue"] {
        let mut app = TestApp::new().await;
        let panics = Arc::new(PanicAt(std::sync::Mutex::new(None)));
        let guard = panics.clone();
        app.restart_with(|ports| with_faults(ports, guard)).await;
        background::tick_recovery(&app.deps).await.unwrap();
        *panics.0.lock().unwrap() = Some("insert_message");
        let response = app.send(json!({"to": CUSTOMER, "type": "text", "text": "Hi", "mode": mode})).await;
        background::tick_recovery(&app.deps).await.unwrap();
        let id = response.data()["id"].as_str().unwrap_or_default();
        let found = app.get(&format!("/api/messages/{id}")).await.status;
        assert!(
            !response.status.is_success() || found == 200,
            "{mode}: {}: {:#}",
            response.status,
            response.body
        );
    }
}

#[tokio::test]
async fn a_message_was_canceled_although_the_customer_had_it() {
    let app = TestApp::new().await;
    fault(&app, FaultAction::CutAfter);
    fault(&app, code(131_000));
    let response = app
        .send(json!({"to": CUSTOMER, "type": "text", "text": "Hi", "on_unknown": "resend", "mode": "queue"}))
        .await
        .expect(202);
    app.tick_queue().await;
    assert_eq!(app.n_accepted(), 1);
    let id = response.data()["id"].as_str().unwrap();
    app.request("POST", &format!("/api/messages/{id}/cancel"), "").await;
    app.step().await;
    assert_eq!(app.message(id).await["status"], "read");
}

#[tokio::test]
async fn one_failed_write_failed_a_queued_message_for_good() {
    struct Fails(std::sync::atomic::AtomicUsize);
    #[async_trait]
    impl FaultInjector for Fails {
        async fn before(&self, call: &'static str) -> Result<usize, StoreError> {
            use std::sync::atomic::Ordering;
            if call == "finish_attempt"
                && self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1)).is_ok()
            {
                return Err(StoreError::new(engine::ports::StoreErrorKind::Unavailable, call, "x"));
            }
            Ok(0)
        }
        async fn after(&self, _: &'static str, _: usize) -> Result<(), StoreError> {
            Ok(())
        }
    }
    let mut app = TestApp::new().await;
    let fails = Arc::new(Fails(0.into()));
    let guard = fails.clone();
    app.restart_with(|ports| with_faults(ports, guard)).await;
    background::tick_recovery(&app.deps).await.unwrap();
    fault(&app, code(131_000));
    let response =
        app.send(json!({"to": CUSTOMER, "type": "text", "text": "Hi", "mode": "queue"})).await.expect(202);
    fails.0.store(1, std::sync::atomic::Ordering::SeqCst);
    for _ in 0..10 {
        app.tick_queue().await;
        app.advance(7);
    }
    let message = app.message(response.data()["id"].as_str().unwrap()).await;
    assert_eq!(message["status"], "sent", "{message:#}");
}

#[tokio::test]
async fn idempotency_records_never_expired_while_the_queue_was_empty() {
    let mut app = TestApp::new().await;
    let tells = Arc::new(NotifyAfter("expire_messages", Notify::new()));
    let guard = tells.clone();
    app.restart_with(|ports| with_faults(ports, guard)).await;
    send_with(&app, "k").await.expect(200);
    app.advance(25 * 3600);
    app.tick_queue().await;
    background::tick_recovery(&app.deps).await.unwrap();
    tokio::select! {
        biased;
        () = tells.1.notified() => {}
        () = std::future::ready(()) => unreachable!("`expire` was not called"),
    }
}

#[tokio::test]
async fn a_rejected_manual_resend_denied_the_effect_of_the_first_attempt() {
    let app = TestApp::new().await;
    // The simulator sends statuses up to `sent` only.
    app.customer_writes("+15550100003", "Hi").await;
    fault(&app, FaultAction::CutAfter);
    let unknown = app.send_text("+15550100003").await.expect(202);
    fault(&app, code(131_009));
    let id = unknown.data()["id"].as_str().unwrap();
    let resend = json!({"action": "resend"});
    let response =
        app.run_with_clock(app.post(&format!("/api/messages/{id}/resolve"), &resend)).await.expect(200);
    app.step().await;
    let message = app.message(id).await;
    assert_eq!((app.n_accepted(), &message["status"]), (1, &json!("sent")), "{:#}", response.body);
}

#[tokio::test]
async fn a_retry_that_could_not_start_denied_the_effect_of_the_first_attempt() {
    struct Begin;
    #[async_trait]
    impl FaultInjector for Begin {
        async fn before(&self, call: &'static str) -> Result<usize, StoreError> {
            if call == "begin_attempt" {
                return Err(StoreError::new(engine::ports::StoreErrorKind::Unavailable, call, "x"));
            }
            Ok(0)
        }
        async fn after(&self, _: &'static str, _: usize) -> Result<(), StoreError> {
            Ok(())
        }
    }
    let mut app = TestApp::new().await;
    app.restart_with(|ports| with_faults(ports, Arc::new(Begin))).await;
    background::tick_recovery(&app.deps).await.unwrap();
    fault(&app, FaultAction::CutAfter);
    let response = app
        .send(json!({"to": CUSTOMER, "type": "text", "text": "Hi", "on_unknown": "resend"}))
        .await
        .expect(202);
    assert_eq!(response.data()["status"], "unknown");
    app.step().await;
    assert_eq!(app.message(response.data()["id"].as_str().unwrap()).await["status"], "read");
    assert_eq!(app.n_accepted(), 1);
}
