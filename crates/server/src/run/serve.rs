//! Serves requests and runs the background loops until the process is told to stop.

use std::sync::Arc;

use anyhow::Context;
use engine::maintenance::retention;
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

/// How long what is under way may take after the process was told to stop, all in all: the longest call to Meta, and a
/// little.
const GRACE: SignedDuration = SignedDuration::from_secs(35);
/// Serves until told to stop, then finishes what is under way.
pub(crate) async fn serve(
    deps: Arc<Deps>,
    options: HttpOptions,
    listener: TcpListener,
    stop: CancellationToken,
    exporter: Option<Exporter>,
) -> anyhow::Result<()> {
    retention::settle_restored(&deps).await.context("looking at a database that was restored")?;
    // The first heartbeat goes before the first claim: nobody may take a young process for a dead one.
    background::tick_recovery(&deps).await.context("saying that this process lives")?;
    let mut loops = Loops::start(&deps, &stop);
    let (mut exporting, all_done) = (JoinSet::new(), CancellationToken::new());
    if let Some(exporter) = exporter {
        exporting.spawn(exporter.run(deps.clone(), all_done.clone()));
    }
    let mut server = std::pin::pin!(listen::serve(listener, router(&deps, options), stop.clone()));
    let in_time = || deps.now().saturating_add(GRACE).unwrap_or(jiff::Timestamp::MAX);
    let mut told_to_stop = None;
    let end = loop {
        tokio::select! {
            () = &mut server => break Ok(()),
            () = stop.cancelled() => {
                // What waits for events ends, or its connection would stay open.
                deps.stopping.cancel();
                let until = *told_to_stop.insert(in_time());
                tokio::select! {
                    () = &mut server => {}
                    () = deps.clock.sleep_until(until) => tracing::warn!("connections were still open at the end"),
                }
                break Ok(());
            }
            mended = loops.watch() => {
                if let Err(error) = mended {
                    stop.cancel();
                    break Err(error);
                }
            }
        }
    };
    deps.stopping.cancel();
    // What takes on work ends first, then the work; the heart beats until the end, or another process would take the
    // sends that are still under way for those of a dead one.
    let until = told_to_stop.unwrap_or_else(in_time);
    tokio::select! {
        () = loops.end_workers() => {}
        () = deps.clock.sleep_until(until) => tracing::warn!("rounds of work were still under way at the end"),
    }
    drain(&deps, until).await;
    loops.end().await;
    if let Err(error) = background::say_farewell(&deps).await {
        tracing::warn!(error = %engine::chain(&error), "the end of this process could not be written down");
    }
    // The spans of the last work go, too.
    all_done.cancel();
    while exporting.join_next().await.is_some() {}
    end
}

/// Waits for the sends under way, but not for ever.
async fn drain(deps: &Deps, until: jiff::Timestamp) {
    deps.tasks.close();
    tokio::select! {
        biased;
        () = deps.tasks.wait() => {}
        () = deps.clock.sleep_until(until) => {
            tracing::error!(n_sends = deps.tasks.len(), "sends were still under way at the end; they become unknown");
        }
    }
}
