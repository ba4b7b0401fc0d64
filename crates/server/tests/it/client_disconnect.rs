//! Callers that hang up: whatever they asked for happens wholly or not at all, whenever they go away.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;

use async_trait::async_trait;
use axum::body::Body;
use axum::http::Request;
use engine::access::api_key::DEV_KEY;
use engine::background;
use engine::ports::{FaultInjector, StoreError};
use serde_json::{Value, json};
use sim::{Fault, FaultAction};
use tokio::sync::Notify;

use crate::fault_ports::with_faults;
use crate::invariants::{Fate, fates, is_kept, judge};
use crate::support::{Answer, TestApp};

/// No request makes so many calls.
const MANY: usize = 60;

/// Says when a call is made, or has had its effect, and lets the caller hang up before it goes on.
#[derive(Default)]
struct Witness {
    /// The number of the moment, from 1: each call has two.
    waits_for: AtomicUsize,
    n_moments: AtomicUsize,
    seen: Notify,
}

impl Witness {
    fn wait_for(&self, moment: usize) {
        self.n_moments.store(0, Ordering::SeqCst);
        self.waits_for.store(moment, Ordering::SeqCst);
    }

    async fn pass(&self) {
        if self.n_moments.fetch_add(1, Ordering::SeqCst) + 1 == self.waits_for.load(Ordering::SeqCst) {
            self.seen.notify_one();
            tokio::task::yield_now().await;
        }
    }
}

#[async_trait]
impl FaultInjector for Witness {
    async fn before(&self, _: &'static str) -> Result<usize, StoreError> {
        self.pass().await;
        Ok(0)
    }

    async fn after(&self, _: &'static str, _: usize) -> Result<(), StoreError> {
        self.pass().await;
        Ok(())
    }
}

/// One request whose caller hangs up.
struct Scene<'a> {
    app: &'a TestApp,
    what: String,
    reference: String,
    to: String,
}

impl Scene<'_> {
    fn text(&self) -> Value {
        json!({"to": self.to, "type": "text", "text": "Hi", "client_reference": self.reference})
    }

    async fn send_with_key(&self) -> Answer {
        let request = Request::post("/api/messages/send")
            .header("X-API-Key", DEV_KEY)
            .header("Idempotency-Key", &self.reference)
            .body(Body::from(self.text().to_string()))
            .unwrap();
        self.app.patiently(self.app.call(request)).await
    }

    /// What is under way ends, with nobody there to hear it. The process lives on: nobody is taken for dead.
    async fn end(&self) -> Vec<Fate> {
        self.app.clear_faults().await;
        self.app.settle().await;
        self.app.tick_queue().await;
        self.app.advance(1);
        self.app.tick_queue().await;
        background::tick_recovery(&self.app.deps).await.unwrap();
        self.app.step().await;
        fates(self.app, &self.reference).await
    }
}

