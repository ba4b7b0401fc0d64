//! `waypost secrets rotate`: from one secret key to the next.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use engine::ports::Clock as _;
use serde_json::json;
use store::Rotation;

use super::Ctx;
use super::terminal::{say, say_json};
use crate::cli::workspace_arg::Place;
use crate::clock::SystemClock;
use crate::random::OsRandom;
use crate::run;

#[derive(Debug, Subcommand)]
pub(super) enum Secrets {
    /// Seal again with `secret_key` what `old_secret_key` has sealed; may run while the gateway does
    Rotate(Rotate),
}

#[derive(Debug, Args)]
pub(super) struct Rotate {
    /// Work on the sandbox of `waypost dev` in this folder
    #[arg(long)]
    dev: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Secrets {
    /// Does what was asked.
    ///
    /// # Errors
    /// When the database cannot be written, a process does not know the new key, or a secret is sealed with a third key.
    pub(super) fn run(&self, ctx: &Ctx) -> anyhow::Result<ExitCode> {
        match self {
            Self::Rotate(rotate) => rotate.run(ctx),
        }
    }
}

impl Rotate {
    fn run(&self, ctx: &Ctx) -> anyhow::Result<ExitCode> {
        let config = Place::config_of(self.dev, ctx)?;
        let sealer = run::sealer(&config, Arc::new(OsRandom::new()))?;
        let state = store::migration_state(&config.database)?;
        if state.applied != state.known {
            bail!("{} is not up to date: run `waypost migrate` first", config.database.display());
        }
        let rotation = store::reseal(&config.database, &sealer, SystemClock::new().now())
            .context("the rotation did not come to its end; run it again")?;
        let (n_resealed, count) = match rotation {
            Rotation::Done { n_resealed, count } => (n_resealed, count),
            Rotation::Unprepared { n_processes } => bail!(
                "{n_processes} running waypost does not seal with this secret_key: give it secret_key and old_secret_key, \
                 start it again, then rotate"
            ),
        };
        let is_done = count.old == 0 && count.other == 0;
        if self.json {
            say_json(&json!({
                "resealed": n_resealed,
                "present": count.present,
                "old": count.old,
                "other": count.other,
                "done": is_done,
            }))?;
        } else {
            say(&format!(
                "{n_resealed} secrets were sealed again, {} are sealed with secret_key",
                count.present
            ))?;
        }
        if !is_done {
            let n_left = count.old.saturating_add(count.other);
            bail!(
                "{n_left} secrets open with neither key: set old_secret_key to the one that they were sealed with and run \
                 this again, or give those accounts and webhooks new secrets"
            );
        }
        if !self.json {
            say(if config.old_secret_key().is_some() {
                "old_secret_key can go: take it out of the settings and start the gateway again"
            } else {
                "old_secret_key is not set, and nothing needs it"
            })?;
        }
        Ok(ExitCode::SUCCESS)
    }
}
