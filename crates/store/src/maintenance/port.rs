//! The port of the store's upkeep, each method one transaction.

use async_trait::async_trait;
use engine::ports::{Overdue, StoreError, SweepPlace, Swept, Upkeep};
use jiff::Timestamp;

use crate::maintenance::{quarantine, retention};
use crate::sqlite::SqliteStore;

#[async_trait]
impl Upkeep for SqliteStore {
    async fn overdue(
        &self,
        what: Swept,
        before: Timestamp,
        after: SweepPlace,
        limit: u32,
    ) -> Result<Overdue, StoreError> {
        self.read("looking for what is overdue", move |connection| {
            retention::list_expired(connection, what, before, after, limit)
        })
        .await
    }

    async fn discard(&self, what: Swept, before: Timestamp, rows: Vec<i64>) -> Result<u32, StoreError> {
        self.write("deleting what is overdue", move |tx| retention::delete_expired(tx, what, before, &rows))
            .await
    }

    async fn restored_from(&self) -> Result<Option<Timestamp>, StoreError> {
        self.read("asking whether this is a copy", quarantine::get_backup_marker).await
    }

    async fn hold_restored(&self, now: Timestamp, limit: u32) -> Result<u32, StoreError> {
        self.write("holding the messages of a copy", move |tx| {
            quarantine::quarantine_messages(tx, now, limit)
        })
        .await
    }
}
