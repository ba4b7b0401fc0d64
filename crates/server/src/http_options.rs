//! Settings of the HTTP server that routes and middleware read.

use secrecy::SecretString;

use crate::client_ip::Network;

/// Settings of the HTTP server.
#[derive(Clone, Debug, Default)]
pub struct HttpOptions {
    /// Public URL of the gateway, if it is configured.
    pub public_url: Option<String>,
    /// Proxies whose forwarding headers are trusted.
    pub trusted_proxies: Vec<Network>,
    /// Maximum number of connections.
    pub max_connections: u32,
    /// Maximum number of connections of a client address.
    pub max_connections_per_address: u32,
    /// Memory of the bodies of all requests.
    pub max_body_memory: BodyMemory,
    /// Access to the metrics page.
    pub metrics: MetricsAccess,
    /// `true` for `waypost dev`: only requests to this machine or to the public URL are answered.
    pub is_local: bool,
    /// `true` if requests are traced.
    pub is_traced: bool,
    /// `true` if each request is logged at the level `info`; else at the level `debug`.
    pub has_access_log: bool,
}

/// Memory that the bodies of all requests use together, in bytes.
#[derive(Clone, Copy, Debug)]
pub struct BodyMemory(pub u64);

impl Default for BodyMemory {
    fn default() -> Self {
        Self(128 << 20)
    }
}

/// Access to the metrics page.
#[derive(Clone, Debug, Default)]
pub enum MetricsAccess {
    /// The page does not exist.
    Off,
    /// Every client may read the page.
    #[default]
    Open,
    /// Clients that present this token may read the page.
    Token(SecretString),
}
