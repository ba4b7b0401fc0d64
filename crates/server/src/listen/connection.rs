//! One connection: answers its requests and closes it at its deadlines.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, HttpBody as _};
use axum::extract::ConnectInfo;
use axum::http::{Request, Response};
use engine::metrics::Label;
use hyper::body::Incoming;
use hyper::service::Service;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use super::body::{Answering, IncomingBody, OutgoingBody};
use super::connections::Place;
use super::stream::WatchedStream;
use super::watch::{CloseReason, Watch};

/// Maximum time between two looks at the deadlines of a connection.
const CHECK_INTERVAL: Duration = Duration::from_secs(5);
/// Time for a client to notice that an idle connection is closed; HTTP/2 announces it.
const CLOSING_TIMEOUT: Duration = Duration::from_secs(5);

/// New connection.
pub(super) struct Connection {
    pub(super) router: Router,
    pub(super) peer: SocketAddr,
    pub(super) place: Place,
}

impl Connection {
    /// Answers the requests of the connection until it is closed. After `stop` is cancelled, answers only the requests that
    /// have begun.
    pub(super) async fn run<I>(self, builder: Builder<TokioExecutor>, stream: I, stop: CancellationToken)
    where
        I: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let replaced = self.place.replaced();
        let watch = Arc::new(Watch::new(self.place));
        let stream = TokioIo::new(WatchedStream::new(stream, watch.clone()));
        let service = Requests { router: self.router, peer: self.peer, watch: watch.clone() };
        let mut serving = pin!(builder.serve_connection(stream, service));
        let mut stopped = pin!(stop.cancelled());
        let mut is_stopping = false;
        let mut replaced = pin!(replaced.cancelled());
        let mut timer = pin!(tokio::time::sleep_until(next_check(&watch)));
        let mut close_at: Option<Instant> = None;
        loop {
            let reason = tokio::select! {
                biased;
                result = serving.as_mut() => {
                    if let Err(error) = result {
                        tracing::debug!(error, "a connection failed");
                    }
                    return;
                }
                () = &mut stopped, if !is_stopping => {
                    is_stopping = true;
                    serving.as_mut().graceful_shutdown();
                    continue;
                }
                () = &mut replaced => CloseReason::Replaced,
                () = &mut timer => {
                    let now = Instant::now();
                    let passed = watch.deadline().filter(|(deadline, _)| *deadline <= now);
                    match (passed, close_at) {
                        // A request has arrived while the connection was being closed.
                        (None, _) => {
                            timer.as_mut().reset(next_check(&watch));
                            continue;
                        }
                        (Some((_, CloseReason::Idle)), None) => {
                            serving.as_mut().graceful_shutdown();
                            let until = now + CLOSING_TIMEOUT;
                            close_at = Some(until);
                            timer.as_mut().reset(until);
                            count(&watch, CloseReason::Idle);
                            continue;
                        }
                        (Some((_, CloseReason::Idle)), Some(_)) => return,
                        (Some((_, reason)), _) => reason,
                    }
                }
            };
            count(&watch, reason);
            return;
        }
    }
}

/// Returns the time of the next look at the deadlines.
fn next_check(watch: &Watch) -> Instant {
    let latest = Instant::now() + CHECK_INTERVAL;
    watch.deadline().map_or(latest, |(deadline, _)| deadline.min(latest))
}

fn count(watch: &Watch, reason: CloseReason) {
    watch.place().metrics().connections_closed.increment(&[Label::Static(reason.as_str())]);
    tracing::debug!(reason = reason.as_str(), "a connection is closed");
}

/// Service that answers the requests of one connection.
struct Requests {
    router: Router,
    peer: SocketAddr,
    watch: Arc<Watch>,
}

impl Service<Request<Incoming>> for Requests {
    type Response = Response<OutgoingBody>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let answering = Answering::begin(&self.watch, !request.body().is_end_stream());
        let mut request = request.map(|body| Body::new(IncomingBody::new(body, &self.watch)));
        // Each request carries the address of its peer, for throttling and for the audit log.
        request.extensions_mut().insert(ConnectInfo(self.peer));
        let answer = self.router.clone().oneshot(request);
        Box::pin(async move { Ok(answer.await?.map(|body| OutgoingBody::new(body, answering))) })
    }
}

#[cfg(test)]
mod tests;
