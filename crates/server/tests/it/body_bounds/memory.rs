//! The memory of the bodies of all requests.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::Request;
use engine::ports::{FaultInjector, StoreError};
use server::http_options::{BodyMemory, HttpOptions};
use tokio::sync::Notify;

use crate::body_bounds::{fed, feed, gzip, memory_in_use, metric, post};
use crate::fault_ports::with_faults;
use crate::support::{CUSTOMER, TestApp, signature};

/// Panics or waits at the next call of the store, if it is armed.
#[derive(Default)]
struct Interruption {
    panics: AtomicBool,
    waits: AtomicBool,
    is_waiting: Notify,
    continues: Notify,
}

#[async_trait]
impl FaultInjector for Interruption {
    async fn before(&self, call: &'static str) -> Result<usize, StoreError> {
        assert!(!self.panics.swap(false, Ordering::SeqCst), "{call} panics for a test");
        if self.waits.swap(false, Ordering::SeqCst) {
            self.is_waiting.notify_one();
            self.continues.notified().await;
        }
        Ok(0)
    }

    async fn after(&self, _: &'static str, _: usize) -> Result<(), StoreError> {
        Ok(())
    }
}

/// Returns a gateway whose next call of the store can be interrupted.
async fn interrupted_app() -> (TestApp, Arc<Interruption>) {
    let mut app = TestApp::new().await;
    let interruption = Arc::new(Interruption::default());
    let injector = interruption.clone();
    app.restart_with(|ports| with_faults(ports, injector)).await;
    (app, interruption)
}

const CONTACT: &str = r#"{"phone_number":"+447700900124"}"#;

#[tokio::test]
async fn a_handler_that_panics_gives_its_memory_back() {
    let (app, interruption) = interrupted_app().await;
    interruption.panics.store(true, Ordering::SeqCst);
    app.call(post("/api/contacts", Body::from(CONTACT))).await.expect(500);
    assert_eq!(memory_in_use(&app).await, 0);
    app.call(post("/api/contacts", Body::from(CONTACT))).await.expect(201);
}

#[tokio::test]
async fn a_task_that_continues_after_a_disconnect_keeps_its_memory() {
    let (app, interruption) = interrupted_app().await;
    interruption.waits.store(true, Ordering::SeqCst);
    let mut request = post("/api/contacts", Body::from(CONTACT));
    request.headers_mut().insert("Idempotency-Key", "k".parse().unwrap());
    {
        let mut call = pin!(app.call(request));
        tokio::select! {
            response = &mut call => unreachable!("{response:?}"),
            () = interruption.is_waiting.notified() => {}
        }
    }
    assert!(memory_in_use(&app).await > 0);
    interruption.continues.notify_one();
    app.finish_tasks().await;
    assert_eq!(memory_in_use(&app).await, 0);
    assert_eq!(app.get("/api/contacts?phone_number=%2B447700900124").await.expect(200).data()["total"], 1);
}

/// Returns a gateway with 160,000 bytes for bodies: 80,000 for the workspace, 40,000 for strangers, 10,000 for an address.
async fn small_app() -> TestApp {
    let mut app = TestApp::new().await;
    let options = HttpOptions { max_body_memory: BodyMemory(160_000), ..HttpOptions::default() };
    app.router = server::run::router(&app.deps, options);
    app
}

#[tokio::test]
async fn an_import_takes_a_megabyte_whatever_its_size_is() {
    let mut app = TestApp::new().await;
    let options = HttpOptions { max_body_memory: BodyMemory(2 << 20), ..HttpOptions::default() };
    app.router = server::run::router(&app.deps, options);
    let import = |body: Body| {
        let mut request = post("/api/contacts/import", body);
        request.headers_mut().insert("Content-Type", "text/csv".parse().unwrap());
        request
    };
    let (sender, body) = fed();
    let mut first = pin!(app.call(import(body)));
    feed(&app, &mut first, &sender, "phone_number\n").await;
    feed(&app, &mut first, &sender, "+447700900124\n").await;
    assert_eq!(memory_in_use(&app).await, 1 << 20);
    app.call(import(Body::from("phone_number\n"))).await.expect(503);
    drop(sender);
    assert_eq!(first.await.expect(200).data()["created"], 1);
    app.call(import(Body::from("phone_number\n"))).await.expect(200);
    assert_eq!(memory_in_use(&app).await, 0);
}

/// Returns a request to log in from an address.
fn login(address: &str, body: impl Into<Body>) -> Request<Body> {
    let mut request = Request::post("/api/auth/login").body(body.into()).unwrap();
    let address: SocketAddr = format!("{address}:5").parse().unwrap();
    request.extensions_mut().insert(ConnectInfo(address));
    request
}

