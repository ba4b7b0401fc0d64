//! Crashes between any two calls of the ports: each scenario is repeated with the crash one call later, until the
//! scenario completes without a crash. Another process then takes over.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use async_trait::async_trait;
use axum::body::Body;
use axum::http::Request;
use engine::access::api_key::DEV_KEY;
use engine::ports::{FaultInjector, StoreError};
use engine::{Settings, background};
use serde_json::{Value, json};
use sim::{Fault, FaultAction, FaultAnswer, Webhook};
use tokio::sync::{Mutex, Notify};

use crate::fault_ports::with_faults;
use crate::invariants::{
    EndState, assert_invariants, assert_message_exists, complete_all_work, end_states, invites_retry,
};
use crate::support::{TestApp, TestResponse};

/// Upper bound of the number of calls of a scenario.
const MAX_CALLS: usize = 80;

/// Point of the crash: before or after the effect of the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Before,
    After,
}

/// Simulates a crash at one call: this call and all later calls never return.
struct CrashInjector {
    side: Side,
    /// Number of the call at which the process crashes, from 1; 0 disables the crash.
    last: AtomicUsize,
    n_calls: AtomicUsize,
    has_crashed: AtomicBool,
    crashed: Notify,
}

impl CrashInjector {
    fn new(side: Side) -> Arc<Self> {
        Arc::new(Self {
            side,
            last: AtomicUsize::new(0),
            n_calls: AtomicUsize::new(0),
            has_crashed: AtomicBool::new(false),
            crashed: Notify::new(),
        })
    }

    /// Starts to count calls.
    fn crash_at(&self, last: usize) {
        self.n_calls.store(0, Ordering::SeqCst);
        self.last.store(last, Ordering::SeqCst);
    }

    async fn pass(&self, side: Side, n: usize) {
        if side == self.side && n == self.last.load(Ordering::SeqCst) {
            self.has_crashed.store(true, Ordering::SeqCst);
            self.crashed.notify_one();
        }
        if self.has_crashed.load(Ordering::SeqCst) {
            pending::<()>().await;
        }
    }
}

#[async_trait]
impl FaultInjector for CrashInjector {
    async fn before(&self, _: &'static str) -> Result<usize, StoreError> {
        let n = self.n_calls.fetch_add(1, Ordering::SeqCst) + 1;
        self.pass(Side::Before, n).await;
        Ok(n)
    }

    async fn after(&self, _: &'static str, n: usize) -> Result<(), StoreError> {
        self.pass(Side::After, n).await;
        Ok(())
    }
}

/// One crash of one scenario.
struct Scene<'a> {
    app: &'a TestApp,
    description: String,
    /// `client_reference` of the messages of the scenario.
    reference: String,
    /// The only recipient.
    to: String,
    /// Responses that the caller received before the crash.
    responses: &'a Mutex<Vec<TestResponse>>,
    /// Webhooks of Meta that are repeated until the gateway responds with 200.
    webhooks: &'a Mutex<Vec<Webhook>>,
}

impl Scene<'_> {
    fn text(&self) -> Value {
        json!({"to": self.to, "type": "text", "text": "Hi", "client_reference": self.reference})
    }

    fn with(&self, name: &str, value: &str) -> Value {
        let mut body = self.text();
        body[name] = json!(value);
        body
    }

    fn refuse_once(&self, code: i64) {
        let response = FaultAnswer { code: Some(code), ..FaultAnswer::default() };
        self.fail(FaultAction::Status(response));
    }

    fn fail(&self, action: FaultAction) {
        self.app.sim.fail(Fault::on("/messages", action));
    }

    async fn send(&self, body: Value) {
        let response = self.app.send(body).await;
        self.responses.lock().await.push(response);
    }

    async fn send_with_key(&self) -> TestResponse {
        let request = Request::post("/api/messages/send")
            .header("X-API-Key", DEV_KEY)
            .header("Idempotency-Key", &self.reference)
            .body(Body::from(self.text().to_string()))
            .unwrap();
        self.app.run_with_clock(self.app.call(request)).await
    }

    /// Creates a message whose outcome is unknown, without a crash.
    async fn make_unknown(&self, action: FaultAction) {
        self.fail(action);
        self.send(self.text()).await;
        assert_eq!(self.responses.lock().await[0].data()["status"], "unknown");
    }

    async fn resend(&self) {
        let id = self.responses.lock().await[0].data()["id"].as_str().unwrap().to_owned();
        let path = format!("/api/messages/{id}/resolve");
        let resolve = json!({"action": "resend"});
        let response = self.app.run_with_clock(self.app.post(&path, &resolve)).await;
        assert_eq!(response.status.as_u16(), 200, "{}: {:#}", self.description, response.body);
    }

    async fn rounds(&self, n: usize) {
        for _ in 0..n {
            self.app.tick_queue().await;
            self.app.advance(2);
        }
    }

    async fn end_states(&self) -> Vec<EndState> {
        end_states(self.app, &self.reference).await
    }
}

