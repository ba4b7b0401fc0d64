//! What is old goes: bit by bit, and only what nobody needs any more.
//!
//! **Invariant:** a step looks at a bounded number of rows without locking anything, and deletes those that are found in
//! a transaction of their own, so that a send never waits for a sweep.

use domain::id::WorkspaceId;
use jiff::{SignedDuration, Timestamp};

use crate::Deps;
use crate::ports::{RetentionCursor, RetentionTarget, StoreError};

/// How often all is looked through. A process that starts begins anew.
pub const SWEEP_EVERY: SignedDuration = SignedDuration::from_hours(6);
/// How many rows a step looks at.
const STEP: u32 = 200;
/// Meta repeats a webhook for seven days. What tells a repetition from news is kept for longer, whatever is set.
const REPEATED_FOR: SignedDuration = SignedDuration::from_hours(8 * 24);
/// An event may be on its way to an endpoint for 42 hours. It is kept for longer, whatever is set.
const ON_ITS_WAY_FOR: SignedDuration = SignedDuration::from_hours(3 * 24);

/// For how long things are kept; `None` is for ever.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RetentionSettings {
    /// Messages, from the last that was heard of them.
    pub messages: Option<SignedDuration>,
    /// What Meta posted, beyond what a message shows.
    pub payloads: Option<SignedDuration>,
    /// Events.
    pub events: Option<SignedDuration>,
    /// Deliveries of events to endpoints.
    pub deliveries: Option<SignedDuration>,
    /// The audit log.
    pub audit: Option<SignedDuration>,
}

/// Looks through everything once. Returns how many rows are gone.
///
/// # Errors
/// When the store cannot be read or written; the next round begins anew.
pub async fn sweep(deps: &Deps) -> Result<u64, StoreError> {
    let settings = deps.settings.retention;
    let mut n_gone = 0;
    let workspaces: Vec<WorkspaceId> = deps.directory.current().workspaces.keys().copied().collect();
    for workspace in workspaces {
        // Deliveries before the events that they are about.
        n_gone += all_of(deps, RetentionTarget::Deliveries(workspace), settings.deliveries).await?;
        n_gone += all_of(deps, RetentionTarget::Events(workspace), at_least(settings.events, ON_ITS_WAY_FOR))
            .await?;
        n_gone +=
            all_of(deps, RetentionTarget::Messages(workspace), at_least(settings.messages, REPEATED_FOR))
                .await?;
        n_gone += all_of(deps, RetentionTarget::Audit(workspace), settings.audit).await?;
    }
    // What pointed into a post goes before the post.
    let payloads = at_least(settings.payloads, REPEATED_FOR);
    for what in
        [RetentionTarget::PendingStatuses, RetentionTarget::WebhookChanges, RetentionTarget::WebhookPayloads]
    {
        n_gone += all_of(deps, what, payloads).await?;
    }
    if n_gone > 0 {
        tracing::info!(n_rows = n_gone, "what was kept long enough is deleted");
    }
    Ok(n_gone)
}

fn at_least(keep_for: Option<SignedDuration>, least: SignedDuration) -> Option<SignedDuration> {
    keep_for.map(|keep_for| keep_for.max(least))
}

async fn all_of(
    deps: &Deps,
    what: RetentionTarget,
    keep_for: Option<SignedDuration>,
) -> Result<u64, StoreError> {
    let Some(keep_for) = keep_for else { return Ok(0) };
    let before = deps.now().saturating_sub(keep_for).unwrap_or(Timestamp::MIN);
    let (mut n_gone, mut place) = (0, RetentionCursor::default());
    // A process that is to stop does not finish a sweep of hours first.
    while !deps.stopping.is_cancelled() {
        let overdue = deps.maintenance.list_expired_rows(what, before, place, STEP).await?;
        if !overdue.rows.is_empty() {
            n_gone += u64::from(deps.maintenance.delete_expired_rows(what, before, overdue.rows).await?);
        }
        match overdue.next {
            Some(next) => place = next,
            None => break,
        }
    }
    Ok(n_gone)
}

/// How many messages of a restored copy are settled in one transaction.
const RESTORE_BATCH: u32 = 200;

/// Looks at a store that was restored from a copy, before anything leaves from it: what may have left since the copy was
/// made is `unknown`. Returns how many messages that are.
///
/// # Errors
/// When the store cannot be read or written; nothing may leave then.
pub async fn settle_restored(deps: &Deps) -> Result<u32, StoreError> {
    let Some(made_at) = deps.maintenance.get_restored_backup_time().await? else { return Ok(0) };
    let mut n_held = 0;
    loop {
        match deps.maintenance.quarantine_messages(deps.now(), RESTORE_BATCH).await? {
            0 => break,
            n => n_held += n,
        }
    }
    tracing::warn!(
        copied_at = %made_at,
        n_messages = n_held,
        "this database is a copy: messages that may have left since it was made are `unknown`, and are not sent again"
    );
    Ok(n_held)
}
