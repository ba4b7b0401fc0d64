//! The simulator on a port: connections that can be cut, a listener that can be closed, and in auto mode the timers.
//!
//! **Invariant:** every task belongs to the set of [`Sim::serve`] and has ended when it returns.

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::{Router, body::Body};
use http::Request;
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto::Builder,
};
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use crate::{Cut, Delay, Mode, Sim, clock, error::SimError};

/// The most webhooks under way at once.
const MOST_DELIVERIES: usize = 64;
/// Time for which connections can finish after a stop.
const DRAIN: Duration = Duration::from_secs(5);
/// The longest wait of the timers, so that a clock that was set is noticed.
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// The extension of a request that came over a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wired {
    pub(crate) peer: SocketAddr,
}

/// Waits in real time.
#[expect(clippy::disallowed_methods, reason = "the wire and the timers of auto mode live in real time")]
pub(crate) async fn wait(span: Duration) {
    tokio::time::sleep(span).await;
}

impl Sim {
    /// Serves a listener until the token is cancelled; in [`Mode::Auto`] statuses, reviews and webhooks move by
    /// themselves meanwhile.
    ///
    /// # Errors
    /// When the port cannot be listened on again after a `refuse` fault.
    pub async fn serve(&self, listener: TcpListener, stop: CancellationToken) -> Result<(), SimError> {
        let mut timers = JoinSet::new();
        if self.mode() == Mode::Auto {
            let (sim, stop) = (self.clone(), stop.clone());
            timers.spawn(async move { sim.run_timers(stop).await });
        }
        self.note_served(true);
        let served = self.accept(listener, &stop).await;
        self.note_served(false);
        stop.cancel();
        while timers.join_next().await.is_some() {}
        served
    }

    async fn accept(&self, mut listener: TcpListener, stop: &CancellationToken) -> Result<(), SimError> {
        let address = listener.local_addr().map_err(SimError::Listen)?;
        let router = self.router();
        let mut connections = JoinSet::new();
        let mut round = CancellationToken::new();
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                () = self.refusal() => {
                    let Some(span) = self.change(|state| state.take_refusal()) else { continue };
                    // Idle connections go too, or a client's pool would not notice.
                    drop(listener);
                    round.cancel();
                    round = CancellationToken::new();
                    tokio::select! {
                        () = stop.cancelled() => break,
                        () = wait(span) => {}
                    }
                    listener = TcpListener::bind(address).await.map_err(SimError::Listen)?;
                }
                accepted = listener.accept() => match accepted {
                    Ok((stream, peer)) => {
                        connections.spawn(connection(stream, peer, router.clone(), round.clone()));
                    }
                    Err(error) => {
                        tracing::warn!(%error, "accepting a connection");
                        wait(Duration::from_millis(50)).await;
                    }
                },
                Some(_) = connections.join_next() => {}
            }
        }
        round.cancel();
        tokio::select! {
            () = async { while connections.join_next().await.is_some() {} } => {}
            () = wait(DRAIN) => {}
        }
        Ok(())
    }

    /// Statuses, reviews and webhooks, each when its time has come.
    async fn run_timers(&self, stop: CancellationToken) {
        let mut deliveries = JoinSet::new();
        loop {
            let (due, next_at, now) = self.tick(MOST_DELIVERIES.saturating_sub(deliveries.len()));
            for webhook in due {
                let sim = self.clone();
                deliveries.spawn(async move { sim.send_webhook(webhook).await });
            }
            let is_full = deliveries.len() >= MOST_DELIVERIES;
            let span = next_at.map_or(LONGEST_WAIT, |at| clock::duration(at - now)).min(LONGEST_WAIT);
            let span = if is_full { LONGEST_WAIT } else { span.max(Duration::from_millis(1)) };
            tokio::select! {
                () = stop.cancelled() => break,
                () = self.woken() => {}
                () = wait(span) => {}
                Some(_) = deliveries.join_next() => {}
            }
        }
    }
}

/// One connection, until it ends, is cut, or the round is over and it is idle.
async fn connection(stream: TcpStream, peer: SocketAddr, router: Router, round: CancellationToken) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "setting up a connection");
    }
    let cut = CancellationToken::new();
    let is_cut = Arc::new(AtomicBool::new(false));
    let service = {
        let (cut, is_cut) = (cut.clone(), Arc::clone(&is_cut));
        service_fn(move |request: Request<Incoming>| {
            let (router, cut, is_cut) = (router.clone(), cut.clone(), Arc::clone(&is_cut));
            async move {
                let mut request = request.map(Body::new);
                request.extensions_mut().insert(Wired { peer });
                let response = match router.oneshot(request).await {
                    Ok(response) => response,
                    Err(never) => match never {},
                };
                if let Some(Delay(span)) = response.extensions().get::<Delay>().copied() {
                    wait(span).await;
                }
                if response.extensions().get::<Cut>().is_some() {
                    is_cut.store(true, Ordering::SeqCst);
                    cut.cancel();
                    // The connection is dropped under this future; it never answers.
                    std::future::pending::<()>().await;
                }
                Ok::<_, Infallible>(response)
            }
        })
    };
    let builder = Builder::new(TokioExecutor::new());
    let serving = builder.serve_connection(TokioIo::new(stream), service);
    let mut serving = std::pin::pin!(serving);
    let mut is_ending = false;
    loop {
        tokio::select! {
            ended = serving.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!(error, "a connection ended");
                }
                break;
            }
            () = cut.cancelled() => break,
            () = round.cancelled(), if !is_ending => {
                is_ending = true;
                serving.as_mut().graceful_shutdown();
            }
        }
    }
    if is_cut.load(Ordering::SeqCst) {
        tracing::debug!("a connection was cut on purpose");
    }
}
