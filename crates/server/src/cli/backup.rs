//! `waypost backup` and `waypost restore`: the database, copied and put back.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::Args;
use engine::ports::Clock as _;
use serde_json::json;
use store::{CopyError, Restoring};

use super::Ctx;
use super::terminal::{complain, say, say_json};
use crate::clock::SystemClock;
use crate::config::Config;

#[derive(Debug, Args)]
pub(super) struct Backup {
    /// Where the copy goes
    file: PathBuf,
    /// Replace the file if it is there
    #[arg(long)]
    force: bool,
    /// Work on the sandbox of `waypost dev` in this folder
    #[arg(long)]
    dev: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Restore {
    /// The copy
    file: PathBuf,
    /// Replace the database if there is one; it is moved aside
    #[arg(long)]
    force: bool,
    /// The gateway was ended before the copy was made and has not run since: the queue goes on where it was. If it has
    /// run, messages are sent twice
    #[arg(long)]
    nothing_left_since: bool,
    /// Work on the sandbox of `waypost dev` in this folder
    #[arg(long)]
    dev: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Backup {
    /// Copies the database while others work with it.
    ///
    /// # Errors
    /// When the copy cannot be made whole.
    pub(super) fn run(&self, ctx: &Ctx) -> anyhow::Result<ExitCode> {
        let clock = SystemClock::new();
        let begun_at = clock.now();
        let database = database(&ctx.loaded.config, self.dev);
        let copied = match store::backup(&database, &self.file, self.force, begun_at) {
            Err(CopyError::Exists(path)) => bail!("{} is there already: --force replaces it", path.display()),
            end => end.context("the backup was not made")?,
        };
        let took = clock.now().duration_since(begun_at);
        let shown = self.file.display();
        if self.json {
            say_json(&json!({
                "file": shown.to_string(),
                "size": copied.size,
                "version": copied.version,
                "copied_at": begun_at.to_string(),
                "duration_ms": u64::try_from(took.as_millis()).unwrap_or_default(),
            }))?;
        } else {
            say(&format!("{shown} is a whole copy: {} bytes, {} ms", copied.size, took.as_millis()))?;
            complain(
                "note: the secret key and the files of `data_dir` are not in it; keep them, too (docs/operating.md)",
            );
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl Restore {
    /// Puts a copy in the place of the database.
    ///
    /// # Errors
    /// When the copy is not in order, or a gateway works with the database.
    pub(super) fn run(&self, ctx: &Ctx) -> anyhow::Result<ExitCode> {
        let database = database(&ctx.loaded.config, self.dev);
        if let Some(folder) = database.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            std::fs::create_dir_all(folder)
                .with_context(|| format!("making the folder {}", folder.display()))?;
        }
        let restoring = if self.nothing_left_since { Restoring::NothingLeft } else { Restoring::MayHaveLeft };
        let now = SystemClock::new().now();
        let restored = match store::restore(&self.file, &database, (restoring, self.force), now) {
            Err(CopyError::Exists(path)) => {
                bail!("{} is there already: --force moves it aside and takes its place", path.display())
            }
            end => end.context("nothing was restored")?,
        };
        let shown = database.display();
        let before = restored.before.as_ref().map(|path| path.display().to_string());
        if self.json {
            say_json(&json!({
                "database": shown.to_string(),
                "size": restored.copied.size,
                "version": restored.copied.version,
                "before": before,
                "holds": !self.nothing_left_since,
            }))?;
            return Ok(ExitCode::SUCCESS);
        }
        say(&format!("{shown} is restored from {}", self.file.display()))?;
        if let Some(before) = before {
            say(&format!("the database that was there is {before}"))?;
        }
        say(if self.nothing_left_since {
            "`waypost serve` goes on with its queue as it is"
        } else {
            "at its next start `waypost serve` makes `unknown` what may have left since the copy was made, and sends none of \
             it again by itself"
        })?;
        Ok(ExitCode::SUCCESS)
    }
}

/// The database that a command works on.
pub(super) fn database(config: &Config, is_dev: bool) -> PathBuf {
    if is_dev { config.dev_database() } else { config.database.clone() }
}
