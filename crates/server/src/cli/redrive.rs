//! `waypost redrive`: processes stored webhooks from Meta again.

use std::process::ExitCode;

use clap::{Args, ValueEnum};
use domain::time::rfc3339;
use engine::ports::UnappliedReason;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::context::CommandContext;
use super::terminal::{print_json, print_line};
use crate::cli::duration::parse_duration;
use crate::cli::workspace_arg::WorkspaceArg;
use crate::meta_webhook::{RedriveSummary, redrive};

#[derive(Debug, Args)]
pub(super) struct RedriveArgs {
    /// Start time, such as 2026-05-29T10:00:00.000Z, or a duration before now, such as 2d
    #[arg(long, value_name = "TIME|DURATION", value_parser = since)]
    since: Since,
    /// Webhooks to process: those with a change that could not be decoded, with a change of an unknown account, or all
    #[arg(long, value_enum, default_value_t = Only::All)]
    only: Only,
    #[command(flatten)]
    workspace: WorkspaceArg,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Only {
    Undecodable,
    Unrouted,
    All,
}

#[derive(Clone, Copy, Debug)]
enum Since {
    At(Timestamp),
    Back(SignedDuration),
}

fn since(text: &str) -> Result<Since, String> {
    if let Ok(at) = text.parse() {
        return Ok(Since::At(at));
    }
    parse_duration(text).map(Since::Back).map_err(|_| {
        "must be a time with its time zone, such as 2026-05-29T10:00:00.000Z, or a duration such as 2d or 12h"
            .to_owned()
    })
}

impl RedriveArgs {
    /// Processes the webhooks again.
    ///
    /// # Errors
    /// If the database cannot be read or written. Webhooks that were processed before the error stay processed.
    pub(super) async fn run(self, ctx: &CommandContext) -> anyhow::Result<ExitCode> {
        let opened = self.workspace.open(ctx).await?;
        let deps = &opened.deps;
        let since = match self.since {
            Since::At(at) => at,
            Since::Back(span) => deps.now().saturating_sub(span).unwrap_or(Timestamp::MIN),
        };
        let with = match self.only {
            Only::Undecodable => Some(UnappliedReason::Undecodable),
            Only::Unrouted => Some(UnappliedReason::Unrouted),
            Only::All => None,
        };
        let done: RedriveSummary = redrive(deps, since, with).await?;
        // Redriven template updates start downloads of the template list.
        deps.tasks.close();
        deps.tasks.wait().await;
        if self.json {
            print_json(&json!({
                "since": rfc3339(since),
                "payloads": done.payloads,
                "applied": done.applied,
                "duplicates": done.duplicates,
                "pending_statuses": done.pending_statuses,
                "unrouted": done.unrouted,
                "undecodable": done.undecodable,
            }))?;
        } else {
            print_line(&format!(
                "{} webhooks since {}: {} changes applied, {} applied before, {} statuses of unknown messages, \
                 {} changes of unknown accounts, {} changes that cannot be decoded",
                done.payloads,
                rfc3339(since),
                done.applied,
                done.duplicates,
                done.pending_statuses,
                done.unrouted,
                done.undecodable
            ))?;
        }
        Ok(ExitCode::SUCCESS)
    }
}
