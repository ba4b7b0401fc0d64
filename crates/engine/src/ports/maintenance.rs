//! Workers, retention, recovery from a backup, and statistics of the store.

use super::port_macro::port;
use super::{RecentSend, StoreError};
use domain::access::audit::AuditEntry;
use domain::id::AccountId;
use domain::id::WorkerId;
use domain::id::{ContactId, WorkspaceId};
use jiff::Timestamp;
use std::collections::BTreeMap;

port! {
    storage workers_port;

    /// Processes that share the store, and the state of the store.
    pub trait Workers {
        /// Says that a worker is alive.
        async fn record_heartbeat(&self, worker: WorkerId, now: Timestamp) -> Result<(), StoreError>;

        /// Says that a worker has ended: what it still holds is a dead one's at once.
        async fn deregister_worker(&self, worker: WorkerId) -> Result<(), StoreError>;

        /// Settles what dead workers (silent since before `silent_since`) left behind, at most `limit` messages:
        /// `sending` becomes `unknown`, a sync message that waited becomes `failed` (`interrupted`).
        /// Returns how many were settled.
        async fn recover_messages(
            &self,
            silent_since: Timestamp,
            now: Timestamp,
            limit: u32,
        ) -> Result<u32, StoreError>;

        /// How much of everything there is.
        async fn get_stats(&self, now: Timestamp) -> Result<StoreStats, StoreError>;

        /// Whether the store takes writes.
        async fn check_writable(&self, now: Timestamp) -> Result<(), StoreError>;

        /// What left for Meta since a time, as far as the last few thousand messages tell: sender, recipient (digits or user
        /// id) and about when.
        async fn list_recent_sends(&self, since: Timestamp) -> Result<Vec<RecentSend>, StoreError>;
    }
}

port! {
    storage erasures_port;

    /// Erasure of contacts.
    pub trait Erasures {
        /// Begins to erase a person of the act's workspace, who is gone from now on; what waits in the queue for them is canceled. `false`: there
        /// is no such contact.
        async fn begin_erasure(&self, contact: ContactId, audit_entry: AuditEntry) -> Result<bool, StoreError>;

        /// Takes the oldest erasure a step further, which looks at `limit` rows at most.
        async fn run_erasure_step(&self, limit: u32, now: Timestamp) -> Result<ErasureStep, StoreError>;

        /// Takes what was erased out of the store's files, and ends the erasures that have come so far. `false`: a reader is
        /// in the way; nothing is lost by trying again.
        async fn finish_erasures(&self) -> Result<bool, StoreError>;
    }
}

port! {
    storage maintenance_port;

    /// Retention, and the recovery from a backup, in steps that do not block other work for long.
    pub trait Maintenance {
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
        /// `get_restored_backup_time` is `None` from then on.
        async fn quarantine_messages(&self, now: Timestamp, limit: u32) -> Result<u32, StoreError>;
    }
}

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

/// How much of everything there is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoreStats {
    /// The queues that are not empty.
    pub queues: BTreeMap<AccountId, QueueStats>,
    /// Messages whose outcome is not known.
    pub unknown: BTreeMap<AccountId, u32>,
    /// People whom templates have reached outside their window in 24 hours, by WhatsApp Business Account.
    pub reached: BTreeMap<(WorkspaceId, String), u32>,
    /// Deliveries to endpoints that wait for their first or next attempt.
    pub deliveries_waiting: BTreeMap<WorkspaceId, u32>,
    /// Size of the database.
    pub database_bytes: u64,
    /// Size of what is not in the database proper yet.
    pub wal_bytes: u64,
}

/// One account's queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueueStats {
    /// Messages that wait.
    pub n_messages: u32,
    /// Those of them that wait for the messaging limit.
    pub n_held_back: u32,
    /// Since when the oldest message that may leave could have left.
    pub due_since: Option<Timestamp>,
}

/// How far the erasures are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErasureStep {
    /// There is nothing to erase.
    Idle,
    /// There is more to look at.
    RowsRemain,
    /// The rows are clean; the files are next.
    FilesRemain,
}
