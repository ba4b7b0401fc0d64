//! Serves requests and runs the background loops until the process is stopped.

use std::sync::Arc;

use anyhow::Context;
use engine::maintenance::restore;
use engine::{Deps, background};
use jiff::SignedDuration;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::background_loops::Loops;
use super::router::router;
use crate::http_options::HttpOptions;
use crate::listen;
use crate::observability::traces::Exporter;

/// Maximum time of a graceful shutdown: longer than the longest call to Meta.
const SHUTDOWN_TIMEOUT: SignedDuration = SignedDuration::from_secs(35);
/// Serves until `stop` is cancelled, then shuts down gracefully.
pub(crate) async fn serve(
    deps: Arc<Deps>,
    options: HttpOptions,
    listener: TcpListener,
    stop: CancellationToken,
    exporter: Option<Exporter>,
) -> anyhow::Result<()> {
    restore::quarantine_restored_messages(&deps).await.context("checking for a restored backup")?;
    // The first heartbeat precedes the first lease, so that no other process treats this process as dead.
    background::tick_recovery(&deps).await.context("writing the first heartbeat")?;
    let mut loops = Loops::start(&deps, &stop);
    let (mut exporting, all_done) = (JoinSet::new(), CancellationToken::new());
    if let Some(exporter) = exporter {
        exporting.spawn(exporter.run(deps.clone(), all_done.clone()));
    }
    let router = router(&deps, options.clone());
    let mut server = std::pin::pin!(listen::serve(listener, router, &deps, &options, stop.clone()));
    let deadline = || deps.now().saturating_add(SHUTDOWN_TIMEOUT).unwrap_or(jiff::Timestamp::MAX);
    let mut stop_deadline = None;
    let result = loop {
        tokio::select! {
            () = &mut server => break Ok(()),
            () = stop.cancelled() => {
                // Event streams must end, or their connections would stay open.
                deps.stopping.cancel();
                let until = *stop_deadline.insert(deadline());
                tokio::select! {
                    () = &mut server => {}
                    () = deps.clock.sleep_until(until) => tracing::warn!("connections were still open when the shutdown timed out"),
                }
                break Ok(());
            }
            watched = loops.watch() => {
                if let Err(error) = watched {
                    stop.cancel();
                    break Err(error);
                }
            }
        }
    };
    deps.stopping.cancel();
    // Loops that start work end first, then the work itself. The heartbeat continues until the end: otherwise another process
    // would recover the sends that are still in flight.
    let until = stop_deadline.unwrap_or_else(deadline);
    tokio::select! {
        () = loops.end_workers() => {}
        () = deps.clock.sleep_until(until) => tracing::warn!("background loops were still running when the shutdown timed out"),
    }
    drain(&deps, until).await;
    loops.result().await;
    if let Err(error) = background::deregister_worker(&deps).await {
        tracing::warn!(error = %engine::chain(&error), "this process could not be deregistered");
    }
    // The spans of the last work are exported as well.
    all_done.cancel();
    while exporting.join_next().await.is_some() {}
    result
}

/// Waits for the sends in flight until a deadline.
async fn drain(deps: &Deps, until: jiff::Timestamp) {
    deps.tasks.close();
    tokio::select! {
        biased;
        () = deps.tasks.wait() => {}
        () = deps.clock.sleep_until(until) => {
            tracing::error!(n_sends = deps.tasks.len(), "sends were still in flight when the shutdown timed out; they become unknown");
        }
    }
}
