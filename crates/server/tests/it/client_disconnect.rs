//! Callers that disconnect: a request takes effect completely or not at all, at whatever point the caller disconnects.

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
use crate::invariants::{EndState, assert_invariants, assert_message_exists, end_states};
use crate::support::{TestApp, TestResponse};

/// Upper bound of the number of calls of a request.
const MAX_CALLS: usize = 60;

/// Notifies before and after each call of a port, so that the caller can disconnect at this point.
#[derive(Default)]
struct DisconnectPoint {
    /// Number of the point at which it notifies, from 1. Each call has two points.
    target: AtomicUsize,
    n_points: AtomicUsize,
    at_point: Notify,
}

impl DisconnectPoint {
    fn wait_for(&self, point: usize) {
        self.n_points.store(0, Ordering::SeqCst);
        self.target.store(point, Ordering::SeqCst);
    }

    async fn pass(&self) {
        if self.n_points.fetch_add(1, Ordering::SeqCst) + 1 == self.target.load(Ordering::SeqCst) {
            self.at_point.notify_one();
            tokio::task::yield_now().await;
        }
    }
}

#[async_trait]
impl FaultInjector for DisconnectPoint {
    async fn before(&self, _: &'static str) -> Result<usize, StoreError> {
        self.pass().await;
        Ok(0)
    }

    async fn after(&self, _: &'static str, _: usize) -> Result<(), StoreError> {
        self.pass().await;
        Ok(())
    }
}

/// One request whose caller disconnects.
struct Scene<'a> {
    app: &'a TestApp,
    description: String,
    reference: String,
    to: String,
}

impl Scene<'_> {
    fn text(&self) -> Value {
        json!({"to": self.to, "type": "text", "text": "Hi", "client_reference": self.reference})
    }

    async fn send_with_key(&self) -> TestResponse {
        let request = Request::post("/api/messages/send")
            .header("X-API-Key", DEV_KEY)
            .header("Idempotency-Key", &self.reference)
            .body(Body::from(self.text().to_string()))
            .unwrap();
        self.app.run_with_clock(self.app.call(request)).await
    }

    /// Waits for the end of pending work. The process continues to run, so that no lease is recovered.
    async fn end(&self) -> Vec<EndState> {
        self.app.clear_faults().await;
        self.app.finish_tasks().await;
        self.app.tick_queue().await;
        self.app.advance(1);
        self.app.tick_queue().await;
        background::tick_recovery(&self.app.deps).await.unwrap();
        self.app.step().await;
        end_states(self.app, &self.reference).await
    }
}

