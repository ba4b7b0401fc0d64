//! What an operator may set.
//!
//! There is one list of settings, [`KEYS`]: the file, the environment, the flags, `waypost config check` and the
//! document are all made from it.
//!
//! **Invariant:** a setting is taken from its default, then the file, then the environment, then the flags; the last wins.
//!
//! **Invariant:** a name that is not in the list stops the start. A setting that nothing reads is not in the list.
//!
//! **Invariant:** the value of a secret is in no error, and nothing prints it.

#[cfg(test)]
mod deployed;
mod document;
mod environment;
mod error;
mod file;
mod keys;
mod kind;
mod load;
mod media;
mod parse;
mod retention;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};

use domain::access::rate_limiter::RateLimits;
use domain::access::user::SessionLifetime;
use domain::contacts::opt_out::{START_KEYWORDS, STOP_KEYWORDS};
use secrecy::{SecretSlice, SecretString};

use crate::client_ip::Network;
use crate::http_options::{HttpOptions, MetricsAccess};

pub(crate) use document::{effective, effective_json, reference};
pub(crate) use environment::Environment;
pub(crate) use error::{ConfigError, MissingSecretKey};
pub(crate) use keys::{KEYS, Key};
pub(crate) use load::{Loaded, Origin, Override, Sources, load, secret_file};
pub(crate) use media::{MediaConfig, MediaStore};
pub(crate) use retention::RetentionConfig;

/// The settings, each valid by itself.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    /// Where the gateway listens.
    pub(crate) listen: SocketAddr,
    /// The SQLite file.
    pub(crate) database: PathBuf,
    /// Where files are kept, and what `waypost dev` keeps.
    pub(crate) data_dir: PathBuf,
    /// How Meta is reached.
    pub(crate) graph: GraphSettings,
    /// The simulated Graph API.
    pub(crate) simulator: SimulatorSettings,
    /// The limits of a key that names none.
    pub(crate) limits: RateLimits,
    /// Messages that may wait in the queue of one account.
    pub(crate) queue_per_account: u32,
    /// The pace towards Meta.
    pub(crate) pacing: PacingSettings,
    /// How events go out to the application's endpoints.
    pub(crate) webhooks: WebhookSettings,
    /// How long a login lasts.
    pub(crate) sessions: SessionLifetime,
    /// The proxies that are believed when they tell where a call comes from.
    pub(crate) trusted_proxies: Vec<Network>,
    /// The files.
    pub(crate) media: MediaConfig,
    /// How long things are kept.
    pub(crate) retention: RetentionConfig,
    /// The words that stop marketing, and that take it back.
    pub(crate) opt_out: OptOutSettings,
    /// What is logged, and how.
    pub(crate) log: LogSettings,
    /// Who may read the metrics.
    pub(crate) metrics: MetricsSettings,
    secret_key: Option<SecretSlice<u8>>,
    old_secret_key: Option<SecretSlice<u8>>,
    public_url: Option<String>,
}

/// How Meta is reached.
#[derive(Clone, Debug)]
pub(crate) struct GraphSettings {
    /// Where accounts talk to.
    pub(crate) base_url: String,
    /// The version of the Graph API.
    pub(crate) version: String,
    /// How long name look-up, TCP and TLS may take together.
    pub(crate) connect_timeout_seconds: u32,
    /// How long a call may take in all.
    pub(crate) timeout_seconds: u32,
}

/// The simulated Graph API.
#[derive(Clone, Debug)]
pub(crate) struct SimulatorSettings {
    /// Where `dev` and `simulator` serve it.
    pub(crate) listen: SocketAddr,
    base_url: Option<String>,
    callback_url: Option<String>,
}

/// The pace towards Meta.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PacingSettings {
    /// Messages of each account in any one second.
    pub(crate) throughput: u32,
    /// Whether Meta's rule for one recipient is kept here.
    pub(crate) has_pair_rule: bool,
}

/// How events go out to the application's endpoints.
#[derive(Clone, Debug)]
pub(crate) struct WebhookSettings {
    /// Whether plain http will do.
    pub(crate) allow_http: bool,
    /// Whether private networks and this machine may be reached.
    pub(crate) allow_private_networks: bool,
    /// How long an endpoint may take.
    pub(crate) timeout_seconds: u32,
    /// Seconds to wait after the first failed attempt, the second, and so on.
    pub(crate) schedule: Vec<u32>,
    /// Events under way to one endpoint.
    pub(crate) concurrency: u32,
    /// Events that begin in a second to one endpoint; 0 is no limit.
    pub(crate) rate_per_second: u32,
}

/// The words that stop marketing, and that take it back.
#[derive(Clone, Debug)]
pub(crate) struct OptOutSettings {
    /// One of these as a whole message stops it.
    pub(crate) stop_words: Vec<String>,
    /// One of these as a whole message takes it back.
    pub(crate) start_words: Vec<String>,
}

/// What is logged, and how.
#[derive(Clone, Debug)]
pub(crate) struct LogSettings {
    /// For people or for machines.
    pub(crate) format: LogFormat,
    /// Which lines.
    pub(crate) filter: String,
    /// The collector that gets spans.
    pub(crate) otlp_endpoint: Option<String>,
}

/// Who may read the metrics.
#[derive(Clone, Debug)]
pub(crate) struct MetricsSettings {
    /// Whether there is a page.
    pub(crate) is_enabled: bool,
    /// What its readers have to show.
    pub(crate) token: Option<SecretString>,
}

