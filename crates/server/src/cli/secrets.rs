//! `waypost secrets rotate`: encrypts the secrets in the database with a new key.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use engine::ports::Clock as _;
use serde_json::json;
use store::ReencryptResult;

use super::context::CommandContext;
use super::terminal::{print_json, print_line};
use crate::cli::workspace_arg::WorkspaceArg;
use crate::clock::SystemClock;
use crate::random::OsRandom;
use crate::run;

#[derive(Debug, Subcommand)]
pub(super) enum SecretsCommand {
    /// Encrypt all secrets with `secret_key` that are encrypted with `old_secret_key`; the gateway may be running
    Rotate(RotateSecretsArgs),
}

#[derive(Debug, Args)]
pub(super) struct RotateSecretsArgs {
    /// Use the sandbox of `waypost dev` in this folder
    #[arg(long)]
    dev: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl SecretsCommand {
    /// Runs the command.
    ///
    /// # Errors
    /// If the database cannot be written, a running process does not have the new key, or a secret is encrypted with a third
    /// key.
    pub(super) fn run(&self, ctx: &CommandContext) -> anyhow::Result<ExitCode> {
        match self {
            Self::Rotate(rotate) => rotate.run(ctx),
        }
    }
}

impl RotateSecretsArgs {
    fn run(&self, ctx: &CommandContext) -> anyhow::Result<ExitCode> {
        let config = WorkspaceArg::config_of(self.dev, ctx)?;
        let sealer = run::sealer(&config, Arc::new(OsRandom::new()))?;
        let state = store::migration_state(&config.database)?;
        if state.applied != state.known {
            bail!("{} is not up to date: run `waypost migrate` first", config.database.display());
        }
        let rotation = store::reencrypt(&config.database, &sealer, SystemClock::new().now())
            .context("the rotation is not complete; run it again")?;
        let (n_reencrypted, count) = match rotation {
            ReencryptResult::Done { n_reencrypted, count } => (n_reencrypted, count),
            ReencryptResult::OtherKeyInUse { n_processes } => bail!(
                "{n_processes} running waypost processes use another secret_key: set secret_key and old_secret_key, restart them, \
                 then run this command again"
            ),
        };
        let is_done = count.old == 0 && count.other == 0;
        if self.json {
            print_json(&json!({
                "reencrypted": n_reencrypted,
                "current": count.present,
                "old": count.old,
                "other": count.other,
                "done": is_done,
            }))?;
        } else {
            print_line(&format!(
                "{n_reencrypted} secrets were encrypted again; {} secrets are encrypted with secret_key",
                count.present
            ))?;
        }
        if !is_done {
            let n_left = count.old.saturating_add(count.other);
            bail!(
                "{n_left} secrets cannot be decrypted with either key: set old_secret_key to the key that encrypted them and run \
                 this command again, or set new secrets for these accounts and webhooks"
            );
        }
        if !self.json {
            print_line(if config.old_secret_key().is_some() {
                "old_secret_key is no longer needed: remove the setting and restart the gateway"
            } else {
                "old_secret_key is not set and not needed"
            })?;
        }
        Ok(ExitCode::SUCCESS)
    }
}