/// Variants of a crash: before or after the effect of the call. In the last variant, Meta's statuses arrive before the
/// successor detects the crash.
const VARIANTS: [Variant; 3] = [
    Variant { number: 0, side: Side::Before, is_status_early: false },
    Variant { number: 1, side: Side::After, is_status_early: false },
    Variant { number: 2, side: Side::After, is_status_early: true },
];

/// Variant of a crash.
#[derive(Clone, Copy)]
struct Variant {
    number: usize,
    side: Side,
    /// `true` if Meta's statuses arrive before the successor detects the crash.
    is_status_early: bool,
}

/// Steps of a scenario: before the crash, in the process that crashes, and in its successor.
struct Scenario<P, D, S> {
    settings: fn(&mut Settings),
    /// Maximum number of times that Meta may accept the message.
    max_accepted: usize,
    prepare: P,
    entry: D,
    afterwards: S,
}

impl<P, D, S> Scenario<P, D, S>
where
    P: AsyncFn(&Scene<'_>),
    D: AsyncFn(&Scene<'_>),
    S: AsyncFn(&Scene<'_>),
{
    /// Runs the scenario with a crash at each call, in every variant.
    async fn run(self) {
        let mut app = TestApp::with(self.settings).await;
        for variant in VARIANTS {
            self.run_in(&mut app, variant).await;
        }
    }

    /// Runs the scenario with a crash at each call, in one variant. Scenarios with many calls have one test per
    /// variant.
    async fn run_variant(self, v: usize) {
        let mut app = TestApp::with(self.settings).await;
        self.run_in(&mut app, VARIANTS[v]).await;
    }

    async fn run_in(&self, app: &mut TestApp, variant: Variant) {
        let mut last = 1;
        while self.run_with_crash(app, variant, last).await {
            last += 1;
            assert!(last < MAX_CALLS, "the scenario does not end");
        }
        assert!(last > 1, "no port was called");
    }

    /// Runs the scenario with a crash at one call. Returns `false` if the scenario completed before that call.
    async fn run_with_crash(&self, app: &mut TestApp, variant: Variant, last: usize) -> bool {
        let Variant { number, side, is_status_early } = variant;
        let (responses, webhooks) = (Mutex::default(), Mutex::default());
        let crash = CrashInjector::new(side);
        let guard = crash.clone();
        app.restart_with(|ports| with_faults(ports, guard)).await;
        background::tick_recovery(&app.deps).await.unwrap();
        let to = format!("+4477009{number:02}{last:03}");
        app.customer_writes(&to, "Hi").await;
        let crashing = Scene {
            app,
            description: format!("crash {side:?} call {last}"),
            reference: format!("crash-{number}-{last}"),
            to: to.clone(),
            responses: &responses,
            webhooks: &webhooks,
        };
        (self.prepare)(&crashing).await;
        crash.crash_at(last);
        let has_crashed = tokio::select! {
            biased;
            () = crash.crashed.notified() => true,
            () = (self.entry)(&crashing) => crash.has_crashed.load(Ordering::SeqCst),
        };
        let Scene { description, reference, .. } = crashing;
        app.restart().await;
        app.clear_faults().await;
        let next = Scene { app, description, reference, to, responses: &responses, webhooks: &webhooks };
        if is_status_early {
            app.step().await;
        }
        (self.afterwards)(&next).await;
        complete_all_work(app).await;
        let end_states = next.end_states().await;
        assert_invariants(&end_states, self.max_accepted, &next.description);
        assert!(app.deps.message_queue.list_queue_depths().await.unwrap().is_empty(), "{}", next.description);
        for response in &*responses.lock().await {
            assert_message_exists(response, &end_states, &next.description);
            let n_accepted: usize = end_states.iter().map(|end_state| end_state.n_accepted).sum();
            assert!(!invites_retry(response) || n_accepted == 0, "{}: {:#}", next.description, response.body);
        }
        has_crashed
    }
}

async fn nothing(_: &Scene<'_>) {}

#[tokio::test]
async fn a_sync_send_survives_a_crash_at_any_call() {
    let entry = async |scene: &Scene<'_>| scene.send(scene.text()).await;
    Scenario { settings: |_| (), max_accepted: 1, prepare: nothing, entry, afterwards: nothing }.run().await;
}

/// A caller without a response repeats the request immediately, and again later.
async fn repeat_request(scene: &Scene<'_>) {
    let first = scene.responses.lock().await.pop();
    let soon = scene.send_with_key().await;
    assert!(matches!(soon.status.as_u16(), 200 | 202 | 409), "{}: {:#}", scene.description, soon.body);
    complete_all_work(scene.app).await;
    let later = scene.send_with_key().await;
    assert!(later.status.is_success(), "{}: {:#}", scene.description, later.body);
    if let Some(first) = first {
        assert_eq!((&first.body, &first.body), (&soon.body, &later.body), "{}", scene.description);
    }
    let end_states = scene.end_states().await;
    let n_accepted: usize = end_states.iter().map(|end_state| end_state.n_accepted).sum();
    assert!(n_accepted <= 1, "{}: doubled: {end_states:?}", scene.description);
    assert_message_exists(&later, &end_states, &scene.description);
}

#[tokio::test]
async fn an_idempotency_key_is_one_message_whenever_the_process_dies() {
    let entry = async |scene: &Scene<'_>| {
        let response = scene.send_with_key().await;
        scene.responses.lock().await.push(response);
    };
    Scenario { settings: |_| (), max_accepted: 1, prepare: nothing, entry, afterwards: repeat_request }
        .run()
        .await;
}

#[tokio::test]
async fn an_idempotency_key_is_one_message_if_the_process_dies_between_two_attempts() {
    let prepare = async |scene: &Scene<'_>| scene.refuse_once(131_000);
    let entry = async |scene: &Scene<'_>| {
        let response = scene.send_with_key().await;
        scene.responses.lock().await.push(response);
    };
    Scenario { settings: |_| (), max_accepted: 1, prepare, entry, afterwards: repeat_request }.run().await;
}

#[tokio::test]
async fn a_retried_sync_send_survives_a_crash_at_any_call() {
    let prepare = async |scene: &Scene<'_>| scene.refuse_once(130_429);
    let entry = async |scene: &Scene<'_>| scene.send(scene.text()).await;
    Scenario { settings: |_| (), max_accepted: 1, prepare, entry, afterwards: nothing }.run().await;
}

#[tokio::test]
async fn a_paced_sync_send_survives_a_crash_at_any_call() {
    let prepare = async |scene: &Scene<'_>| {
        scene.app.send_text(crate::support::CUSTOMER).await.expect(200);
    };
    let entry = async |scene: &Scene<'_>| scene.send(scene.text()).await;
    let settings = |settings: &mut Settings| settings.throughput = 1;
    Scenario { settings, max_accepted: 1, prepare, entry, afterwards: nothing }.run().await;
}

#[tokio::test]
async fn a_queued_message_survives_a_crash_at_any_call() {
    let entry = async |scene: &Scene<'_>| {
        scene.send(scene.with("mode", "queue")).await;
        scene.rounds(1).await;
    };
    Scenario { settings: |_| (), max_accepted: 1, prepare: nothing, entry, afterwards: nothing }.run().await;
}