#[tokio::test]
async fn a_request_without_memory_is_503_until_another_request_gives_its_memory_back() {
    let app = small_app().await;
    let (sender, body) = fed();
    let large = vec![b' '; 30_000];
    {
        let mut first = pin!(app.call(post("/api/contacts", body)));
        feed(&app, &mut first, &sender, large.clone()).await;
        assert_eq!(memory_in_use(&app).await, 60_000);
        let refused = app.call(post("/api/contacts", Body::from(large.clone()))).await.expect(503);
        assert_eq!((refused.code(), refused.number("Retry-After")), ("overloaded", 1));
        assert_eq!(metric(&app, "waypost_body_refusals_total{part=\"workspace\"}").await, 1);
        // A small request has memory.
        app.send_text(CUSTOMER).await.expect(200);
        assert_eq!(memory_in_use(&app).await, 60_000);
        // The client disconnects.
    }
    assert_eq!(memory_in_use(&app).await, 0);
    app.call(post("/api/contacts", Body::from(large))).await.expect(400);
    assert_eq!(memory_in_use(&app).await, 0);
}

#[tokio::test]
async fn a_declared_size_alone_takes_no_memory() {
    let app = small_app().await;
    let (sender, body) = fed();
    let mut request = post("/api/contacts", body);
    request.headers_mut().insert("Content-Length", "4000000".parse().unwrap());
    let mut request = pin!(app.call(request));
    assert!(futures_util::poll!(request.as_mut()).is_pending());
    assert_eq!(memory_in_use(&app).await, 0);
    // The memory is taken for what arrives.
    feed(&app, &mut request, &sender, vec![b' '; 100]).await;
    assert_eq!(memory_in_use(&app).await, 200);
}

#[tokio::test]
async fn decoded_bytes_and_values_take_memory() {
    let app = small_app().await;
    let encoded = |bytes: &[u8]| {
        let mut request = post("/api/contacts", Body::from(gzip(bytes)));
        request.headers_mut().insert("Content-Encoding", "gzip".parse().unwrap());
        request
    };
    app.call(encoded(&vec![b' '; 40_000])).await.expect(400);
    app.call(encoded(&vec![b' '; 40_001])).await.expect(503);
    // 64 bytes for each value, besides its two bytes and their copy.
    let values = |n: usize| format!("[{}", vec!["1"; n].join(","));
    app.call(post("/api/contacts", Body::from(values(1100)))).await.expect(400);
    app.call(post("/api/contacts", Body::from(values(1200)))).await.expect(503);
    assert_eq!(memory_in_use(&app).await, 0);
}

#[tokio::test]
async fn strangers_spend_their_part_only() {
    let app = small_app().await;
    let half = || vec![b' '; 4500];
    let (first, body) = fed();
    let mut one = pin!(app.call(login("192.0.2.1", body)));
    feed(&app, &mut one, &first, half()).await;
    // The part of an address.
    app.call(login("192.0.2.1", half())).await.expect(503);
    app.call(login("192.0.2.2", half())).await.expect(400);
    // The part of all strangers.
    let mut held = Vec::new();
    for address in ["192.0.2.2", "192.0.2.3", "192.0.2.4"] {
        let (sender, body) = fed();
        let mut request = Box::pin(app.call(login(address, body)));
        feed(&app, &mut request.as_mut(), &sender, half()).await;
        held.push((sender, request));
    }
    assert_eq!(memory_in_use(&app).await, 36_000);
    let signed = || {
        let body = br#"{"object":"whatsapp_business_account","entry":[]}"#.to_vec();
        let body = [body, vec![b' '; 5000]].concat();
        let signature = signature(&app.seeded.app_secret, &body);
        let request = Request::post("/webhooks/meta").header("X-Hub-Signature-256", signature);
        request.body(Body::from(body)).unwrap()
    };
    let refused = app.call(signed()).await.expect(503);
    assert_eq!(refused.number("Retry-After"), 1);
    assert_eq!(metric(&app, "waypost_webhook_payloads_total{outcome=\"overloaded\"}").await, 1);
    assert_eq!(metric(&app, "waypost_body_refusals_total{part=\"unauthenticated\"}").await, 2);
    // Callers have their own part.
    app.send_text(CUSTOMER).await.expect(200);
    app.call(post("/api/contacts", Body::from(vec![b' '; 40_000]))).await.expect(400);
    held.pop();
    app.call(signed()).await.expect(200);
    held.clear();
    assert_eq!(memory_in_use(&app).await, 9000);
    drop(first);
    one.await.expect(400);
    assert_eq!(memory_in_use(&app).await, 0);
}
