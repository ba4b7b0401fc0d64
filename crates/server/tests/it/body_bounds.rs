//! Bounds of requests: each bound is tested right below and right above it.

mod before_body;
mod form;
mod memory;
mod query;
mod size;
mod time;
mod wire;

use std::convert::Infallible;
use std::io::Write;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use axum::body::Body;
use axum::http::Request;
use bytes::Bytes;
use engine::access::api_key::DEV_KEY;
use flate2::Compression;
use flate2::write::GzEncoder;
use http_body::Frame;
use tokio::sync::mpsc;

use crate::support::TestApp;

/// A body that never ends, and counts how often somebody reads it.
#[derive(Clone, Default)]
struct Endless(Arc<AtomicUsize>);

impl Endless {
    fn n_reads(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

impl http_body::Body for Endless {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b" ")))))
    }
}

/// A body whose pieces the test sends. It ends when the sender is dropped.
struct Fed(mpsc::Receiver<Bytes>);

/// Returns a body and the sender of its pieces.
fn fed() -> (mpsc::Sender<Bytes>, Body) {
    let (sender, receiver) = mpsc::channel(1);
    (sender, Body::new(Fed(receiver)))
}

impl http_body::Body for Fed {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(context).map(|piece| piece.map(|piece| Ok(Frame::data(piece))))
    }
}

/// Sends a piece of a body to a request and runs the request until it waits for the next piece.
async fn feed(
    app: &TestApp,
    request: &mut Pin<&mut impl Future<Output: std::fmt::Debug>>,
    sender: &mpsc::Sender<Bytes>,
    piece: impl Into<Bytes>,
) {
    sender.send(piece.into()).await.unwrap();
    while sender.capacity() == 0 || !app.clock.has_sleepers() {
        if let Poll::Ready(response) = futures_util::poll!(request.as_mut()) {
            unreachable!("the request ended before its body: {response:?}");
        }
        tokio::task::yield_now().await;
    }
}

/// Returns a request with the key of `waypost dev`.
fn post(path: &str, body: Body) -> Request<Body> {
    Request::post(path)
        .header("X-API-Key", DEV_KEY)
        .header("Content-Type", "application/json")
        .body(body)
        .unwrap()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Returns the value of a series on the metrics page; 0 if it is not there.
async fn metric(app: &TestApp, series: &str) -> u64 {
    let page = app.call(Request::get("/metrics").body(Body::empty()).unwrap()).await.expect(200);
    let page = page.body.as_str().unwrap().to_owned();
    let value = page.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    value.map_or(0, |value| value.parse().unwrap())
}

/// Returns the bytes of the memory for bodies that are in use.
async fn memory_in_use(app: &TestApp) -> u64 {
    metric(app, "waypost_body_memory_bytes").await
}
