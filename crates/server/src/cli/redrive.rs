//! `waypost redrive`: what Meta posted, taken once more with what this program understands.
//!
//! **Invariant:** one post is one short transaction, and after each the writer's lock is left alone for as long: a
//! gateway that is running on the same file does not wait longer than for one post.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use engine::ports::{Ingested, KeptPost, KeptPosts, PartState};
use engine::{Deps, ingest};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::Ctx;
use super::place::Place;
use super::span::span;
use super::terminal::{say, say_json};
use crate::webhook;

/// How many posts are read at once: each may be some megabytes.
const PAGE: u32 = 8;
/// How long the rest between two posts may be.
const MAX_REST: SignedDuration = SignedDuration::from_millis(250);
const MIN_REST: SignedDuration = SignedDuration::from_millis(1);

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

/// What was done.
#[derive(Default)]
struct Done {
    n_posts: u64,
    n_applied: u64,
    n_repeated: u64,
    n_early: u64,
    n_unrouted: u64,
    n_undecodable: u64,
}

impl Done {
    fn add(&mut self, ingested: Ingested) {
        self.n_posts += 1;
        self.n_applied += u64::from(ingested.applied);
        self.n_repeated += u64::from(ingested.repeated);
        self.n_early += u64::from(ingested.early);
        self.n_unrouted += u64::from(ingested.unrouted);
        self.n_undecodable += u64::from(ingested.undecodable);
    }
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
            Only::Undecodable => Some(PartState::Undecodable),
            Only::Unrouted => Some(PartState::Unrouted),
            Only::All => None,
        };
        let done = redrive(deps, since, with).await?;
        // Lists of templates that are read because their words have changed.
        deps.tasks.close();
        deps.tasks.wait().await;
        if self.json {
            say_json(&json!({
                "since": since.to_string(),
                "posts": done.n_posts,
                "applied": done.n_applied,
                "repeated": done.n_repeated,
                "early": done.n_early,
                "unrouted": done.n_unrouted,
                "undecodable": done.n_undecodable,
            }))?;
        } else {
            say(&format!(
                "{} posts since {since}: {} parts applied, {} known before, {} statuses of messages that are not \
                 known, {} of nobody here, {} not understood",
                done.n_posts,
                done.n_applied,
                done.n_repeated,
                done.n_early,
                done.n_unrouted,
                done.n_undecodable
            ))?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

async fn redrive(deps: &Arc<Deps>, since: Timestamp, with: Option<PartState>) -> anyhow::Result<Done> {
    let mut done = Done::default();
    let mut after = 0;
    // What comes meanwhile is taken by who receives it.
    let started_at = deps.now();
    loop {
        let page = ingest::kept(deps, &KeptPosts { since, with, after, limit: PAGE }).await;
        let page = page.context("reading what Meta posted")?;
        let Some(last) = page.last() else { return Ok(done) };
        after = last.again.seq;
        for post in page {
            if post.again.heard_at > started_at {
                return Ok(done);
            }
            let begun = deps.now();
            done.add(once_more(deps, post).await?);
            let took = deps.now().duration_since(begun).clamp(MIN_REST, MAX_REST);
            let until = deps.now().saturating_add(took).unwrap_or(Timestamp::MAX);
            deps.clock.sleep_until(until).await;
        }
    }
}

async fn once_more(deps: &Arc<Deps>, post: KeptPost) -> anyhow::Result<Ingested> {
    let verified = webhook::signers(deps, post.proof.signature.as_deref(), &post.body);
    let parts = webhook::parts(&post.body).context("reading a post that was JSON when it came")?;
    ingest::again(deps, post, parts, &verified).await.context("taking a post once more")
}
