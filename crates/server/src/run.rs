//! The assembly: from a configuration to a process that serves.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use axum::Router;
use engine::deps::Ports;
use engine::ports::Clock;
use engine::work::Rhythm;
use engine::{Deps, Settings, directory, queue, work};
use graph::{GraphClient, GraphConfig};
use jiff::SignedDuration;
use store::{Sealer, SqliteStore};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::chance::OsChance;
use crate::config::Config;
use crate::{api, health, listen, webhook};

/// How long what is under way may take after the process was told to stop: the longest call to Meta, and a little.
const GRACE: SignedDuration = SignedDuration::from_secs(35);
/// Three panics of a loop in this time end the process: something is thoroughly wrong.
const PANIC_SPAN: SignedDuration = SignedDuration::from_secs(60);
const MAX_PANICS: usize = 3;

/// How a process is put together.
pub(crate) struct OpenOptions {
    /// Whether this is `waypost dev`.
    pub(crate) is_dev: bool,
    /// Tells the time.
    pub(crate) clock: Arc<dyn Clock>,
}

/// Opens the store and the way to Meta, and reads the accounts and keys.
pub(crate) async fn open(config: &Config, options: OpenOptions) -> anyhow::Result<Arc<Deps>> {
    let chance = Arc::new(OsChance::new());
    let sealer = Sealer::new(config.secret_key()?, chance.clone())?;
    let path = &config.database;
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).with_context(|| format!("making the folder {}", folder.display()))?;
    }
    let store = Arc::new(SqliteStore::open(path, sealer, &*options.clock, &*chance)?);
    let upstream = GraphClient::new(&GraphConfig {
        live_base_url: config.graph.base_url.clone(),
        sandbox_base_url: config.simulator_url(),
        version: config.graph.version.clone(),
        connect_timeout: Duration::from_secs(config.graph.connect_timeout_seconds.into()),
        timeout: Duration::from_secs(config.graph.timeout_seconds.into()),
        ..GraphConfig::default()
    })?;
    let ports = Ports {
        clock: options.clock,
        chance,
        accounts: store.clone(),
        messages: store.clone(),
        work: store,
        upstream: Arc::new(upstream),
    };
    let settings = Settings {
        limits: config.limits,
        throughput: config.pacing.throughput,
        has_pair_rule: config.pacing.has_pair_rule,
        queue_per_account: config.queue_per_account,
        is_dev: options.is_dev,
    };
    let deps = Arc::new(Deps::new(ports, settings));
    work::prime(&deps).await?;
    Ok(deps)
}

/// Everything that is served over HTTP.
pub fn router(deps: &Arc<Deps>) -> Router {
    Router::new()
        .merge(api::router(deps))
        .merge(webhook::router(deps))
        .merge(health::router(deps))
        .fallback_service(axum::routing::any(api::nothing_here).with_state(deps.clone()))
}

/// Serves until told to stop, then finishes what is under way.
pub(crate) async fn serve(
    deps: Arc<Deps>,
    listener: TcpListener,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    // The first heartbeat goes before the first claim: nobody may take a young process for a dead one.
    work::tick_recovery(&deps).await.context("saying that this process lives")?;
    let mut loops = JoinSet::new();
    for name in Loop::ALL {
        loops.spawn(name.run(deps.clone(), stop.clone()));
    }
    let mut server = std::pin::pin!(listen::serve(listener, router(&deps), stop.clone()));
    let mut panics = Vec::new();
    loop {
        tokio::select! {
            () = &mut server => break,
            () = stop.cancelled() => {
                let end = deps.now().saturating_add(GRACE).unwrap_or(jiff::Timestamp::MAX);
                tokio::select! {
                    () = &mut server => {}
                    () = deps.clock.sleep_until(end) => tracing::warn!("connections were still open at the end"),
                }
                break;
            }
            Some(end) = loops.join_next() => {
                let Err(error) = end else { continue };
                if error.is_cancelled() {
                    continue;
                }
                let now = deps.now();
                panics.push(now);
                panics.retain(|at| now.duration_since(*at) < PANIC_SPAN);
                if panics.len() >= MAX_PANICS {
                    stop.cancel();
                    anyhow::bail!("the loops keep panicking; see the log");
                }
                tracing::error!(%error, "a loop panicked; all loops are started again");
                loops.abort_all();
                for name in Loop::ALL {
                    loops.spawn(name.run(deps.clone(), stop.clone()));
                }
            }
        }
    }
    drain(&deps).await;
    while loops.join_next().await.is_some() {}
    Ok(())
}

/// Waits for the sends under way, but not for ever.
async fn drain(deps: &Deps) {
    deps.tasks.close();
    let end = deps.now().saturating_add(GRACE).unwrap_or(jiff::Timestamp::MAX);
    tokio::select! {
        () = deps.tasks.wait() => {}
        () = deps.clock.sleep_until(end) => {
            tracing::error!(n_sends = deps.tasks.len(), "sends were still under way at the end; they become unknown");
        }
    }
}

#[derive(Clone, Copy)]
enum Loop {
    Recovery,
    Directory,
    KeyUse,
    Queue,
    Numbers,
}

impl Loop {
    const ALL: [Self; 5] = [Self::Recovery, Self::Directory, Self::KeyUse, Self::Queue, Self::Numbers];

    async fn run(self, deps: Arc<Deps>, stop: CancellationToken) {
        let clock = deps.clock.clone();
        let rhythm = |every| Rhythm { every, hint: None };
        match self {
            Self::Recovery => {
                let rhythm = rhythm(work::HEARTBEAT_EVERY);
                work::run("recovery", &*clock, rhythm, &stop, || work::tick_recovery(&deps)).await;
            }
            Self::Directory => {
                let rhythm = rhythm(directory::REFRESH_EVERY);
                work::run("directory", &*clock, rhythm, &stop, || work::tick_directory(&deps)).await;
            }
            Self::KeyUse => {
                let rhythm = rhythm(work::NOTE_USE_EVERY);
                work::run("key use", &*clock, rhythm, &stop, || work::tick_key_use(&deps)).await;
            }
            Self::Numbers => {
                let rhythm = rhythm(work::NUMBERS_EVERY);
                work::run("numbers", &*clock, rhythm, &stop, || work::tick_numbers(&deps)).await;
            }
            Self::Queue => {
                let rhythm = Rhythm { every: queue::LOOK_EVERY, hint: Some(&deps.queue_hint) };
                work::run("queue", &*clock, rhythm, &stop, || queue::tick(&deps)).await;
            }
        }
    }
}
