//! What Meta posted, taken once more with what this program understands.
//!
//! **Invariant:** one post is one short transaction, and after each the writer's lock is left alone for as long: a
//! gateway that is running on the same file does not wait longer than for one post.

use std::sync::Arc;

use anyhow::Context as _;
use engine::Deps;
use engine::ports::{ArchiveQuery, ArchivedPayload, IngestSummary, UnappliedState};
use engine::webhooks_in::redrive;
use jiff::{SignedDuration, Timestamp};

use crate::meta_webhook::endpoint;

/// How many posts are read at once: each may be some megabytes.
const PAGE: u32 = 8;
/// How long the rest between two posts may be.
const MAX_REST: SignedDuration = SignedDuration::from_millis(250);
const MIN_REST: SignedDuration = SignedDuration::from_millis(1);

/// What was done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Redriven {
    /// Posts that were taken once more.
    pub posts: u64,
    /// Parts that changed something.
    pub applied: u64,
    /// Parts that were applied before.
    pub repeated: u64,
    /// Statuses of messages that are not known.
    pub early: u64,
    /// Parts of nobody here.
    pub unrouted: u64,
    /// Parts that are not understood.
    pub undecodable: u64,
}

impl Redriven {
    fn add(&mut self, ingested: IngestSummary) {
        self.posts += 1;
        self.applied += u64::from(ingested.applied);
        self.repeated += u64::from(ingested.duplicates);
        self.early += u64::from(ingested.pending_statuses);
        self.unrouted += u64::from(ingested.unrouted);
        self.undecodable += u64::from(ingested.undecodable);
    }
}

/// Takes the posts once more that came since a time: those with a part in this state, or all.
///
/// # Errors
/// When the store cannot be read or written; what was done until then is done.
pub async fn redrive(
    deps: &Arc<Deps>,
    since: Timestamp,
    state: Option<UnappliedState>,
) -> anyhow::Result<Redriven> {
    let mut done = Redriven::default();
    let mut after = 0;
    // What comes meanwhile is taken by who receives it.
    let started_at = deps.now();
    loop {
        let page =
            redrive::list_archived_payloads(deps, &ArchiveQuery { since, state, after, limit: PAGE }).await;
        let page = page.context("reading what Meta posted")?;
        let Some(last) = page.last() else { return Ok(done) };
        after = last.entry.seq;
        for post in page {
            if post.entry.received_at > started_at {
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

async fn once_more(deps: &Arc<Deps>, post: ArchivedPayload) -> anyhow::Result<IngestSummary> {
    let verified = endpoint::signers_of(deps, post.signature.header.as_deref(), &post.body);
    let changes = graph::decode_webhook(&post.body).context("reading a post that was JSON when it came")?;
    redrive::redrive_payload(deps, post, changes, &verified).await.context("taking a post once more")
}
