//! What the store tells of itself and of what waits in it.

use std::collections::BTreeMap;

use domain::id::{AccountId, WorkspaceId};
use jiff::Timestamp;

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
