//! Configuration: the addresses that may be called, and timeouts.

use std::time::Duration;

use rustls::pki_types::CertificateDer;

/// Policy for the addresses that may be called.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// Allows `http` URLs.
    pub allow_http: bool,
    /// Allows private networks, this machine, and names that only exist in a local network. Link-local addresses
    /// (cloud metadata services), multicast and reserved addresses stay forbidden.
    pub allow_private_networks: bool,
    /// Allows this machine and private networks, also over `http`, for URLs whose host is such an address or a name of a
    /// local network. For `waypost dev`.
    pub allow_local_hosts: bool,
}

/// Configuration of the client.
#[derive(Clone, Debug)]
pub struct EgressConfig {
    /// Policy for the addresses that may be called.
    pub policy: Policy,
    /// Maximum duration of a call: name resolution, TCP, TLS, request and response together.
    pub timeout: Duration,
    /// Maximum duration of a download.
    pub fetch_timeout: Duration,
    /// Duration for which an idle connection is kept.
    pub idle_timeout: Duration,
    /// Value of the `User-Agent` header.
    pub user_agent: String,
    /// Trusted certificate authorities; empty means the public ones.
    pub authorities: Vec<CertificateDer<'static>>,
}

impl Default for EgressConfig {
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

/// Reason why an [`EgressConfig`] cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum EgressConfigError {
    /// The user agent contains characters that a header cannot contain.
    #[error("the user agent `{0}` contains characters that are not allowed in a header")]
    UserAgent(String),
    /// TLS cannot be set up.
    #[error("setting up TLS")]
    Tls(#[source] rustls::Error),
}
