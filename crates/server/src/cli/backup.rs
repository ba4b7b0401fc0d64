//! `waypost backup` and `waypost restore`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::Args;
use domain::time::rfc3339;
use engine::ports::Clock as _;
use serde_json::json;
use store::{BackupError, RestoreMode, RestoreOptions};

use super::context::CommandContext;
use super::terminal::{print_json, print_line, print_note};
use crate::clock::SystemClock;
use crate::config::Config;

#[derive(Debug, Args)]
pub(super) struct BackupArgs {
    /// Path of the backup
    file: PathBuf,
    /// Replace the file if it exists
    #[arg(long)]
    force: bool,
    /// Use the sandbox of `waypost dev` in this folder
    #[arg(long)]
    dev: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct RestoreArgs {
    /// Path of the backup
    file: PathBuf,
    /// Replace an existing database; the existing file is renamed
    #[arg(long)]
    force: bool,
    /// Continue with the queue as it is in the backup. Use this only if the gateway was stopped before the backup and has
    /// not run since; otherwise messages are sent twice
    #[arg(long)]
    nothing_sent_since: bool,
    /// Use the sandbox of `waypost dev` in this folder
    #[arg(long)]
    dev: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl BackupArgs {
    /// Backs up the database while other processes use it.
    ///
    /// # Errors
    /// If the backup cannot be completed.
    pub(super) fn run(&self, ctx: &CommandContext) -> anyhow::Result<ExitCode> {
        let clock = SystemClock::new();
        let started_at = clock.now();
        let database = database(&ctx.loaded.config, self.dev);
        let copied = match store::backup(&database, &self.file, self.force, started_at) {
            Err(BackupError::Exists(path)) => {
                bail!("{} already exists: use --force to replace it", path.display())
            }
            result => result.context("making the backup")?,
        };
        let duration = clock.now().duration_since(started_at);
        let shown = self.file.display();
        if self.json {
            print_json(&json!({
                "file": shown.to_string(),
                "size": copied.size,
                "version": copied.version,
                "copied_at": rfc3339(started_at),
                "duration_ms": u64::try_from(duration.as_millis()).unwrap_or_default(),
            }))?;
        } else {
            print_line(&format!(
                "backup {shown} is complete: {} bytes, {} ms",
                copied.size,
                duration.as_millis()
            ))?;
            print_note(
                "note: the backup does not contain the secret key and the files in `data_dir`; back them up as well (docs/operating.md)",
            );
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl RestoreArgs {
    /// Restores the database from a backup.
    ///
    /// # Errors
    /// If the backup is damaged, or a gateway uses the database.
    pub(super) fn run(&self, ctx: &CommandContext) -> anyhow::Result<ExitCode> {
        let database = database(&ctx.loaded.config, self.dev);
        if let Some(folder) = database.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            std::fs::create_dir_all(folder)
                .with_context(|| format!("creating the folder {}", folder.display()))?;
        }
        let mode = if self.nothing_sent_since { RestoreMode::ContinueQueue } else { RestoreMode::Quarantine };
        let now = SystemClock::new().now();
        let restored = match store::restore(
            &self.file,
            &database,
            RestoreOptions { mode, replaces: self.force },
            now,
        ) {
            Err(BackupError::Exists(path)) => {
                bail!(
                    "{} already exists: use --force to rename the existing database and to restore the backup",
                    path.display()
                )
            }
            result => result.context("restoring the backup")?,
        };
        let shown = database.display();
        let before = restored.before.as_ref().map(|path| path.display().to_string());
        if self.json {
            print_json(&json!({
                "database": shown.to_string(),
                "size": restored.backup.size,
                "version": restored.backup.version,
                "before": before,
                "marks_unknown": !self.nothing_sent_since,
            }))?;
            return Ok(ExitCode::SUCCESS);
        }
        print_line(&format!("{shown} was restored from {}", self.file.display()))?;
        if let Some(before) = before {
            print_line(&format!("the previous database was renamed to {before}"))?;
        }
        print_line(if self.nothing_sent_since {
            "`waypost serve` continues with the queue as it is in the backup"
        } else {
            "when `waypost serve` starts, messages that may have been sent after the backup get the status `unknown`; they are \
             not sent again automatically"
        })?;
        Ok(ExitCode::SUCCESS)
    }
}

/// Returns the path of the database that the command uses.
pub(super) fn database(config: &Config, is_dev: bool) -> PathBuf {
    if is_dev { config.dev_database() } else { config.database.clone() }
}
