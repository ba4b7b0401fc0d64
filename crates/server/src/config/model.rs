//! The configuration: the values of all settings.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;

use domain::access::rate_limiter::RateLimits;
use domain::access::user::SessionLifetime;
use secrecy::{SecretSlice, SecretString};

use super::error::MissingSecretKey;
use super::media::MediaConfig;
use super::parse;
use super::retention::RetentionConfig;
use crate::client_ip::Network;
use crate::http_options::{BodyMemory, HttpOptions, MetricsAccess};

/// The values of all settings.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    /// Address on which the gateway listens.
    pub(crate) listen: SocketAddr,
    /// Path of the SQLite database.
    pub(crate) database: PathBuf,
    /// Folder of media files and of the state of `waypost dev`.
    pub(crate) data_dir: PathBuf,
    /// Connection to the Graph API.
    pub(crate) graph: GraphSettings,
    /// Simulated Graph API.
    pub(crate) simulator: SimulatorSettings,
    /// Rate limits of an API key that has none of its own.
    pub(crate) limits: RateLimits,
    /// Maximum number of messages in the queue of an account.
    pub(crate) queue_per_account: u32,
    /// Pacing of sends.
    pub(crate) pacing: PacingSettings,
    /// Message templates.
    pub(crate) templates: TemplateSettings,
    /// Webhooks to the application.
    pub(crate) webhooks: WebhookSettings,
    /// Lifetime of login sessions.
    pub(crate) sessions: SessionLifetime,
    /// Proxies whose forwarding headers are trusted.
    pub(crate) trusted_proxies: Vec<Network>,
    /// Maximum number of connections.
    pub(crate) max_connections: u32,
    /// Maximum number of connections of a client address.
    pub(crate) max_connections_per_address: u32,
    /// Memory of the bodies of all requests, in megabytes.
    pub(crate) max_body_memory_mb: u32,
    /// Media files.
    pub(crate) media: MediaConfig,
    /// Retention periods.
    pub(crate) retention: RetentionConfig,
    /// Opt-out keywords.
    pub(crate) opt_out: OptOutSettings,
    /// Logging and tracing.
    pub(crate) log: LogSettings,
    /// Metrics page.
    pub(crate) metrics: MetricsSettings,
    pub(super) secret_key: Option<SecretSlice<u8>>,
    pub(super) old_secret_key: Option<SecretSlice<u8>>,
    pub(super) public_url: Option<String>,
}

/// Connection to the Graph API.
#[derive(Clone, Debug, Default)]
pub(crate) struct GraphSettings {
    /// Base URL for live accounts.
    pub(crate) base_url: String,
    /// Version of the Graph API.
    pub(crate) version: String,
    /// Maximum time for DNS lookup, TCP and TLS together.
    pub(crate) connect_timeout_seconds: u32,
    /// Maximum time of a call.
    pub(crate) timeout_seconds: u32,
}

/// Simulated Graph API.
#[derive(Clone, Debug)]
pub(crate) struct SimulatorSettings {
    /// Address on which `dev` and `simulator` serve it.
    pub(crate) listen: SocketAddr,
    pub(super) base_url: Option<String>,
    pub(super) callback_url: Option<String>,
}

/// Pacing of sends.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct PacingSettings {
    /// Maximum number of messages that an account sends in one second.
    pub(crate) throughput: u32,
    /// `true` if the gateway applies Meta's pair rate limit.
    pub(crate) has_pair_rule: bool,
}

/// Message templates.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct TemplateSettings {
    /// Interval of the synchronization with Meta's list; 0 means never.
    pub(crate) sync_hours: u32,
}

/// Webhooks to the application.
#[derive(Clone, Debug, Default)]
pub(crate) struct WebhookSettings {
    /// `true` if endpoints may use plain HTTP.
    pub(crate) allow_http: bool,
    /// `true` if endpoints may be in private networks or on this machine.
    pub(crate) allow_private_networks: bool,
    /// Maximum time of a delivery attempt.
    pub(crate) timeout_seconds: u32,
    /// Seconds to wait after the first failed attempt, after the second, and so on.
    pub(crate) schedule: Vec<u32>,
    /// Maximum number of concurrent deliveries to one endpoint.
    pub(crate) concurrency: u32,
    /// Maximum number of deliveries that start in one second for one endpoint; 0 means no limit.
    pub(crate) rate_per_second: u32,
}

/// Opt-out keywords.
#[derive(Clone, Debug, Default)]
pub(crate) struct OptOutSettings {
    /// Keywords that opt a contact out of marketing.
    pub(crate) stop_words: Vec<String>,
    /// Keywords that opt a contact in again.
    pub(crate) start_words: Vec<String>,
}

/// Logging and tracing.
#[derive(Clone, Debug, Default)]
pub(crate) struct LogSettings {
    /// Format of log lines.
    pub(crate) format: LogFormat,
    /// Filter of log lines.
    pub(crate) filter: String,
    /// `true` if each HTTP request is logged at the level `info`.
    pub(crate) has_access_log: bool,
    /// OpenTelemetry collector that receives spans.
    pub(crate) otlp_endpoint: Option<String>,
}

/// Metrics page.
#[derive(Clone, Debug, Default)]
pub(crate) struct MetricsSettings {
    /// `true` if the page is served.
    pub(crate) is_enabled: bool,
    /// Token that clients must present.
    pub(crate) token: Option<SecretString>,
}

