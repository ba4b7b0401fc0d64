//! The assembly: from a configuration to a process that serves.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use axum::Router;
use blobs::{BucketBlobs, FolderBlobs};
use domain::contacts::opt_out::OptOutWords;
use egress::{HookClient, HookConfig, Policy};
use engine::background::Rhythm;
use engine::deps::Ports;
use engine::maintenance::retention;
use engine::media::MediaPorts;
use engine::messages::queue;
use engine::metrics::Metrics;
use engine::ports::{Blobs, Clock};
use engine::webhooks_out::deliver;
use engine::webhooks_out::deliver::HookSettings;
use engine::{Deps, Settings, background, contacts, directory, media};
use graph::{GraphClient, GraphConfig};
use jiff::SignedDuration;
use store::{Sealer, SqliteStore};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::client::Network;
use crate::config::{Config, MediaStore};
use crate::metrics::Access;
use crate::passwords::Argon2Passwords;
use crate::random::OsRandom;
use crate::traces::{self, Exporter};
use crate::{api, docs, health, listen, metrics, webhook};

/// How long what is under way may take after the process was told to stop, all in all: the longest call to Meta, and a
/// little.
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
    let random = Arc::new(OsRandom::new());
    let sealer = sealer(config, random.clone())?;
    let path = &config.database;
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).with_context(|| format!("making the folder {}", folder.display()))?;
    }
    let metrics = Arc::new(Metrics::new(options.clock.clone()));
    let store = SqliteStore::open(path, sealer, &*options.clock, &*random, metrics.clone())?;
    let store = Arc::new(store);
    let graph = GraphClient::new(&GraphConfig {
        live_base_url: config.graph.base_url.clone(),
        sandbox_base_url: config.simulator_url(),
        version: config.graph.version.clone(),
        connect_timeout: Duration::from_secs(config.graph.connect_timeout_seconds.into()),
        timeout: Duration::from_secs(config.graph.timeout_seconds.into()),
        ..GraphConfig::default()
    })?;
    let graph = Arc::new(graph.counting(metrics.clone()));
    let policy = Policy {
        allow_http: config.webhooks.allow_http,
        allow_private_networks: config.webhooks.allow_private_networks,
        allow_http_loopback: options.is_dev,
    };
    let timeout = Duration::from_secs(config.webhooks.timeout_seconds.into());
    let hook_config = HookConfig { policy, timeout, ..HookConfig::default() };
    let sender = Arc::new(HookClient::new(&hook_config, options.clock.clone())?);
    let media = MediaPorts {
        records: store.clone(),
        blobs: blobs(config)?,
        upstream: graph.clone(),
        fetcher: Some(sender.clone()),
    };
    let ports = Ports {
        clock: options.clock,
        random,
        accounts: store.clone(),
        registry: store.clone(),
        messages: store.clone(),
        contacts: store.clone(),
        hooks: store.clone(),
        committed: store.committed(),
        workers: store.clone(),
        access: store.clone(),
        maintenance: store,
        passwords: Arc::new(Argon2Passwords::default()),
        upstream: graph.clone(),
        upstream_admin: graph,
        webhook_sender: sender,
        media,
        metrics,
    };
    let settings = Settings {
        limits: config.limits,
        throughput: config.pacing.throughput,
        has_pair_rule: config.pacing.has_pair_rule,
        queue_per_account: config.queue_per_account,
        hooks: HookSettings {
            schedule: config
                .webhooks
                .schedule
                .iter()
                .map(|s| SignedDuration::from_secs((*s).into()))
                .collect(),
            concurrency: config.webhooks.concurrency,
            per_second: Some(config.webhooks.rate_per_second).filter(|rate| *rate > 0),
        },
        sessions: config.sessions,
        media: config.media.settings(),
        retention: config.retention.settings(),
        callback_url: config.callback_url(),
        opt_out: OptOutWords::new(&config.opt_out.stop_words, &config.opt_out.start_words),
        is_dev: options.is_dev,
    };
    let deps = Arc::new(Deps::new(ports, settings));
    background::prime(&deps).await?;
    Ok(deps)
}

