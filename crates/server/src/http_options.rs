//! Settings of the HTTP server that routes and middleware read.

use secrecy::SecretString;

use crate::client_ip::Network;

/// What the server knows of its place in the web.
#[derive(Clone, Debug, Default)]
pub struct HttpOptions {
    /// Its address as browsers call it, if it was told.
    pub public_url: Option<String>,
    /// The proxies that are believed when they tell where a call comes from.
    pub trusted_proxies: Vec<Network>,
    /// Who may read the metrics.
    pub metrics: MetricsAccess,
    /// Whether requests become spans.
    pub is_traced: bool,
}

/// Who may read the metrics.
#[derive(Clone, Debug, Default)]
pub enum MetricsAccess {
    /// Nobody: there is no page.
    Off,
    /// Everybody who reaches the address.
    #[default]
    Open,
    /// Who shows this token.
    Token(SecretString),
}