/// Hangs up at each moment of a request, and looks at what is left.
async fn hang_up(
    prepare: impl AsyncFn(&Scene<'_>),
    request: impl AsyncFn(&Scene<'_>) -> Answer,
    afterwards: impl AsyncFn(&Scene<'_>, Vec<Fate>),
) {
    let mut app = TestApp::new().await;
    let witness = Arc::new(Witness::default());
    let guard = witness.clone();
    app.restart_with(|ports| with_faults(ports, guard)).await;
    background::tick_recovery(&app.deps).await.unwrap();
    for moment in 1..MANY {
        let to = format!("+447700900{moment:03}");
        app.customer_writes(&to, "Hi").await;
        let scene =
            Scene { app: &app, what: format!("moment {moment}"), reference: format!("moment-{moment}"), to };
        prepare(&scene).await;
        witness.wait_for(moment);
        let heard = tokio::select! {
            biased;
            () = witness.seen.notified() => None,
            answer = request(&scene) => Some(answer),
        };
        witness.wait_for(0);
        let fates = scene.end().await;
        if let Some(answer) = &heard {
            is_kept(answer, &fates, &scene.what);
        }
        afterwards(&scene, fates).await;
        app.advance(60);
        if heard.is_some() {
            assert!(moment > 2, "no port was called");
            return;
        }
    }
    unreachable!("the request does not end");
}

/// It was sent, or never accepted.
async fn wholly_or_not_at_all(scene: &Scene<'_>, fates: Vec<Fate>) {
    let n_taken = judge(&fates, 1, &scene.what);
    assert_eq!(n_taken, fates.len(), "{}: {fates:?}", scene.what);
}

async fn nothing(_: &Scene<'_>) {}

#[tokio::test]
async fn a_sync_send_continues_after_its_caller_disconnects() {
    let send = async |scene: &Scene<'_>| scene.app.send(scene.text()).await;
    hang_up(nothing, send, wholly_or_not_at_all).await;
}

#[tokio::test]
async fn a_retry_with_the_key_after_a_disconnect_returns_the_same_message() {
    let afterwards = async |scene: &Scene<'_>, _: Vec<Fate>| {
        let again = scene.send_with_key().await.expect(200);
        let fates = scene.end().await;
        assert_eq!(fates.len(), 1, "{}: {fates:?}", scene.what);
        assert_eq!(judge(&fates, 1, &scene.what), 1);
        assert_eq!(again.data()["id"], json!(fates[0].id));
    };
    hang_up(nothing, async |scene: &Scene<'_>| scene.send_with_key().await, afterwards).await;
}

#[tokio::test]
async fn a_send_between_two_attempts_continues_after_its_caller_disconnects() {
    let prepare = async |scene: &Scene<'_>| {
        let answer = sim::FaultAnswer { code: Some(130_429), ..sim::FaultAnswer::default() };
        scene.app.sim.fail(Fault::on("/messages", FaultAction::Status(answer)));
    };
    let send = async |scene: &Scene<'_>| scene.app.send(scene.text()).await;
    hang_up(prepare, send, wholly_or_not_at_all).await;
}

#[tokio::test]
async fn a_send_that_looks_up_its_template_is_atomic_if_its_caller_disconnects() {
    let name = |scene: &Scene<'_>| scene.reference.replace('-', "_");
    let prepare = async |scene: &Scene<'_>| {
        let template = json!({"name": name(scene), "language": "en_US", "category": "UTILITY",
            "components": [{"type": "BODY", "text": "Your order is ready."}]});
        scene.app.sim.add_template(None, template.as_object().unwrap(), "APPROVED").unwrap();
    };
    let body = |scene: &Scene<'_>| {
        json!({"to": scene.to, "type": "template", "client_reference": scene.reference,
            "template": {"name": name(scene), "language": "en_US"}})
    };
    let send = async |scene: &Scene<'_>| scene.app.send(body(scene)).await;
    let afterwards = async |scene: &Scene<'_>, fates: Vec<Fate>| {
        wholly_or_not_at_all(scene, fates).await;
        scene.app.send(body(scene)).await.expect(200);
    };
    hang_up(prepare, send, afterwards).await;
}

#[tokio::test]
async fn a_queued_message_is_sent_after_its_caller_disconnects() {
    let send = async |scene: &Scene<'_>| {
        let mut body = scene.text();
        body["mode"] = json!("queue");
        scene.app.send(body).await
    };
    hang_up(nothing, send, wholly_or_not_at_all).await;
}

#[tokio::test]
async fn the_accepted_messages_of_a_batch_are_sent_after_the_caller_disconnects() {
    let send = async |scene: &Scene<'_>| {
        let batch = json!({"messages": [scene.text(), scene.text()]});
        let mut answer = scene.app.post("/api/messages/batch", &batch).await.expect(202);
        answer.body["data"] = answer.body["data"]["results"][1].take();
        answer
    };
    hang_up(nothing, send, wholly_or_not_at_all).await;
}

#[tokio::test]
async fn a_message_is_either_canceled_or_sent_if_the_caller_disconnects() {
    let queue = async |scene: &Scene<'_>| {
        let mut body = scene.text();
        body["mode"] = json!("queue");
        scene.app.send(body).await.expect(202);
    };
    let cancel = async |scene: &Scene<'_>| {
        let id = fates(scene.app, &scene.reference).await.remove(0).id;
        scene.app.request("POST", &format!("/api/messages/{id}/cancel"), "").await
    };
    let afterwards = async |scene: &Scene<'_>, fates: Vec<Fate>| {
        let is_sent = judge(&fates, 1, &scene.what) == 1;
        assert_eq!(fates[0].status, if is_sent { "read" } else { "canceled" }, "{}", scene.what);
    };
    hang_up(queue, cancel, afterwards).await;
}

#[tokio::test]
async fn a_disconnect_after_any_number_of_polls_changes_nothing() {
    let app = TestApp::new().await;
    for n_polls in 0..24 {
        let to = format!("+447700900{n_polls:03}");
        app.customer_writes(&to, "Hi").await;
        let what = format!("{n_polls} polls");
        let scene = Scene { app: &app, what: what.clone(), reference: format!("polls-{n_polls}"), to };
        {
            let mut request = Box::pin(scene.send_with_key());
            for _ in 0..n_polls {
                let polled = std::future::poll_fn(|ctx| Poll::Ready(Pin::new(&mut request).poll(ctx))).await;
                if polled.is_ready() {
                    break;
                }
                tokio::task::yield_now().await;
            }
        }
        wholly_or_not_at_all(&scene, scene.end().await).await;
        scene.send_with_key().await.expect(200);
        let fates = scene.end().await;
        assert_eq!((fates.len(), judge(&fates, 1, &what)), (1, 1), "{what}: {fates:?}");
        app.advance(6);
    }
}
