//! The process dies between any two calls of its ports, and another takes over: each scenario is played again and again,
//! with the death one call later each time, until it runs through.

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
use crate::invariants::{Fate, come_to_rest, fates, invites, is_kept, judge};
use crate::support::{Answer, TestApp};

/// No scenario makes so many calls.
const MANY: usize = 80;

/// On which side of its effect a call is the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Before,
    After,
}

/// Ends a process at one call: this one and all that follow never return.
struct Grave {
    side: Side,
    /// The number of the last call, from 1; 0 until somebody says so.
    last: AtomicUsize,
    n_calls: AtomicUsize,
    is_dead: AtomicBool,
    died: Notify,
}

impl Grave {
    fn new(side: Side) -> Arc<Self> {
        Arc::new(Self {
            side,
            last: AtomicUsize::new(0),
            n_calls: AtomicUsize::new(0),
            is_dead: AtomicBool::new(false),
            died: Notify::new(),
        })
    }

    /// Counts from now on.
    fn dig(&self, last: usize) {
        self.n_calls.store(0, Ordering::SeqCst);
        self.last.store(last, Ordering::SeqCst);
    }

    async fn pass(&self, side: Side, n: usize) {
        if side == self.side && n == self.last.load(Ordering::SeqCst) {
            self.is_dead.store(true, Ordering::SeqCst);
            self.died.notify_one();
        }
        if self.is_dead.load(Ordering::SeqCst) {
            pending::<()>().await;
        }
    }
}

#[async_trait]
impl FaultInjector for Grave {
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

/// One death of one scenario.
struct Scene<'a> {
    app: &'a TestApp,
    what: String,
    /// `client_reference` of its messages.
    reference: String,
    /// Nobody else is written to.
    to: String,
    /// What the caller has heard, until the process died.
    heard: &'a Mutex<Vec<Answer>>,
    /// What Meta posts, until it has heard that it arrived.
    posts: &'a Mutex<Vec<Webhook>>,
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
        let answer = FaultAnswer { code: Some(code), ..FaultAnswer::default() };
        self.fail(FaultAction::Status(answer));
    }

    fn fail(&self, action: FaultAction) {
        self.app.sim.fail(Fault::on("/messages", action));
    }

    async fn send(&self, body: Value) {
        let answer = self.app.send(body).await;
        self.heard.lock().await.push(answer);
    }

    async fn send_with_key(&self) -> Answer {
        let request = Request::post("/api/messages/send")
            .header("X-API-Key", DEV_KEY)
            .header("Idempotency-Key", &self.reference)
            .body(Body::from(self.text().to_string()))
            .unwrap();
        self.app.patiently(self.app.call(request)).await
    }

    /// A message whose outcome is unknown; the process is well.
    async fn make_unknown(&self, action: FaultAction) {
        self.fail(action);
        self.send(self.text()).await;
        assert_eq!(self.heard.lock().await[0].data()["status"], "unknown");
    }

    async fn resend(&self) {
        let id = self.heard.lock().await[0].data()["id"].as_str().unwrap().to_owned();
        let path = format!("/api/messages/{id}/resolve");
        let resolve = json!({"action": "resend"});
        let answer = self.app.patiently(self.app.post(&path, &resolve)).await;
        assert_eq!(answer.status.as_u16(), 200, "{}: {:#}", self.what, answer.body);
    }

    async fn rounds(&self, n: usize) {
        for _ in 0..n {
            self.app.tick_queue().await;
            self.app.advance(2);
        }
    }

    async fn fates(&self) -> Vec<Fate> {
        fates(self.app, &self.reference).await
    }
}

/// Variants of a death: on either side of the call. Before the successor notices that a process has died, Meta's statuses
/// arrive in the last one.
const VARIANTS: [(usize, Side, bool); 3] =
    [(0, Side::Before, false), (1, Side::After, false), (2, Side::After, true)];

/// What happens: first to a process that is well, then to one that dies, then to its successor.
struct Scenario<P, D, S> {
    settings: fn(&mut Settings),
    /// How often Meta may take the message.
    most: usize,
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
    /// Plays with the death at each call, in every variant.
    async fn play(self) {
        let mut app = TestApp::with(self.settings).await;
        for variant in VARIANTS {
            self.play_in(&mut app, variant).await;
        }
    }

    /// Plays with the death at each call, in one variant: for scenarios with many calls, which have a test per variant.
    async fn play_variant(self, v: usize) {
        let mut app = TestApp::with(self.settings).await;
        self.play_in(&mut app, VARIANTS[v]).await;
    }

