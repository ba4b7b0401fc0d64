//! Suspension of an account that Meta rejects, while the store cannot record the suspension.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use engine::background;
use engine::ports::{FaultInjector, StoreError, StoreErrorKind};
use serde_json::json;
use sim::{Fault, FaultAction, FaultAnswer, InboundMessage};

use crate::fault_ports::with_faults;
use crate::support::{CUSTOMER, TestApp};

/// Makes updates that suspend accounts fail while the flag is set.
struct FailingSuspensions(AtomicBool);

#[async_trait]
impl FaultInjector for FailingSuspensions {
    async fn before(&self, call: &'static str) -> Result<usize, StoreError> {
        if call == "update_account_suspension" && self.0.load(Ordering::SeqCst) {
            return Err(StoreError::new(StoreErrorKind::Unavailable, call, "on purpose"));
        }
        Ok(0)
    }

    async fn after(&self, _: &'static str, _: usize) -> Result<(), StoreError> {
        Ok(())
    }
}

#[tokio::test]
async fn a_suspension_that_cannot_be_stored_still_stops_calls_to_meta() {
    let mut app = TestApp::new().await;
    let clinic = app.add_second_account().await;
    let failing_suspensions = Arc::new(FailingSuspensions(AtomicBool::new(true)));
    let guard = failing_suspensions.clone();
    app.restart_with(|ports| with_faults(ports, guard)).await;
    background::tick_recovery(&app.deps).await.unwrap();
    let template = json!({"name": "hello_world", "language": "en_US"});
    let unknown = app.send(json!({"to": "+15550100505", "type": "template", "template": template})).await;
    let unknown = unknown.expect(202).data()["id"].as_str().unwrap().to_owned();
    let path = format!("{}/messages", app.seeded.phone_number_id);
    let response = FaultAnswer { code: Some(190), status: Some(401), ..FaultAnswer::default() };
    app.sim.fail(Fault { times: 1, ..Fault::on(&path, FaultAction::Status(response)) });
    let queued = json!({"to": CUSTOMER, "type": "text", "text": "Hi", "mode": "queue"});
    let id = app.send(queued.clone()).await.expect(202).data()["id"].clone();
    for _ in 0..20 {
        app.tick_queue().await;
        app.advance(60);
    }
    // The fault was for one call: Meta would have accepted a second one.
    assert_eq!(app.n_accepted(), 0);
    assert_eq!(app.message(id.as_str().unwrap()).await["status"], "queued");
    assert_eq!(app.send_text(CUSTOMER).await.expect(503).code(), "account_disconnected");
    // A manual resend is rejected as well.
    let (path, resend) = (format!("/api/messages/{unknown}/resolve"), json!({"action": "resend"}));
    let refused = app.run_with_clock(app.post(&path, &resend)).await;
    assert_eq!(refused.expect(503).code(), "account_disconnected");
    // Other accounts continue to send.
    let seeded = app.sim.accounts().into_iter().nth(1).unwrap();
    let hello =
        InboundMessage { account: Some(seeded.phone_number_id), ..InboundMessage::text(CUSTOMER, "Hi") };
    app.inbound(&hello).await;
    let mut other = queued;
    other["whatsapp_account"] = json!(clinic.to_string());
    app.send(other).await.expect(202);
    app.tick_queue().await;
    assert_eq!(app.n_accepted(), 1);
    // The store accepts writes again, and the suspension is recorded.
    failing_suspensions.0.store(false, Ordering::SeqCst);
    app.tick_queue().await;
    let shown = app.get("/api/accounts/sandbox").await;
    assert_eq!(shown.data()["status"], "held");
    let n_accepted = app.n_accepted();
    app.request("POST", "/api/accounts/sandbox/resume", "").await.expect(200);
    app.tick_queue().await;
    assert_eq!(app.n_accepted(), n_accepted + 1);
}

#[tokio::test]
async fn resuming_ends_a_suspension_that_was_not_stored_yet() {
    let mut app = TestApp::new().await;
    let failing_suspensions = Arc::new(FailingSuspensions(AtomicBool::new(true)));
    let guard = failing_suspensions.clone();
    app.restart_with(|ports| with_faults(ports, guard)).await;
    let response = FaultAnswer { code: Some(190), status: Some(401), ..FaultAnswer::default() };
    app.sim.fail(Fault { times: 1, ..Fault::on("/messages", FaultAction::Status(response)) });
    app.send_text(CUSTOMER).await.expect(503);
    app.send_text(CUSTOMER).await.expect(503);
    assert_eq!(app.n_accepted(), 0);
    failing_suspensions.0.store(false, Ordering::SeqCst);
    app.request("POST", "/api/accounts/sandbox/resume", "").await.expect(200);
    app.send_text(CUSTOMER).await.expect(200);
}