/// Disconnects at each point of a request, and checks the remaining state.
async fn disconnect_at_each_point(
    prepare: impl AsyncFn(&Scene<'_>),
    request: impl AsyncFn(&Scene<'_>) -> TestResponse,
    afterwards: impl AsyncFn(&Scene<'_>, Vec<EndState>),
) {
    let mut app = TestApp::new().await;
    let disconnect_point = Arc::new(DisconnectPoint::default());
    let guard = disconnect_point.clone();
    app.restart_with(|ports| with_faults(ports, guard)).await;
    background::tick_recovery(&app.deps).await.unwrap();
    for point in 1..MAX_CALLS {
        let to = format!("+447700900{point:03}");
        app.customer_writes(&to, "Hi").await;
        let scene = Scene {
            app: &app,
            description: format!("moment {point}"),
            reference: format!("moment-{point}"),
            to,
        };
        prepare(&scene).await;
        disconnect_point.wait_for(point);
        let response = tokio::select! {
            biased;
            () = disconnect_point.at_point.notified() => None,
            completed = request(&scene) => Some(completed),
        };
        disconnect_point.wait_for(0);
        let end_states = scene.end().await;
        if let Some(completed) = &response {
            assert_message_exists(completed, &end_states, &scene.description);
        }
        afterwards(&scene, end_states).await;
        app.advance(60);
        if response.is_some() {
            assert!(point > 2, "no port was called");
            return;
        }
    }
    unreachable!("the request does not end");
}

/// Checks that the message was sent, or was never accepted.
async fn assert_sent_or_never_accepted(scene: &Scene<'_>, end_states: Vec<EndState>) {
    let n_accepted = assert_invariants(&end_states, 1, &scene.description);
    assert_eq!(n_accepted, end_states.len(), "{}: {end_states:?}", scene.description);
}

async fn nothing(_: &Scene<'_>) {}

#[tokio::test]
async fn a_sync_send_continues_after_its_caller_disconnects() {
    let send = async |scene: &Scene<'_>| scene.app.send(scene.text()).await;
    disconnect_at_each_point(nothing, send, assert_sent_or_never_accepted).await;
}

#[tokio::test]
async fn a_retry_with_the_key_after_a_disconnect_returns_the_same_message() {
    let afterwards = async |scene: &Scene<'_>, _: Vec<EndState>| {
        let again = scene.send_with_key().await.expect(200);
        let end_states = scene.end().await;
        assert_eq!(end_states.len(), 1, "{}: {end_states:?}", scene.description);
        assert_eq!(assert_invariants(&end_states, 1, &scene.description), 1);
        assert_eq!(again.data()["id"], json!(end_states[0].id));
    };
    disconnect_at_each_point(nothing, async |scene: &Scene<'_>| scene.send_with_key().await, afterwards)
        .await;
}

#[tokio::test]
async fn a_send_between_two_attempts_continues_after_its_caller_disconnects() {
    let prepare = async |scene: &Scene<'_>| {
        let response = sim::FaultAnswer { code: Some(130_429), ..sim::FaultAnswer::default() };
        scene.app.sim.fail(Fault::on("/messages", FaultAction::Status(response)));
    };
    let send = async |scene: &Scene<'_>| scene.app.send(scene.text()).await;
    disconnect_at_each_point(prepare, send, assert_sent_or_never_accepted).await;
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
    let afterwards = async |scene: &Scene<'_>, end_states: Vec<EndState>| {
        assert_sent_or_never_accepted(scene, end_states).await;
        scene.app.send(body(scene)).await.expect(200);
    };
    disconnect_at_each_point(prepare, send, afterwards).await;
}

#[tokio::test]
async fn a_queued_message_is_sent_after_its_caller_disconnects() {
    let send = async |scene: &Scene<'_>| {
        let mut body = scene.text();
        body["mode"] = json!("queue");
        scene.app.send(body).await
    };
    disconnect_at_each_point(nothing, send, assert_sent_or_never_accepted).await;
}

#[tokio::test]
async fn the_accepted_messages_of_a_batch_are_sent_after_the_caller_disconnects() {
    let send = async |scene: &Scene<'_>| {
        let batch = json!({"messages": [scene.text(), scene.text()]});
        let mut response = scene.app.post("/api/messages/batch", &batch).await.expect(202);
        response.body["data"] = response.body["data"]["results"][1].take();
        response
    };
    disconnect_at_each_point(nothing, send, assert_sent_or_never_accepted).await;
}

#[tokio::test]
async fn a_message_is_either_canceled_or_sent_if_the_caller_disconnects() {
    let queue = async |scene: &Scene<'_>| {
        let mut body = scene.text();
        body["mode"] = json!("queue");
        scene.app.send(body).await.expect(202);
    };
    let cancel = async |scene: &Scene<'_>| {
        let id = end_states(scene.app, &scene.reference).await.remove(0).id;
        scene.app.request("POST", &format!("/api/messages/{id}/cancel"), "").await
    };
    let afterwards = async |scene: &Scene<'_>, end_states: Vec<EndState>| {
        let is_sent = assert_invariants(&end_states, 1, &scene.description) == 1;
        assert_eq!(end_states[0].status, if is_sent { "read" } else { "canceled" }, "{}", scene.description);
    };
    disconnect_at_each_point(queue, cancel, afterwards).await;
}

#[tokio::test]
async fn a_disconnect_after_any_number_of_polls_changes_nothing() {
    let app = TestApp::new().await;
    for n_polls in 0..24 {
        let to = format!("+447700900{n_polls:03}");
        app.customer_writes(&to, "Hi").await;
        let description = format!("{n_polls} polls");
        let scene =
            Scene { app: &app, description: description.clone(), reference: format!("polls-{n_polls}"), to };
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
        assert_sent_or_never_accepted(&scene, scene.end().await).await;
        scene.send_with_key().await.expect(200);
        let end_states = scene.end().await;
        assert_eq!(
            (end_states.len(), assert_invariants(&end_states, 1, &description)),
            (1, 1),
            "{description}: {end_states:?}"
        );
        app.advance(6);
    }
}
