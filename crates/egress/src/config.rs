//! What may be called, and how long it may take.

use std::time::Duration;

use rustls::pki_types::CertificateDer;

/// Which addresses may be called.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// Plain http is as good as https.
    pub allow_http: bool,
    /// Private networks, this machine, and names that mean something there only. Link-local addresses, where clouds
    /// keep their machines' credentials, multicast, and what no host has stay out of reach.
    pub allow_private_networks: bool,
    /// This machine may be called, also with plain http, under an address or name that says so; for `waypost dev`.
    pub allow_http_loopback: bool,
}

/// How strangers are called.
#[derive(Clone, Debug)]
pub struct HookConfig {
    /// Which addresses may be called.
    pub policy: Policy,
    /// How long a post may take: name look-up, TCP, TLS, request and answer together.
    pub timeout: Duration,
    /// The same for a download.
    pub fetch_timeout: Duration,
    /// How long an unused connection is kept.
    pub idle_timeout: Duration,
    /// What we call ourselves.
    pub user_agent: String,
    /// The certificate authorities that are trusted; empty means the public ones.
    pub authorities: Vec<CertificateDer<'static>>,
}

impl Default for HookConfig {
    fn default() -> Self {
        Self {
            policy: Policy::default(),
            timeout: Duration::from_secs(15),
            fetch_timeout: Duration::from_secs(120),
            idle_timeout: Duration::from_secs(30),
            user_agent: concat!("Waypost/", env!("CARGO_PKG_VERSION")).to_owned(),
            authorities: Vec::new(),
        }
    }
}

/// Why a [`HookConfig`] cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum HookConfigError {
    /// The user agent holds characters that no header takes.
    #[error("the user agent `{0}` holds characters that no header takes")]
    UserAgent(String),
    /// TLS cannot be set up.
    #[error("setting up TLS")]
    Tls(#[source] rustls::Error),
}
