//! Redrive: processes stored webhook payloads again with the current decoder.
//!
//! **Invariant:** each payload is one short transaction, followed by a pause of the same length without the write lock. A
//! gateway that uses the same database waits at most for one payload.

use std::sync::Arc;

use anyhow::Context as _;
use engine::Deps;
use engine::ports::{ArchiveQuery, ArchivedPayload, IngestSummary, UnappliedReason};
use engine::webhooks_in::redrive;
use jiff::{SignedDuration, Timestamp};

use crate::meta_webhook::endpoint;

/// Number of payloads per page; a payload may be several megabytes.
const PAGE: u32 = 8;
/// Maximum pause between two payloads.
const MAX_PAUSE: SignedDuration = SignedDuration::from_millis(250);
/// Minimum pause between two payloads.
const MIN_PAUSE: SignedDuration = SignedDuration::from_millis(1);

/// Result of a redrive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RedriveSummary {
    /// Number of payloads that were processed.
    pub payloads: u64,
    /// Number of changes that were applied.
    pub applied: u64,
    /// Number of changes that had been applied before.
    pub duplicates: u64,
    /// Number of statuses of unknown messages.
    pub pending_statuses: u64,
    /// Number of changes of unknown accounts.
    pub unrouted: u64,
    /// Number of changes that could not be decoded.
    pub undecodable: u64,
}

impl RedriveSummary {
    fn add(&mut self, ingested: &IngestSummary) {
        self.payloads += 1;
        self.applied += u64::from(ingested.applied);
        self.duplicates += u64::from(ingested.duplicates);
        self.pending_statuses += u64::from(ingested.pending_statuses);
        self.unrouted += u64::from(ingested.unrouted);
        self.undecodable += u64::from(ingested.undecodable);
    }
}

/// Redrives the payloads that were received since a time: those with a change in this state, or all.
///
/// # Errors
/// If the store cannot be read or written. Payloads that were processed before the error stay processed.
pub async fn redrive(
    deps: &Arc<Deps>,
    since: Timestamp,
    reason: Option<UnappliedReason>,
) -> anyhow::Result<RedriveSummary> {
    let mut done = RedriveSummary::default();
    let mut after = 0;
    // Payloads that arrive during the redrive are processed when they are received.
    let started_at = deps.now();
    loop {
        let page =
            redrive::list_archived_payloads(deps, &ArchiveQuery { since, reason, after, limit: PAGE }).await;
        let page = page.context("reading stored payloads")?;
        let Some(last) = page.last() else { return Ok(done) };
        after = last.entry.seq;
        for archived in page {
            if archived.entry.received_at > started_at {
                return Ok(done);
            }
            let begun_at = deps.now();
            done.add(&redrive_payload(deps, archived).await?);
            let pause = deps.now().duration_since(begun_at).clamp(MIN_PAUSE, MAX_PAUSE);
            let until = deps.now().saturating_add(pause).unwrap_or(Timestamp::MAX);
            deps.clock.sleep_until(until).await;
        }
    }
}

async fn redrive_payload(deps: &Arc<Deps>, archived: ArchivedPayload) -> anyhow::Result<IngestSummary> {
    let verified = endpoint::signers_of(deps, archived.signature.header.as_deref(), &archived.body);
    let changes = graph::decode_webhook(&archived.body).context("decoding a stored payload")?;
    redrive::redrive_payload(deps, archived, changes, &verified).await.context("redriving a payload")
}