impl MetricsSettings {
    /// Returns the access rule of the page.
    pub(crate) fn access(&self) -> MetricsAccess {
        match (&self.token, self.is_enabled) {
            (_, false) => MetricsAccess::Off,
            (Some(token), true) => MetricsAccess::Token(token.clone()),
            (None, true) => MetricsAccess::Open,
        }
    }
}

domain::text_enum! {
    /// Format of log lines.
    #[derive(Default)]
    pub(crate) enum LogFormat {
        /// Plain text.
        #[default]
        Text = "text",
        /// One JSON object per line.
        Json = "json",
    }
}

impl Config {
    /// Returns a configuration without values; the table of settings holds the defaults.
    pub(super) fn empty() -> Self {
        let unspecified = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);
        Self {
            listen: unspecified,
            database: PathBuf::new(),
            data_dir: PathBuf::new(),
            graph: GraphSettings::default(),
            simulator: SimulatorSettings { listen: unspecified, base_url: None, callback_url: None },
            limits: RateLimits { per_minute: 0, burst: 0 },
            queue_per_account: 0,
            pacing: PacingSettings::default(),
            templates: TemplateSettings::default(),
            webhooks: WebhookSettings::default(),
            sessions: SessionLifetime::default(),
            trusted_proxies: Vec::new(),
            max_connections: 0,
            max_connections_per_address: 0,
            max_body_memory_mb: 0,
            media: MediaConfig::default(),
            retention: RetentionConfig::default(),
            opt_out: OptOutSettings::default(),
            log: LogSettings::default(),
            metrics: MetricsSettings::default(),
            secret_key: None,
            old_secret_key: None,
            public_url: None,
        }
    }

    /// Returns the key that encrypts secrets in the database: 32 bytes.
    ///
    /// # Errors
    /// If no key is set; the message describes how to make one.
    pub(crate) fn secret_key(&self) -> Result<&SecretSlice<u8>, MissingSecretKey> {
        self.secret_key.as_ref().ok_or(MissingSecretKey)
    }

    /// Returns the previous secret key. It decrypts; it never encrypts.
    pub(crate) fn old_secret_key(&self) -> Option<&SecretSlice<u8>> {
        self.old_secret_key.as_ref()
    }

    /// Returns `true` if `public_url` is set.
    pub(crate) fn has_public_url(&self) -> bool {
        self.public_url.is_some()
    }

    /// Returns the URL that Meta and browsers call, without a slash at the end.
    pub(crate) fn public_url(&self) -> String {
        self.public_url.clone().unwrap_or_else(|| self.local_url())
    }

    /// Returns the URL of the gateway on this machine, without a slash at the end.
    pub(crate) fn local_url(&self) -> String {
        url_of(self.listen)
    }

    /// Returns the base URL for sandbox accounts, without a slash at the end.
    pub(crate) fn simulator_url(&self) -> String {
        self.simulator.base_url.clone().unwrap_or_else(|| url_of(self.simulator.listen))
    }

    /// Returns the URL to which Meta sends webhooks.
    pub(crate) fn callback_url(&self) -> String {
        format!("{}/webhooks/meta", self.public_url())
    }

    /// Returns the URL to which the simulator sends webhooks.
    pub(crate) fn simulator_callback_url(&self) -> String {
        self.simulator.callback_url.clone().unwrap_or_else(|| self.callback_url())
    }

    /// Returns the folder of the simulator's state.
    pub(crate) fn simulator_dir(&self) -> PathBuf {
        self.data_dir.join("simulator")
    }

    /// Returns the path of the database of `waypost dev`.
    pub(crate) fn dev_database(&self) -> PathBuf {
        self.data_dir.join("waypost.db")
    }

    /// Returns the folder of media files.
    pub(crate) fn media_dir(&self) -> PathBuf {
        self.data_dir.join("media")
    }

    /// Returns `true` if a secret key is set.
    pub(crate) fn has_secret_key(&self) -> bool {
        self.secret_key.is_some()
    }

    /// Sets the secret key.
    pub(crate) fn set_secret_key(&mut self, key: SecretSlice<u8>) {
        self.secret_key = Some(key);
    }

    /// Returns the settings that the HTTP server needs.
    pub(crate) fn http_options(&self) -> HttpOptions {
        HttpOptions {
            public_url: Some(self.public_url()),
            trusted_proxies: self.trusted_proxies.clone(),
            max_connections: self.max_connections,
            max_connections_per_address: self.max_connections_per_address,
            max_body_memory: BodyMemory(u64::from(self.max_body_memory_mb) << 20),
            metrics: self.metrics.access(),
            is_local: false,
            is_traced: self.log.otlp_endpoint.is_some(),
            has_access_log: self.log.has_access_log,
        }
    }

    /// Makes the simulator call the gateway on this machine instead of `public_url`, unless `simulator.callback_url` is set.
    pub(crate) fn use_local_simulator_callback(&mut self) {
        let local = format!("{}/webhooks/meta", self.local_url());
        self.simulator.callback_url.get_or_insert(local);
    }
}

/// Returns the 32 bytes of a secret key in base64.
pub(crate) fn secret_key_from_text(text: &str) -> Option<SecretSlice<u8>> {
    parse::secret_key(text).ok()
}

/// Returns the URL of a listening address. The unspecified address is replaced by loopback.
fn url_of(address: SocketAddr) -> String {
    let ip = match address.ip() {
        ip if !ip.is_unspecified() => ip,
        IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::LOCALHOST),
    };
    format!("http://{}", SocketAddr::new(ip, address.port()))
}
