//! `waypost health`: whether the gateway on this machine can work, for whoever watches a container.

use std::process::ExitCode;

use anyhow::bail;
use clap::Args;

use super::Ctx;
use super::terminal::say;
use crate::cli::gateway_client;

#[derive(Debug, Args)]
pub(super) struct Health {
    /// The gateway's address [default: what `listen` says]
    #[arg(long)]
    url: Option<String>,
}

impl Health {
    /// Asks the gateway whether it is ready; exits with 0 if it is.
    ///
    /// # Errors
    /// When it does not answer, or is not ready.
    pub(super) async fn run(&self, ctx: &Ctx) -> anyhow::Result<ExitCode> {
        let base = self.url.clone().unwrap_or_else(|| ctx.loaded.config.local_url());
        let url = format!("{}/readyz", base.trim_end_matches('/'));
        match gateway_client::get(&url).await {
            Ok(answer) if answer.status == 200 => {
                say("ready")?;
                Ok(ExitCode::SUCCESS)
            }
            Ok(answer) => bail!("{url} answers {}: {}", answer.status.as_u16(), answer.body.trim()),
            Err(error) => Err(error.context(url)),
        }
    }
}
