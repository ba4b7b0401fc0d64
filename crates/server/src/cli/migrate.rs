//! `waypost migrate`.

use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;
use engine::ports::Clock as _;
use serde_json::json;

use super::context::CommandContext;
use super::terminal::{print_json, print_line, print_note};
use crate::clock::SystemClock;

#[derive(Debug, Args)]
pub(super) struct MigrateArgs {
    /// Check only: the exit code is 0 if the database is up to date, otherwise 1
    #[arg(long)]
    check: bool,
    /// Use the sandbox of `waypost dev` in this folder
    #[arg(long)]
    dev: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl MigrateArgs {
    /// Migrates the database, or checks its version.
    ///
    /// # Errors
    /// If the database cannot be read or written.
    pub(super) fn run(&self, ctx: &CommandContext) -> anyhow::Result<ExitCode> {
        let config = &ctx.loaded.config;
        let path = if self.dev { config.dev_database() } else { config.database.clone() };
        if !self.check
            && let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty())
        {
            std::fs::create_dir_all(folder)
                .with_context(|| format!("creating the folder {}", folder.display()))?;
        }
        let state = if self.check {
            store::migration_state(&path)?
        } else {
            store::migrate(&path, SystemClock::new().now())?
        };
        let n_pending = state.known.saturating_sub(state.applied);
        let shown = path.display();
        if self.json {
            let version = if self.check { state.applied } else { state.known };
            let (name, n) = if self.check { ("pending", n_pending.max(0)) } else { ("applied", n_pending) };
            print_json(
                &json!({ "database": shown.to_string(), "version": version, "known": state.known, name: n }),
            )?;
        }
        if !self.check {
            if !self.json {
                print_line(&match n_pending {
                    0 => format!("{shown} is up to date (version {})", state.known),
                    n => format!("{shown} now has version {}, {}", state.known, n_migrations(n, "applied")),
                })?;
            }
            return Ok(ExitCode::SUCCESS);
        }
        match n_pending {
            0 => {
                if !self.json {
                    print_line(&format!("{shown} is up to date (version {})", state.known))?;
                }
                Ok(ExitCode::SUCCESS)
            }
            n if n > 0 => {
                print_note(&format!("{shown}: {}: run `waypost migrate`", n_migrations(n, "pending")));
                Ok(ExitCode::FAILURE)
            }
            _ => {
                let (applied, known) = (state.applied, state.known);
                print_note(&format!(
                    "{shown} has version {applied}, but this program supports version {known} only: use a newer waypost"
                ));
                Ok(ExitCode::FAILURE)
            }
        }
    }
}

fn n_migrations(n: i64, what: &str) -> String {
    if n == 1 { format!("1 migration {what}") } else { format!("{n} migrations {what}") }
}
