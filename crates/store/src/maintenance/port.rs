//! The port of the store's upkeep, each method one transaction.

use async_trait::async_trait;
use engine::ports::{ExpiredRows, Maintenance, RetentionCursor, RetentionTarget, StoreError};
use jiff::Timestamp;

use crate::maintenance::{quarantine, retention};
use crate::sqlite::SqliteStore;

#[async_trait]
impl Maintenance for SqliteStore {
    async fn list_expired_rows(
        &self,
        what: RetentionTarget,
        before: Timestamp,
        after: RetentionCursor,
        limit: u32,
    ) -> Result<ExpiredRows, StoreError> {
        self.read("looking for what is overdue", move |connection| {
            retention::list_expired(connection, what, before, after, limit)
        })
        .await
    }

    async fn delete_expired_rows(
        &self,
        what: RetentionTarget,
        before: Timestamp,
        rows: Vec<i64>,
    ) -> Result<u32, StoreError> {
        self.write("deleting what is overdue", move |tx| retention::delete_expired(tx, what, before, &rows))
            .await
    }

    async fn get_restored_backup_time(&self) -> Result<Option<Timestamp>, StoreError> {
        self.read("asking whether this is a copy", quarantine::get_backup_marker).await
    }

    async fn quarantine_messages(&self, now: Timestamp, limit: u32) -> Result<u32, StoreError> {
        self.write("holding the messages of a copy", move |tx| {
            quarantine::quarantine_messages(tx, now, limit)
        })
        .await
    }
}
