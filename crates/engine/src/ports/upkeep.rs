//! What keeps a store in order over the years: what is old goes, and a copy that took the place of its original is
//! looked at before anything leaves from it.

use async_trait::async_trait;
use domain::id::WorkspaceId;
use jiff::Timestamp;

use super::StoreError;

/// What is swept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetentionTarget {
    /// Messages that have reached their end, with their timelines and Meta's ids of them.
    Messages(WorkspaceId),
    /// Events that were handed out.
    Events(WorkspaceId),
    /// Deliveries that are over.
    Deliveries(WorkspaceId),
    /// Entries of the audit log.
    Audit(WorkspaceId),
    /// Reports of messages that nobody knows.
    PendingStatuses,
    /// Parts of what Meta posted that belong to no message.
    WebhookChanges,
    /// What Meta posted, as far as nothing points into it.
    WebhookPayloads,
}

/// Where a sweep stands in what it looks through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RetentionCursor(pub i64);

/// Rows that are to go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExpiredRows {
    /// Their positions.
    pub rows: Vec<i64>,
    /// Where to look on; `None`: all was looked through.
    pub next: Option<RetentionCursor>,
}

/// Upkeep of the store, in steps that keep nobody waiting.
#[async_trait]
pub trait Maintenance: Send + Sync {
    /// Looks at no more than `limit` rows after a place for those that are older than `before` and needed no more.
    /// Nothing is locked for it.
    async fn list_expired_rows(
        &self,
        what: RetentionTarget,
        before: Timestamp,
        after: RetentionCursor,
        limit: u32,
    ) -> Result<ExpiredRows, StoreError>;

    /// Deletes rows that are overdue, each unless it is needed by now. Returns how many are gone.
    async fn delete_expired_rows(
        &self,
        what: RetentionTarget,
        before: Timestamp,
        rows: Vec<i64>,
    ) -> Result<u32, StoreError>;

    /// When the copy was made from which this store was restored, as long as not all its messages were looked at.
    async fn get_restored_backup_time(&self) -> Result<Option<Timestamp>, StoreError>;

    /// Makes at most `limit` messages of a restored copy `unknown` that may have left since it was made: those that were
    /// being sent, and those of the queue that are due. Returns how many there were; at 0 all were looked at, and
    /// [`Maintenance::restored_from`] is `None` from then on.
    async fn quarantine_messages(&self, now: Timestamp, limit: u32) -> Result<u32, StoreError>;
}