    async fn play_in(&self, app: &mut TestApp, variant: (usize, Side, bool)) {
        let mut last = 1;
        while self.dies(app, variant, last).await {
            last += 1;
            assert!(last < MANY, "the scenario does not end");
        }
        assert!(last > 1, "no port was called");
    }

    /// Plays with the death at one call. `false`: it ran through without that call.
    async fn dies(
        &self,
        app: &mut TestApp,
        (v, side, is_heard_early): (usize, Side, bool),
        last: usize,
    ) -> bool {
        let (heard, posts) = (Mutex::default(), Mutex::default());
        let grave = Grave::new(side);
        let guard = grave.clone();
        app.restart_with(|ports| with_faults(ports, guard)).await;
        background::tick_recovery(&app.deps).await.unwrap();
        let to = format!("+4477009{v:02}{last:03}");
        app.customer_writes(&to, "Hi").await;
        fn scene<'a>(
            app: &'a TestApp,
            (v, side, last): (usize, Side, usize),
            to: &str,
            (heard, posts): (&'a Mutex<Vec<Answer>>, &'a Mutex<Vec<Webhook>>),
        ) -> Scene<'a> {
            let what = format!("death {side:?} call {last}");
            Scene { app, what, reference: format!("death-{v}-{last}"), to: to.to_owned(), heard, posts }
        }
        let doomed = scene(app, (v, side, last), &to, (&heard, &posts));
        (self.prepare)(&doomed).await;
        grave.dig(last);
        let has_died = tokio::select! {
            biased;
            () = grave.died.notified() => true,
            () = (self.entry)(&doomed) => grave.is_dead.load(Ordering::SeqCst),
        };
        app.restart().await;
        app.clear_faults().await;
        let next = scene(app, (v, side, last), &to, (&heard, &posts));
        if is_heard_early {
            app.step().await;
        }
        (self.afterwards)(&next).await;
        come_to_rest(app).await;
        let fates = next.fates().await;
        judge(&fates, self.most, &next.what);
        assert!(app.deps.message_queue.list_queue_depths().await.unwrap().is_empty(), "{}", next.what);
        for answer in &*heard.lock().await {
            is_kept(answer, &fates, &next.what);
            let n_taken: usize = fates.iter().map(|fate| fate.n_taken).sum();
            assert!(!invites(answer) || n_taken == 0, "{}: {:#}", next.what, answer.body);
        }
        has_died
    }
}

async fn nothing(_: &Scene<'_>) {}

#[tokio::test]
async fn a_sync_send_survives_a_crash_at_any_call() {
    let entry = async |scene: &Scene<'_>| scene.send(scene.text()).await;
    Scenario { settings: |_| (), most: 1, prepare: nothing, entry, afterwards: nothing }.play().await;
}

/// The caller who got no answer asks again, at once and later.
async fn ask_again(scene: &Scene<'_>) {
    let first = scene.heard.lock().await.pop();
    let soon = scene.send_with_key().await;
    assert!(matches!(soon.status.as_u16(), 200 | 202 | 409), "{}: {:#}", scene.what, soon.body);
    come_to_rest(scene.app).await;
    let later = scene.send_with_key().await;
    assert!(later.status.is_success(), "{}: {:#}", scene.what, later.body);
    if let Some(first) = first {
        assert_eq!((&first.body, &first.body), (&soon.body, &later.body), "{}", scene.what);
    }
    let fates = scene.fates().await;
    let n_taken: usize = fates.iter().map(|fate| fate.n_taken).sum();
    assert!(n_taken <= 1, "{}: doubled: {fates:?}", scene.what);
    is_kept(&later, &fates, &scene.what);
}

#[tokio::test]
async fn an_idempotency_key_is_one_message_whenever_the_process_dies() {
    let entry = async |scene: &Scene<'_>| {
        let answer = scene.send_with_key().await;
        scene.heard.lock().await.push(answer);
    };
    Scenario { settings: |_| (), most: 1, prepare: nothing, entry, afterwards: ask_again }.play().await;
}

#[tokio::test]
async fn an_idempotency_key_is_one_message_if_the_process_dies_between_two_attempts() {
    let prepare = async |scene: &Scene<'_>| scene.refuse_once(131_000);
    let entry = async |scene: &Scene<'_>| {
        let answer = scene.send_with_key().await;
        scene.heard.lock().await.push(answer);
    };
    Scenario { settings: |_| (), most: 1, prepare, entry, afterwards: ask_again }.play().await;
}

