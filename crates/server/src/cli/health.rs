//! `waypost health`: checks whether the gateway on this machine is ready, for health checks of containers.

use std::process::ExitCode;

use anyhow::bail;
use clap::Args;

use super::context::CommandContext;
use super::terminal::print_line;
use crate::cli::gateway_client;

#[derive(Debug, Args)]
pub(super) struct HealthArgs {
    /// URL of the gateway [default: the setting listen]
    #[arg(long)]
    url: Option<String>,
}

impl HealthArgs {
    /// Checks whether the gateway is ready.
    ///
    /// # Errors
    /// If the gateway does not respond or is not ready.
    pub(super) async fn run(&self, ctx: &CommandContext) -> anyhow::Result<ExitCode> {
        let base = self.url.clone().unwrap_or_else(|| ctx.loaded.config.local_url());
        let url = format!("{}/readyz", base.trim_end_matches('/'));
        match gateway_client::get(&url).await {
            Ok(response) if response.status == 200 => {
                print_line("ready")?;
                Ok(ExitCode::SUCCESS)
            }
            Ok(response) => {
                bail!("{url} responds with {}: {}", response.status.as_u16(), response.body.trim())
            }
            Err(error) => Err(error.context(url)),
        }
    }
}
