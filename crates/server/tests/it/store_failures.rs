//! Store failures, panics and aborted tasks: no message that Meta accepted is lost, and no response invites the caller
//! to send it again.

mod administration;
mod deliveries;
mod messages;

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use axum::body::Body;
use axum::http::Request;
use engine::access::api_key::DEV_KEY;
use engine::background;
use engine::ports::{FaultInjector, StoreError, StoreErrorKind};
use serde_json::{Value, json};
use sim::{Fault, FaultAction, FaultAnswer};
use tokio::sync::Notify;

use crate::fault_ports::with_faults;
use crate::support::{CUSTOMER, TestApp, TestResponse};

/// Point of the fault: before or after the effect of the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Before,
    After,
}

/// Fault at a call.
#[derive(Clone)]
enum TestFault {
    /// The call fails because the store is unavailable.
    Fails,
    /// The task panics.
    Panics,
    /// The call waits until it is released. The first notification reports that the call was reached.
    Waits(Arc<Notify>, Arc<Notify>),
}

/// Faults and the calls at which they occur.
#[derive(Default)]
struct FaultTable(Mutex<Vec<(&'static str, Side, TestFault)>>);

impl FaultTable {
    fn add(&self, n: usize, call: &'static str, side: Side, fault: TestFault) {
        self.0.lock().unwrap().extend(vec![(call, side, fault); n]);
    }

    fn next(&self, call: &str, side: Side) -> Option<TestFault> {
        let mut faults = self.0.lock().unwrap();
        let position = faults.iter().position(|(name, when, _)| *name == call && *when == side)?;
        Some(faults.remove(position).2)
    }

    async fn fail_at(&self, call: &'static str, side: Side) -> Result<(), StoreError> {
        match self.next(call, side) {
            None => Ok(()),
            Some(TestFault::Fails) => {
                Err(StoreError::new(StoreErrorKind::Unavailable, call, "broken on purpose"))
            }
            Some(TestFault::Panics) => unreachable!("on purpose"),
            Some(TestFault::Waits(is_there, may_go)) => {
                is_there.notify_one();
                may_go.notified().await;
                Ok(())
            }
        }
    }
}

#[async_trait]
impl FaultInjector for FaultTable {
    async fn before(&self, call: &'static str) -> Result<usize, StoreError> {
        self.fail_at(call, Side::Before).await.map(|()| 0)
    }

    async fn after(&self, call: &'static str, _: usize) -> Result<(), StoreError> {
        self.fail_at(call, Side::After).await
    }
}

/// Returns a gateway with faults at the ports.
async fn app_with_faults() -> (TestApp, Arc<FaultTable>) {
    let mut app = TestApp::new().await;
    let faults = Arc::new(FaultTable::default());
    let guard = faults.clone();
    app.restart_with(|ports| with_faults(ports, guard)).await;
    background::tick_recovery(&app.deps).await.unwrap();
    (app, faults)
}

fn text() -> Value {
    json!({"to": CUSTOMER, "type": "text", "text": "Hi", "client_reference": "it"})
}

fn with_key(key: &str) -> Request<Body> {
    Request::post("/api/messages/send")
        .header("X-API-Key", DEV_KEY)
        .header("Idempotency-Key", key)
        .body(Body::from(text().to_string()))
        .unwrap()
}

async fn send_with(app: &TestApp, key: &str) -> TestResponse {
    app.run_with_clock(app.call(with_key(key))).await
}

fn refuse_once(app: &TestApp, code: i64) {
    let response = FaultAnswer { code: Some(code), ..FaultAnswer::default() };
    app.sim.fail(Fault::on("/messages", FaultAction::Status(response)));
}

async fn n_messages(app: &TestApp) -> Value {
    app.get("/api/messages?direction=outbound").await.expect(200).data()["total"].clone()
}
