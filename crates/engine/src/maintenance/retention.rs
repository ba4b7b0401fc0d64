//! Retention: deletes rows whose retention period is over, unless they are still needed.
//!
//! **Invariant:** a step reads a bounded number of rows without locks, and deletes the expired rows in a transaction of
//! their own. Sends do not wait for retention.

use domain::id::WorkspaceId;
use jiff::{SignedDuration, Timestamp};

use crate::Deps;
use crate::ports::{RetentionCursor, RetentionTarget, StoreError};

/// Interval at which expired rows are deleted. The first run is at the start of the process.
pub const RETENTION_INTERVAL: SignedDuration = SignedDuration::from_hours(6);
/// Maximum number of rows that a step reads.
const STEP: u32 = 200;
/// Minimum retention period of the rows that detect duplicate webhooks. Meta repeats a webhook for up to seven days.
const MIN_DEDUPLICATION_PERIOD: SignedDuration = SignedDuration::from_hours(8 * 24);
/// Minimum retention period of events. Attempts to deliver an event take up to 42 hours.
const MIN_EVENT_PERIOD: SignedDuration = SignedDuration::from_hours(3 * 24);

/// Deletes all expired rows. Returns the number of deleted rows.
///
/// # Errors
/// The store cannot be read or written. The next call starts from the beginning.
pub async fn delete_expired(deps: &Deps) -> Result<u64, StoreError> {
    let settings = deps.settings.retention;
    let events = at_least(settings.events, MIN_EVENT_PERIOD);
    let messages = at_least(settings.messages, MIN_DEDUPLICATION_PERIOD);
    let payloads = at_least(settings.payloads, MIN_DEDUPLICATION_PERIOD);
    let mut n_deleted = 0;
    let workspaces: Vec<WorkspaceId> = deps.directory.current().workspaces.keys().copied().collect();
    for workspace in workspaces {
        // Deliveries refer to events, therefore they are deleted first.
        n_deleted += delete_target(deps, RetentionTarget::Deliveries(workspace), settings.deliveries).await?;
        n_deleted += delete_target(deps, RetentionTarget::Events(workspace), events).await?;
        n_deleted += delete_target(deps, RetentionTarget::Messages(workspace), messages).await?;
        n_deleted += delete_target(deps, RetentionTarget::Audit(workspace), settings.audit).await?;
    }
    // Pending statuses and changes refer to payloads, therefore they are deleted first.
    for target in
        [RetentionTarget::PendingStatuses, RetentionTarget::WebhookChanges, RetentionTarget::WebhookPayloads]
    {
        n_deleted += delete_target(deps, target, payloads).await?;
    }
    if n_deleted > 0 {
        tracing::info!(n_rows = n_deleted, "deleted rows whose retention period is over");
    }
    Ok(n_deleted)
}

fn at_least(period: Option<SignedDuration>, minimum: SignedDuration) -> Option<SignedDuration> {
    period.map(|period| period.max(minimum))
}

/// Deletes the expired rows of a target. Returns the number of deleted rows.
async fn delete_target(
    deps: &Deps,
    target: RetentionTarget,
    period: Option<SignedDuration>,
) -> Result<u64, StoreError> {
    let Some(period) = period else { return Ok(0) };
    let before = deps.now().saturating_sub(period).unwrap_or(Timestamp::MIN);
    let (mut n_deleted, mut cursor) = (0, RetentionCursor::default());
    // All rows may take hours, therefore the loop ends when the process stops.
    while !deps.stopping.is_cancelled() {
        let expired = deps.maintenance.list_expired_rows(target, before, cursor, STEP).await?;
        if !expired.rows.is_empty() {
            let n = deps.maintenance.delete_expired_rows(target, before, expired.rows).await?;
            n_deleted += u64::from(n);
        }
        match expired.next {
            Some(next) => cursor = next,
            None => break,
        }
    }
    Ok(n_deleted)
}
