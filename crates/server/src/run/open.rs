//! Opens the components that the configuration names: the store, the client of Meta's API, the storage of media content.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use blobs::{BucketBlobs, FolderBlobs};
use domain::contacts::opt_out::OptOutKeywords;
use egress::{EgressClient, EgressConfig, Policy};
use engine::deps::Ports;
use engine::media::MediaPorts;
use engine::metrics::Metrics;
use engine::ports::{Blobs, Clock};
use engine::webhooks_out::settings::DeliverySettings;
use engine::{Deps, Settings, background};
use graph::{GraphClient, GraphConfig};
use jiff::SignedDuration;
use store::{Sealer, SqliteStore};

use crate::config::{Config, MediaStore};
use crate::passwords::Argon2Passwords;
use crate::random::OsRandom;

/// Options of [`open`].
pub(crate) struct OpenOptions {
    /// `true` for `waypost dev`.
    pub(crate) is_dev: bool,
    /// Clock.
    pub(crate) clock: Arc<dyn Clock>,
}

/// Opens the store and the clients, and reads the accounts and keys.
pub(crate) async fn open(config: &Config, options: OpenOptions) -> anyhow::Result<Arc<Deps>> {
    let random = Arc::new(OsRandom::new());
    let sealer = sealer(config, random.clone())?;
    let path = &config.database;
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder)
            .with_context(|| format!("creating the folder {}", folder.display()))?;
    }
    let metrics = Arc::new(Metrics::new(options.clock.clone()));
    let store = SqliteStore::open(path, sealer, &*options.clock, &*random, metrics.clone())?;
    let store = Arc::new(store);
    let graph = Arc::new(graph_client(config)?.counting(metrics.clone()));
    let is_dev = options.is_dev;
    let policy = Policy {
        allow_http: config.webhooks.allow_http,
        allow_private_networks: config.webhooks.allow_private_networks,
        allow_local_hosts: is_dev,
    };
    let timeout = Duration::from_secs(config.webhooks.timeout_seconds.into());
    let egress_config = EgressConfig { policy, timeout, ..EgressConfig::default() };
    let sender = Arc::new(EgressClient::new(&egress_config, options.clock.clone())?);
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
        template_records: store.clone(),
        messages: store.clone(),
        message_queue: store.clone(),
        search_index: store.clone(),
        contacts: store.clone(),
        webhook_payloads: store.clone(),
        events: store.clone(),
        webhook_endpoints: store.clone(),
        deliveries: store.clone(),
        api_keys: store.clone(),
        idempotent_requests: store.clone(),
        users: store.clone(),
        audit_log: store.clone(),
        cursors: store.clone(),
        erasures: store.clone(),
        workers: store.clone(),
        committed: store.committed(),
        maintenance: store,
        passwords: Arc::new(Argon2Passwords::start()?),
        upstream: graph.clone(),
        upstream_admin: graph,
        webhook_sender: sender,
        media,
        metrics,
    };
    let deps = Arc::new(Deps::new(ports, settings(config, is_dev)));
    background::load_state(&deps).await?;
    Ok(deps)
}

/// Returns the settings of the engine.
fn settings(config: &Config, is_dev: bool) -> Settings {
    let seconds = |seconds: &u32| SignedDuration::from_secs((*seconds).into());
    Settings {
        limits: config.limits,
        throughput: config.pacing.throughput,
        has_pair_rule: config.pacing.has_pair_rule,
        queue_per_account: config.queue_per_account,
        deliveries: DeliverySettings {
            schedule: config.webhooks.schedule.iter().map(seconds).collect(),
            concurrency: config.webhooks.concurrency,
            per_second: Some(config.webhooks.rate_per_second).filter(|rate| *rate > 0),
        },
        sessions: config.sessions,
        media: config.media.settings(),
        retention: config.retention.settings(),
        template_sync_interval: Some(config.templates.sync_hours)
            .filter(|hours| *hours > 0)
            .map(|hours| SignedDuration::from_hours(hours.into())),
        callback_url: config.callback_url(),
        opt_out: OptOutKeywords::new(&config.opt_out.stop_words, &config.opt_out.start_words),
        is_dev,
    }
}

/// Returns the client of the Graph API.
fn graph_client(config: &Config) -> anyhow::Result<GraphClient> {
    let client = GraphClient::new(&GraphConfig {
        live_base_url: config.graph.base_url.clone(),
        sandbox_base_url: config.simulator_url(),
        version: config.graph.version.clone(),
        connect_timeout: Duration::from_secs(config.graph.connect_timeout_seconds.into()),
        timeout: Duration::from_secs(config.graph.timeout_seconds.into()),
        ..GraphConfig::default()
    })?;
    Ok(client)
}

/// Returns the sealer with the configured keys.
pub(crate) fn sealer(config: &Config, random: Arc<OsRandom>) -> anyhow::Result<Sealer> {
    let sealer = Sealer::new(config.secret_key()?, random)?;
    Ok(match config.old_secret_key() {
        Some(old) => sealer.with_old(old)?,
        None => sealer,
    })
}

/// Returns the storage of media content.
fn blobs(config: &Config) -> anyhow::Result<Arc<dyn Blobs>> {
    Ok(match config.media.store {
        MediaStore::File => Arc::new(FolderBlobs::within(config.media_dir())),
        MediaStore::S3 => Arc::new(BucketBlobs::of_s3(&config.media.bucket()?)?),
    })
}