/// What seals and opens secrets, as the settings say.
pub(crate) fn sealer(config: &Config, random: Arc<OsRandom>) -> anyhow::Result<Sealer> {
    let sealer = Sealer::new(config.secret_key()?, random)?;
    Ok(match config.old_secret_key() {
        Some(old) => sealer.with_old(old)?,
        None => sealer,
    })
}

/// What the server knows of its place in the web.
#[derive(Clone, Debug, Default)]
pub struct Web {
    /// Its address as browsers call it, if it was told.
    pub public_url: Option<String>,
    /// The proxies that are believed when they tell where a call comes from.
    pub trusted_proxies: Vec<Network>,
    /// Who may read the metrics.
    pub metrics: Access,
    /// Whether requests become spans.
    pub is_traced: bool,
}

impl Web {
    /// As the settings say.
    pub(crate) fn of(config: &Config) -> Self {
        Self {
            public_url: Some(config.public_url()),
            trusted_proxies: config.trusted_proxies.clone(),
            metrics: config.metrics.access(),
            is_traced: config.log.otlp_endpoint.is_some(),
        }
    }
}

/// Where the content of files is kept.
fn blobs(config: &Config) -> anyhow::Result<Arc<dyn Blobs>> {
    Ok(match config.media.store {
        MediaStore::File => Arc::new(FolderBlobs::within(config.media_dir())),
        MediaStore::S3 => Arc::new(BucketBlobs::of_s3(&config.media.bucket()?)?),
    })
}

/// Everything that is served over HTTP.
pub fn router(deps: &Arc<Deps>, web: Web) -> Router {
    let metrics = metrics::router(deps, &web.metrics);
    let is_traced = web.is_traced;
    let router = Router::new()
        .merge(api::router(deps, &Arc::new(web)))
        .merge(webhook::router(deps))
        .merge(health::router(deps))
        .merge(docs::router())
        .merge(metrics)
        .fallback_service(axum::routing::any(api::nothing_here).with_state(deps.clone()));
    if is_traced { router.layer(axum::middleware::from_fn(traces::follow)) } else { router }
}

/// Every route of the API, and what a caller needs for it.
pub fn routes() -> &'static [api::routes::Route] {
    api::routes::ROUTES
}

