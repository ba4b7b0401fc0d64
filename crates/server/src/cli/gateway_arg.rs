//! The gateway that a command calls, as arguments.

use std::path::PathBuf;

use anyhow::{Context as _, bail};
use clap::Args;
use engine::access::api_key::DEV_KEY;
use secrecy::SecretString;
use url::Url;

use super::context::CommandContext;
use crate::cli::gateway_client::GatewayClient;
use crate::cli::secret_arg::secret;

/// The gateway that a command calls, and its API key.
#[derive(Debug, Args)]
pub(super) struct GatewayArg {
    /// URL of the gateway [default: WAYPOST_URL, or the setting public_url]
    #[arg(long, value_name = "URL")]
    url: Option<Url>,
    /// API key [default: WAYPOST_API_KEY, WAYPOST_KEY, or the key of a sandbox in this folder]
    #[arg(long, value_name = "KEY", conflicts_with = "api_key_file")]
    api_key: Option<SecretString>,
    /// File that contains the API key
    #[arg(long, value_name = "FILE", visible_alias = "key-file")]
    api_key_file: Option<PathBuf>,
}

impl GatewayArg {
    /// Returns a client for the gateway.
    ///
    /// # Errors
    /// If the URL is not valid, or there is no API key.
    pub(super) fn client(&self, ctx: &CommandContext) -> anyhow::Result<GatewayClient> {
        let config = &ctx.loaded.config;
        let (name, url) = match (&self.url, &ctx.environment.url) {
            (Some(url), _) => ("--url", Some(url.clone())),
            (None, Some(text)) => {
                ("WAYPOST_URL", Some(Url::parse(text).context("WAYPOST_URL must be a URL")?))
            }
            (None, None) => ("--url", None),
        };
        if url.as_ref().is_some_and(|url| !matches!(url.scheme(), "http" | "https")) {
            bail!("{name} must begin with https:// or http://");
        }
        let url = url.map(|url| url.as_str().trim_end_matches('/').to_owned());
        let given = secret("api-key", self.api_key.as_ref(), self.api_key_file.as_deref())?;
        if let Some(key) = given.or_else(|| ctx.environment.api_key.clone()) {
            return GatewayClient::new(url.unwrap_or_else(|| config.public_url()), Some(key));
        }
        // The API key of the sandbox is public. It is sent to this machine only.
        let url = url.unwrap_or_else(|| config.local_url());
        if config.dev_database().exists() && is_local(&url) {
            return GatewayClient::new(url, Some(DEV_KEY.into()));
        }
        bail!(
            "no API key: use --api-key-file, --api-key or WAYPOST_API_KEY; create a key with `waypost keys create`"
        )
    }
}

fn is_local(url: &str) -> bool {
    let Ok(url) = Url::parse(url) else { return false };
    match url.host() {
        Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
        Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost",
        None => false,
    }
}
