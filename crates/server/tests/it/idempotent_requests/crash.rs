//! Crashes and faults between any two calls of the ports: a request with a key never has its effect twice.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use async_trait::async_trait;
use engine::background;
use engine::ports::{FaultInjector, StoreError, StoreErrorKind};
use serde_json::{Value, json};
use tokio::sync::Notify;

use super::{is_replayed, post};
use crate::fault_ports::with_faults;
use crate::support::TestApp;

/// Upper bound of the number of calls of a request.
const MAX_CALLS: usize = 40;

/// Fault at one call of a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// The process stops before the effect of the call.
    StopBefore,
    /// The process stops after the effect of the call.
    StopAfter,
    /// The call fails, after its effect.
    FailAfter,
}

/// Causes a fault at the n-th call, from 1. With 0, no call has a fault.
struct NthCall {
    fault: Fault,
    at: AtomicUsize,
    n_calls: AtomicUsize,
    has_stopped: AtomicBool,
    stopped: Notify,
}

impl NthCall {
    fn new(fault: Fault) -> Arc<Self> {
        Arc::new(Self {
            fault,
            at: AtomicUsize::new(0),
            n_calls: AtomicUsize::new(0),
            has_stopped: AtomicBool::new(false),
            stopped: Notify::new(),
        })
    }

    async fn pass(&self, fault: Fault, n: usize) {
        if self.fault == fault && n == self.at.load(Ordering::SeqCst) {
            self.has_stopped.store(true, Ordering::SeqCst);
            self.stopped.notify_one();
        }
        if self.has_stopped.load(Ordering::SeqCst) {
            pending::<()>().await;
        }
    }
}

#[async_trait]
impl FaultInjector for NthCall {
    async fn before(&self, _: &'static str) -> Result<usize, StoreError> {
        let n = self.n_calls.fetch_add(1, Ordering::SeqCst) + 1;
        self.pass(Fault::StopBefore, n).await;
        Ok(n)
    }

    async fn after(&self, call: &'static str, n: usize) -> Result<(), StoreError> {
        self.pass(Fault::StopAfter, n).await;
        if self.fault == Fault::FailAfter && n == self.at.load(Ordering::SeqCst) {
            return Err(StoreError::new(StoreErrorKind::Unavailable, call, "broken on purpose"));
        }
        Ok(())
    }
}

/// Request that creates one row of a list.
struct Create {
    path: &'static str,
    rows: &'static str,
    body: fn(usize) -> Value,
    /// `true` if the row belongs to the n-th request.
    is_of: fn(&Value, usize) -> bool,
}

const CREATES: [Create; 2] = [
    Create {
        path: "/api/contacts",
        rows: "contacts",
        body: |n| json!({"user_id": format!("US.user{n}"), "name": "Maya"}),
        is_of: |row, n| row["user_id"] == format!("US.user{n}"),
    },
    Create {
        path: "/api/webhooks",
        rows: "webhooks",
        body: |n| json!({"name": format!("hook {n}"), "url": "https://shop.example/hook", "events": ["*"]}),
        is_of: |row, n| row["name"] == format!("hook {n}"),
    },
];

/// Runs a create with a fault at the n-th call, and repeats it. Returns `false` if the request has fewer calls.
async fn run(app: &mut TestApp, create: &Create, fault: Fault, n: usize) -> bool {
    let injector = NthCall::new(fault);
    let faults = injector.clone();
    app.restart_with(|ports| with_faults(ports, faults)).await;
    background::tick_recovery(&app.deps).await.unwrap();
    let number = n + MAX_CALLS
        * match fault {
            Fault::StopBefore => 1,
            Fault::StopAfter => 2,
            Fault::FailAfter => 3,
        };
    let (key, body) = (format!("{}-{number}", create.rows), (create.body)(number));
    injector.n_calls.store(0, Ordering::SeqCst);
    injector.at.store(n, Ordering::SeqCst);
    let first = tokio::select! {
        biased;
        () = injector.stopped.notified() => None,
        response = post(app, create.path, &key, &body) => Some(response),
    };
    let had_fault = injector.n_calls.load(Ordering::SeqCst) >= n;
    injector.at.store(0, Ordering::SeqCst);
    if fault != Fault::FailAfter {
        app.restart().await;
    }
    app.advance(15);
    background::tick_recovery(&app.deps).await.unwrap();
    let description = format!("{} {fault:?} {n}", create.path);
    let again = post(app, create.path, &key, &body).await;
    let listed = app.get(&format!("{}?per_page=200", create.path)).await.expect(200);
    let rows = listed.data()[create.rows].as_array().unwrap();
    let n_rows = rows.iter().filter(|row| (create.is_of)(row, number)).count();
    assert!(n_rows <= 1, "{description}: {n_rows} rows");
    match again.status.as_u16() {
        409 => assert_eq!(again.code(), "idempotency_interrupted", "{description}"),
        status => assert_eq!((status, n_rows), (201, 1), "{description}: {:#}", again.body),
    }
    if let Some(first) = first.filter(|first| first.status.as_u16() == 201) {
        assert_eq!(n_rows, 1, "{description}");
        assert!(!is_replayed(&again) || again.body == first.body, "{description}");
        assert!(is_replayed(&again) || again.status.as_u16() == 409, "{description}");
    }
    had_fault
}

async fn run_all(fault: Fault) {
    let mut app = TestApp::new().await;
    for create in CREATES {
        let mut n = 1;
        while run(&mut app, &create, fault, n).await {
            n += 1;
            assert!(n < MAX_CALLS, "the request does not end");
        }
        assert!(n > 3, "the record, the row and the response are stored by separate calls");
    }
}

#[tokio::test]
async fn a_crash_before_any_call_never_causes_two_rows() {
    run_all(Fault::StopBefore).await;
}

#[tokio::test]
async fn a_crash_after_any_call_never_causes_two_rows() {
    run_all(Fault::StopAfter).await;
}

#[tokio::test]
async fn a_call_that_fails_after_its_effect_never_causes_two_rows() {
    run_all(Fault::FailAfter).await;
}