/// Serves until told to stop, then finishes what is under way.
pub(crate) async fn serve(
    deps: Arc<Deps>,
    web: Web,
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
    let mut server = std::pin::pin!(listen::serve(listener, router(&deps, web), stop.clone()));
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

/// The loops of a process.
struct Loops {
    deps: Arc<Deps>,
    stop: CancellationToken,
    /// Ends the heartbeat.
    still: CancellationToken,
    running: JoinSet<()>,
    names: Vec<(tokio::task::Id, Loop)>,
    panics: Vec<jiff::Timestamp>,
}

impl Loops {
    fn start(deps: &Arc<Deps>, stop: &CancellationToken) -> Self {
        let mut loops = Self {
            deps: deps.clone(),
            stop: stop.clone(),
            still: CancellationToken::new(),
            running: JoinSet::new(),
            names: Vec::new(),
            panics: Vec::new(),
        };
        for name in Loop::ALL {
            loops.spawn(name);
        }
        loops
    }

    fn spawn(&mut self, name: Loop) {
        let until = if name == Loop::Recovery { &self.still } else { &self.stop };
        let id = self.running.spawn(name.run(self.deps.clone(), until.clone())).id();
        self.names.push((id, name));
    }

    /// Starts a loop that panicked again; the others go on.
    ///
    /// # Errors
    /// When loops keep panicking.
    async fn watch(&mut self) -> anyhow::Result<()> {
        let Some(Err(error)) = self.running.join_next().await else {
            // Nothing has ended in panic, and nothing will: the loops end when they are told to.
            return std::future::pending().await;
        };
        let now = self.deps.now();
        self.panics.push(now);
        self.panics.retain(|at| now.duration_since(*at) < PANIC_SPAN);
        if self.panics.len() >= MAX_PANICS {
            anyhow::bail!("the loops keep panicking; see the log");
        }
        let id = error.id();
        let name = self.names.iter().find(|(other, _)| *other == id).map(|(_, name)| *name);
        self.names.retain(|(other, _)| *other != id);
        tracing::error!(%error, loop.name = ?name, "a loop panicked; it is started again");
        if let Some(name) = name {
            self.spawn(name);
        }
        Ok(())
    }

    /// Waits until all loops but the heartbeat have ended: each finishes its round.
    async fn end_workers(&mut self) {
        while self.running.len() > 1 {
            if self.running.join_next().await.is_none() {
                return;
            }
        }
    }

    /// Ends the heartbeat, and gives up what has not ended by now.
    async fn end(mut self) {
        self.still.cancel();
        if self.running.len() > 1 {
            self.running.abort_all();
        }
        while self.running.join_next().await.is_some() {}
    }
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

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Loop {
    Recovery,
    Directory,
    KeyUse,
    Queue,
    Numbers,
    Hooks,
    Media,
    MediaSweep,
    Retention,
    Erasures,
}

impl Loop {
    const ALL: [Self; 10] = [
        Self::Recovery,
        Self::Directory,
        Self::KeyUse,
        Self::Queue,
        Self::Numbers,
        Self::Hooks,
        Self::Media,
        Self::MediaSweep,
        Self::Retention,
        Self::Erasures,
    ];

    async fn run(self, deps: Arc<Deps>, stop: CancellationToken) {
        let clock = deps.clock.clone();
        let rhythm = |every| Rhythm { every, hint: None };
        match self {
            Self::Recovery => {
                let rhythm = rhythm(background::HEARTBEAT_EVERY);
                background::run("recovery", &*clock, rhythm, &stop, || background::tick_recovery(&deps))
                    .await;
            }
            Self::Directory => {
                let rhythm = rhythm(directory::REFRESH_EVERY);
                background::run("directory", &*clock, rhythm, &stop, || background::tick_directory(&deps))
                    .await;
            }
            Self::KeyUse => {
                let rhythm = rhythm(background::NOTE_USE_EVERY);
                background::run("key use", &*clock, rhythm, &stop, || background::tick_key_use(&deps)).await;
            }
            Self::Numbers => {
                let rhythm = rhythm(background::NUMBERS_EVERY);
                let run =
                    background::run("numbers", &*clock, rhythm, &stop, || background::tick_numbers(&deps));
                // A question to Meta is not worth waiting for.
                tokio::select! {
                    () = run => {}
                    () = stop.cancelled() => {}
                }
            }
            Self::Hooks => {
                let rhythm = Rhythm { every: deliver::LOOK_EVERY, hint: Some(&deps.committed) };
                background::run("webhooks", &*clock, rhythm, &stop, || deliver::tick(&deps)).await;
            }
            Self::Media => {
                let rhythm = Rhythm { every: media::LOOK_EVERY, hint: Some(&deps.media.hint) };
                background::run("media", &*clock, rhythm, &stop, || media::tick(&deps)).await;
            }
            Self::MediaSweep => {
                let rhythm = Rhythm { every: media::SWEEP_EVERY, hint: Some(&deps.media.sweep_hint) };
                background::run("media sweep", &*clock, rhythm, &stop, || media::sweep(&deps)).await;
            }
            Self::Retention => {
                let rhythm = rhythm(retention::SWEEP_EVERY);
                background::run("retention", &*clock, rhythm, &stop, || retention::sweep(&deps)).await;
            }
            Self::Erasures => {
                let rhythm = Rhythm { every: contacts::ERASE_EVERY, hint: Some(&deps.erase_hint) };
                background::run("erasures", &*clock, rhythm, &stop, || contacts::tick(&deps)).await;
            }
            Self::Queue => {
                let rhythm = Rhythm { every: queue::LOOK_EVERY, hint: Some(&deps.queue_hint) };
                background::run("queue", &*clock, rhythm, &stop, || queue::tick(&deps)).await;
            }
        }
    }
}