async fn a_retried_queued_message(variant: usize) {
    let prepare = async |scene: &Scene<'_>| scene.refuse_once(131_000);
    let entry = async |scene: &Scene<'_>| {
        scene.send(scene.with("mode", "queue")).await;
        scene.rounds(3).await;
    };
    Scenario { settings: |_| (), max_accepted: 1, prepare, entry, afterwards: nothing }
        .run_variant(variant)
        .await;
}

#[tokio::test]
async fn a_retried_queued_message_survives_a_crash_before_any_call() {
    a_retried_queued_message(0).await;
}

#[tokio::test]
async fn a_retried_queued_message_survives_a_crash_after_any_call() {
    a_retried_queued_message(1).await;
}

#[tokio::test]
async fn a_retried_queued_message_survives_a_crash_after_any_call_with_early_statuses() {
    a_retried_queued_message(2).await;
}

async fn the_queue_of_a_held_account(variant: usize) {
    let prepare = async |scene: &Scene<'_>| scene.refuse_once(190);
    let entry = async |scene: &Scene<'_>| {
        scene.send(scene.with("mode", "queue")).await;
        scene.rounds(2).await;
        scene.app.request("POST", "/api/accounts/sandbox/resume", "").await.expect(200);
        scene.rounds(1).await;
    };
    Scenario { settings: |_| (), max_accepted: 1, prepare, entry, afterwards: nothing }
        .run_variant(variant)
        .await;
}