#[tokio::test]
async fn a_retried_sync_send_survives_a_crash_at_any_call() {
    let prepare = async |scene: &Scene<'_>| scene.refuse_once(130_429);
    let entry = async |scene: &Scene<'_>| scene.send(scene.text()).await;
    Scenario { settings: |_| (), most: 1, prepare, entry, afterwards: nothing }.play().await;
}

#[tokio::test]
async fn a_paced_sync_send_survives_a_crash_at_any_call() {
    let prepare = async |scene: &Scene<'_>| {
        scene.app.send_text(crate::support::CUSTOMER).await.expect(200);
    };
    let entry = async |scene: &Scene<'_>| scene.send(scene.text()).await;
    let settings = |settings: &mut Settings| settings.throughput = 1;
    Scenario { settings, most: 1, prepare, entry, afterwards: nothing }.play().await;
}

#[tokio::test]
async fn a_queued_message_survives_a_crash_at_any_call() {
    let entry = async |scene: &Scene<'_>| {
        scene.send(scene.with("mode", "queue")).await;
        scene.rounds(1).await;
    };
    Scenario { settings: |_| (), most: 1, prepare: nothing, entry, afterwards: nothing }.play().await;
}

async fn a_retried_queued_message(variant: usize) {
    let prepare = async |scene: &Scene<'_>| scene.refuse_once(131_000);
    let entry = async |scene: &Scene<'_>| {
        scene.send(scene.with("mode", "queue")).await;
        scene.rounds(3).await;
    };
    Scenario { settings: |_| (), most: 1, prepare, entry, afterwards: nothing }.play_variant(variant).await;
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
    Scenario { settings: |_| (), most: 1, prepare, entry, afterwards: nothing }.play_variant(variant).await;
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
        let answer = scene.app.post("/api/messages/batch", &batch).await.expect(202);
        let results = answer.data()["results"].as_array().unwrap().clone();
        for data in results {
            let Answer { status, headers, .. } = &answer;
            let body = json!({"data": data});
            scene.heard.lock().await.push(Answer { status: *status, headers: headers.clone(), body });
        }
        scene.rounds(3).await;
    };
    Scenario { settings: |_| (), most: 1, prepare: nothing, entry, afterwards: nothing }
        .play_variant(variant)
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
    Scenario { settings: |_| (), most: 1, prepare, entry, afterwards: nothing }.play().await;
    let prepare = async |scene: &Scene<'_>| scene.make_unknown(FaultAction::CutAfter).await;
    Scenario { settings: |_| (), most: 2, prepare, entry, afterwards: nothing }.play().await;
}

#[tokio::test]
async fn an_automatic_resend_survives_a_crash_at_any_call() {
    for (action, most) in [(FaultAction::CutBefore, 1), (FaultAction::CutAfter, 2)] {
        let prepare = async |scene: &Scene<'_>| scene.fail(action.clone());
        let entry = async |scene: &Scene<'_>| scene.send(scene.with("on_unknown", "resend")).await;
        Scenario { settings: |_| (), most, prepare, entry, afterwards: nothing }.play().await;
    }
}

/// Meta posts what it has to say until it hears that it arrived.
async fn post_all(scene: &Scene<'_>) {
    loop {
        let Some(webhook) = scene.posts.lock().await.first().cloned() else { return };
        let mut request = Request::post("/webhooks/meta");
        for (name, value) in &webhook.headers {
            request = request.header(name, value);
        }
        scene.app.call(request.body(Body::from(webhook.body)).unwrap()).await.expect(200);
        scene.posts.lock().await.remove(0);
    }
}

#[tokio::test]
async fn a_status_is_applied_once_whenever_the_process_dies() {
    let prepare = async |scene: &Scene<'_>| {
        scene.send(scene.text()).await;
        for _ in 0..6 {
            scene.app.sim.step().await;
            scene.posts.lock().await.extend(scene.app.sim.take_webhooks());
        }
    };
    let afterwards = async |scene: &Scene<'_>| {
        post_all(scene).await;
        let id = scene.heard.lock().await[0].data()["id"].as_str().unwrap().to_owned();
        let message = scene.app.message(&id).await;
        let timeline = message["timeline"].as_array().unwrap();
        let reported: Vec<_> = timeline
            .iter()
            .filter(|entry| entry["source"] == "meta")
            .map(|entry| entry["status"].clone())
            .collect();
        assert_eq!(reported, ["sent", "delivered", "read"], "{}", scene.what);
    };
    Scenario { settings: |_| (), most: 1, prepare, entry: post_all, afterwards }.play().await;
}
