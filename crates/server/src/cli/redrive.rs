//! `waypost redrive`: what Meta posted, taken once more.

use std::process::ExitCode;

use clap::{Args, ValueEnum};
use engine::ports::UnappliedState;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::Ctx;
use super::terminal::{say, say_json};
use crate::cli::duration::span;
use crate::cli::workspace_arg::Place;
use crate::meta_webhook::{Redriven, redrive};

#[derive(Debug, Args)]
pub(super) struct Redrive {
    /// Since when: a time such as 2026-05-29T10:00:00Z, or a span back from now such as 2d
    #[arg(long, value_name = "TIME|SPAN", value_parser = since)]
    since: Since,
    /// Which posts: those with a part that was not understood, with a part of nobody here, or all
    #[arg(long, value_enum, default_value_t = Only::All)]
    only: Only,
    #[command(flatten)]
    place: Place,
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
    span(text).map(Since::Back).map_err(|_| {
        "must be a time with its zone, such as 2026-05-29T10:00:00Z, or a span such as 2d or 12h".to_owned()
    })
}

impl Redrive {
    /// Takes the posts once more.
    ///
    /// # Errors
    /// When the database cannot be read or written; what was done until then is done.
    pub(super) async fn run(self, ctx: &Ctx) -> anyhow::Result<ExitCode> {
        let opened = self.place.open(ctx).await?;
        let deps = &opened.deps;
        let since = match self.since {
            Since::At(at) => at,
            Since::Back(span) => deps.now().saturating_sub(span).unwrap_or(Timestamp::MIN),
        };
        let with = match self.only {
            Only::Undecodable => Some(UnappliedState::Undecodable),
            Only::Unrouted => Some(UnappliedState::Unrouted),
            Only::All => None,
        };
        let done: Redriven = redrive(deps, since, with).await?;
        // Lists of templates that are read because their words have changed.
        deps.tasks.close();
        deps.tasks.wait().await;
        if self.json {
            say_json(&json!({
                "since": since.to_string(),
                "posts": done.posts,
                "applied": done.applied,
                "repeated": done.repeated,
                "early": done.early,
                "unrouted": done.unrouted,
                "undecodable": done.undecodable,
            }))?;
        } else {
            say(&format!(
                "{} posts since {since}: {} parts applied, {} known before, {} statuses of messages that are not \
                 known, {} of nobody here, {} not understood",
                done.posts, done.applied, done.repeated, done.early, done.unrouted, done.undecodable
            ))?;
        }
        Ok(ExitCode::SUCCESS)
    }
}