impl MetricsSettings {
    /// Who may read them.
    pub(crate) fn access(&self) -> MetricsAccess {
        match (&self.token, self.is_enabled) {
            (_, false) => MetricsAccess::Off,
            (Some(token), true) => MetricsAccess::Token(token.clone()),
            (None, true) => MetricsAccess::Open,
        }
    }
}

/// How log lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

impl Default for Config {
    fn default() -> Self {
        let loopback = IpAddr::V4(Ipv4Addr::LOCALHOST);
        Self {
            listen: SocketAddr::new(loopback, 8080),
            database: PathBuf::from("waypost.db"),
            data_dir: PathBuf::from(".waypost"),
            graph: GraphSettings {
                base_url: "https://graph.facebook.com".to_owned(),
                version: "v24.0".to_owned(),
                connect_timeout_seconds: 5,
                timeout_seconds: 30,
            },
            simulator: SimulatorSettings {
                listen: SocketAddr::new(loopback, 8090),
                base_url: None,
                callback_url: None,
            },
            limits: RateLimits { per_minute: 100, burst: 10 },
            queue_per_account: 100_000,
            pacing: PacingSettings {
                throughput: domain::messages::pacing::DEFAULT_THROUGHPUT,
                has_pair_rule: true,
            },
            webhooks: WebhookSettings {
                allow_http: false,
                allow_private_networks: false,
                timeout_seconds: 15,
                schedule: vec![10, 60, 300, 1_800, 7_200, 18_000, 36_000, 86_400],
                concurrency: 16,
                rate_per_second: 0,
            },
            sessions: SessionLifetime::default(),
            trusted_proxies: Vec::new(),
            media: MediaConfig::default(),
            retention: RetentionConfig::default(),
            opt_out: OptOutSettings {
                stop_words: STOP_KEYWORDS.iter().map(|word| (*word).to_owned()).collect(),
                start_words: START_KEYWORDS.iter().map(|word| (*word).to_owned()).collect(),
            },
            log: LogSettings { format: LogFormat::Text, filter: "info".to_owned(), otlp_endpoint: None },
            metrics: MetricsSettings { is_enabled: true, token: None },
            secret_key: None,
            old_secret_key: None,
            public_url: None,
        }
    }
}

impl Config {
    /// The key that encrypts what is secret in the database: 32 bytes.
    ///
    /// # Errors
    /// When none is set: the text says how to make one.
    pub(crate) fn secret_key(&self) -> Result<&SecretSlice<u8>, MissingSecretKey> {
        self.secret_key.as_ref().ok_or(MissingSecretKey)
    }

    /// The key that was `secret_key` before: it opens, and seals nothing.
    pub(crate) fn old_secret_key(&self) -> Option<&SecretSlice<u8>> {
        self.old_secret_key.as_ref()
    }

    /// Whether somebody has said what `public_url` is.
    pub(crate) fn has_public_url(&self) -> bool {
        self.public_url.is_some()
    }

    /// What Meta and browsers call; ends without a slash.
    pub(crate) fn public_url(&self) -> String {
        self.public_url.clone().unwrap_or_else(|| self.local_url())
    }

    /// The gateway's address on this machine, as a URL without a slash at its end.
    pub(crate) fn local_url(&self) -> String {
        url_of(self.listen)
    }

    /// Where sandbox accounts talk to; ends without a slash.
    pub(crate) fn simulator_url(&self) -> String {
        self.simulator.base_url.clone().unwrap_or_else(|| url_of(self.simulator.listen))
    }

    /// Where Meta sends its webhooks.
    pub(crate) fn callback_url(&self) -> String {
        format!("{}/webhooks/meta", self.public_url())
    }

    /// Where the simulator sends its webhooks.
    pub(crate) fn simulator_callback_url(&self) -> String {
        self.simulator.callback_url.clone().unwrap_or_else(|| self.callback_url())
    }

    /// Where the simulator keeps its state.
    pub(crate) fn simulator_dir(&self) -> PathBuf {
        self.data_dir.join("simulator")
    }

    /// The database of `waypost dev`.
    pub(crate) fn dev_database(&self) -> PathBuf {
        self.data_dir.join("waypost.db")
    }

    /// Whether a secret key is set.
    pub(crate) fn has_secret_key(&self) -> bool {
        self.secret_key.is_some()
    }

    /// Uses this secret key.
    pub(crate) fn set_secret_key(&mut self, key: SecretSlice<u8>) {
        self.secret_key = Some(key);
    }

    /// The settings of the HTTP server.
    pub(crate) fn http_options(&self) -> HttpOptions {
        HttpOptions {
            public_url: Some(self.public_url()),
            trusted_proxies: self.trusted_proxies.clone(),
            metrics: self.metrics.access(),
            is_traced: self.log.otlp_endpoint.is_some(),
        }
    }

    /// Makes the simulator call the gateway on this machine, whatever `public_url` is, unless it was told where to call.
    pub(crate) fn keep_simulator_local(&mut self) {
        let local = format!("{}/webhooks/meta", self.local_url());
        self.simulator.callback_url.get_or_insert(local);
    }
}

/// The 32 bytes of a secret key written as base64.
pub(crate) fn secret_key_from_text(text: &str) -> Option<SecretSlice<u8>> {
    parse::secret_key(text).ok()
}

/// The URL of a listening address; an address that means "all" is reached through loopback.
fn url_of(address: SocketAddr) -> String {
    let ip = match address.ip() {
        ip if !ip.is_unspecified() => ip,
        IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::LOCALHOST),
    };
    format!("http://{}", SocketAddr::new(ip, address.port()))
}

/// A path as `database_url` writes it.
fn database_url(path: &Path) -> String {
    format!("sqlite:{}", path.display())
}
