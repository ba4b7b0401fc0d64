//! Workers, retention, recovery from a backup, and statistics of the store.

use super::message_records::RecentSend;
use super::port_macro::port;
use super::storage::StoreError;
use domain::access::audit::AuditEntry;
use domain::id::AccountId;
use domain::id::WorkerId;
use domain::id::{ContactId, WorkspaceId};
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;

/// Time without a heartbeat after which a worker is dead.
pub const WORKER_TIMEOUT: SignedDuration = SignedDuration::from_secs(10);

port! {
    storage workers_port;

    /// Processes that share the store, and the state of the store.
    pub trait Workers {
        /// Stores the heartbeat of a worker.
        async fn record_heartbeat(&self, worker: WorkerId, now: Timestamp) -> Result<(), StoreError>;

        /// Deletes a worker that ends. Its leases can be recovered at once.
        async fn deregister_worker(&self, worker: WorkerId) -> Result<(), StoreError>;

        /// Finishes at most `limit` messages of dead workers, whose last heartbeat was before `dead_before`: the status
        /// `sending` becomes `unknown`, and a synchronous message that was not sent yet becomes `failed` (`interrupted`).
        /// Returns the number of finished messages.
        async fn recover_messages(
            &self,
            dead_before: Timestamp,
            now: Timestamp,
            limit: u32,
        ) -> Result<u32, StoreError>;

        /// Returns the statistics of the store.
        async fn get_stats(&self, now: Timestamp) -> Result<StoreStats, StoreError>;

        /// Checks that the store accepts writes.
        async fn check_writable(&self, now: Timestamp) -> Result<(), StoreError>;

        /// Returns the messages that were sent since a time, at most the last few thousand.
        async fn list_recent_sends(&self, since: Timestamp) -> Result<Vec<RecentSend>, StoreError>;
    }
}

port! {
    storage erasures_port;

    /// Erasure of contacts.
    pub trait Erasures {
        /// Begins the erasure of a contact of the audit entry's workspace. The contact is deleted at once, and its queued
        /// messages are canceled. Returns `false` if the contact does not exist.
        async fn begin_erasure(&self, contact: ContactId, audit_entry: AuditEntry) -> Result<bool, StoreError>;

        /// Runs a step of the oldest erasure, which reads at most `limit` rows.
        async fn run_erasure_step(&self, limit: u32, now: Timestamp) -> Result<ErasureStep, StoreError>;

        /// Removes erased data from the files of the database, and finishes the erasures whose rows are done. Returns
        /// `false` if a reader prevents this; the caller tries again later.
        async fn finish_erasures(&self) -> Result<bool, StoreError>;
    }
}

port! {
    storage maintenance_port;

    /// Retention, and the recovery from a backup, in steps that do not block other work for long.
    pub trait Maintenance {
        /// Reads at most `limit` rows after the cursor, and returns those that are older than `before` and no longer needed.
        /// Locks nothing.
        async fn list_expired_rows(
            &self,
            target: RetentionTarget,
            before: Timestamp,
            after: RetentionCursor,
            limit: u32,
        ) -> Result<ExpiredRows, StoreError>;

        /// Deletes expired rows, except rows that are needed again in the meantime. Returns the number of deleted rows.
        async fn delete_expired_rows(
            &self,
            target: RetentionTarget,
            before: Timestamp,
            rows: Vec<i64>,
        ) -> Result<u32, StoreError>;

        /// Returns the time of the backup from which this store was restored, until all its messages are quarantined.
        async fn get_restored_backup_time(&self) -> Result<Option<Timestamp>, StoreError>;

        /// Gives the status `unknown` to at most `limit` messages that may have been sent after the backup: messages with the
        /// status `sending`, and due messages of the queue. Returns the number of messages. After a call that returns 0,
        /// `get_restored_backup_time` returns `None`.
        async fn quarantine_messages(&self, now: Timestamp, limit: u32) -> Result<u32, StoreError>;
    }
}

/// Rows to which a retention period applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetentionTarget {
    /// Messages with a final status, with their timelines and wamids.
    Messages(WorkspaceId),
    /// Events that were fanned out to the webhook endpoints.
    Events(WorkspaceId),
    /// Finished deliveries.
    Deliveries(WorkspaceId),
    /// Entries of the audit log.
    Audit(WorkspaceId),
    /// Statuses of unknown messages.
    PendingStatuses,
    /// Archived webhook changes that belong to no message.
    WebhookChanges,
    /// Archived webhook payloads that no other row refers to.
    WebhookPayloads,
}

/// Position of the last row that was read; 0 at the beginning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RetentionCursor(pub i64);

/// Expired rows among the rows that were read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExpiredRows {
    /// Positions of the expired rows.
    pub rows: Vec<i64>,
    /// Cursor of the next call; `None` if all rows were read.
    pub next: Option<RetentionCursor>,
}

/// Statistics of the store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoreStats {
    /// Message queues that are not empty.
    pub queues: BTreeMap<AccountId, QueueStats>,
    /// Number of messages with the status `unknown`.
    pub unknown: BTreeMap<AccountId, u32>,
    /// Number of recipients of templates outside the customer service window in the last 24 hours, by Meta's id of the
    /// WhatsApp Business Account.
    pub messaging_limit_usage: BTreeMap<(WorkspaceId, String), u32>,
    /// Number of deliveries that wait for their first or next attempt.
    pub deliveries_waiting: BTreeMap<WorkspaceId, u32>,
    /// Size of the database file, in bytes.
    pub database_bytes: u64,
    /// Size of the write-ahead log, in bytes.
    pub wal_bytes: u64,
}

/// Statistics of the message queue of an account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueueStats {
    /// Number of queued messages.
    pub n_messages: u32,
    /// Number of queued messages that are deferred because of the messaging limit.
    pub n_deferred: u32,
    /// Time at which the oldest due message became due.
    pub due_since: Option<Timestamp>,
}

/// Result of a step of an erasure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErasureStep {
    /// No erasure is in progress.
    Idle,
    /// More rows are to be read.
    RowsRemain,
    /// All rows are done; [`Erasures::finish_erasures`] comes next.
    FilesRemain,
}