#[tokio::test]
async fn the_queue_of_a_held_account_survives_a_crash_before_any_call() {
    the_queue_of_a_held_account(0).await;
}

#[tokio::test]
async fn the_queue_of_a_held_account_survives_a_crash_after_any_call() {
    the_queue_of_a_held_account(1).await;
}

#[tokio::test]
async fn the_queue_of_a_held_account_survives_a_crash_after_any_call_with_early_statuses() {
    the_queue_of_a_held_account(2).await;
}

async fn a_batch(variant: usize) {
    let entry = async |scene: &Scene<'_>| {
        let batch = json!({"messages": [scene.text(), scene.text(), scene.text()]});
        let response = scene.app.post("/api/messages/batch", &batch).await.expect(202);
        let results = response.data()["results"].as_array().unwrap().clone();
        for data in results {
            let TestResponse { status, headers, .. } = &response;
            let body = json!({"data": data});
            scene.responses.lock().await.push(TestResponse {
                status: *status,
                headers: headers.clone(),
                body,
            });
        }
        scene.rounds(3).await;
    };
    Scenario { settings: |_| (), max_accepted: 1, prepare: nothing, entry, afterwards: nothing }
        .run_variant(variant)
        .await;
}

#[tokio::test]
async fn a_batch_survives_a_crash_before_any_call() {
    a_batch(0).await;
}

#[tokio::test]
async fn a_batch_survives_a_crash_after_any_call() {
    a_batch(1).await;
}

#[tokio::test]
async fn a_batch_survives_a_crash_after_any_call_with_early_statuses() {
    a_batch(2).await;
}

#[tokio::test]
async fn a_manual_resend_survives_a_crash_at_any_call() {
    let entry = async |scene: &Scene<'_>| scene.resend().await;
    let prepare = async |scene: &Scene<'_>| scene.make_unknown(FaultAction::CutBefore).await;
    Scenario { settings: |_| (), max_accepted: 1, prepare, entry, afterwards: nothing }.run().await;
    let prepare = async |scene: &Scene<'_>| scene.make_unknown(FaultAction::CutAfter).await;
    Scenario { settings: |_| (), max_accepted: 2, prepare, entry, afterwards: nothing }.run().await;
}

#[tokio::test]
async fn an_automatic_resend_survives_a_crash_at_any_call() {
    for (action, max_accepted) in [(FaultAction::CutBefore, 1), (FaultAction::CutAfter, 2)] {
        let prepare = async |scene: &Scene<'_>| scene.fail(action.clone());
        let entry = async |scene: &Scene<'_>| scene.send(scene.with("on_unknown", "resend")).await;
        Scenario { settings: |_| (), max_accepted, prepare, entry, afterwards: nothing }.run().await;
    }
}

/// Repeats all webhooks until the gateway responds with 200.
async fn deliver_all(scene: &Scene<'_>) {
    loop {
        let Some(webhook) = scene.webhooks.lock().await.first().cloned() else { return };
        let mut request = Request::post("/webhooks/meta");
        for (name, value) in &webhook.headers {
            request = request.header(name, value);
        }
        scene.app.call(request.body(Body::from(webhook.body)).unwrap()).await.expect(200);
        scene.webhooks.lock().await.remove(0);
    }
}

#[tokio::test]
async fn a_status_is_applied_once_whenever_the_process_dies() {
    let prepare = async |scene: &Scene<'_>| {
        scene.send(scene.text()).await;
        for _ in 0..6 {
            scene.app.sim.step().await;
            scene.webhooks.lock().await.extend(scene.app.sim.take_webhooks());
        }
    };
    let afterwards = async |scene: &Scene<'_>| {
        deliver_all(scene).await;
        let id = scene.responses.lock().await[0].data()["id"].as_str().unwrap().to_owned();
        let message = scene.app.message(&id).await;
        let timeline = message["timeline"].as_array().unwrap();
        let reported: Vec<_> = timeline
            .iter()
            .filter(|entry| entry["source"] == "meta")
            .map(|entry| entry["status"].clone())
            .collect();
        assert_eq!(reported, ["sent", "delivered", "read"], "{}", scene.description);
    };
    Scenario { settings: |_| (), max_accepted: 1, prepare, entry: deliver_all, afterwards }.run().await;
}
