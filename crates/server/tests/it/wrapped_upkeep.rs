//! The port of the store's upkeep behind a guard.

use async_trait::async_trait;
use engine::ports::{ExpiredRows, Maintenance, RetentionCursor, RetentionTarget, StoreError};
use jiff::Timestamp;

use crate::wrapped::Guarded;

#[async_trait]
impl Maintenance for Guarded<dyn Maintenance> {
    async fn list_expired_rows(
        &self,
        what: RetentionTarget,
        before: Timestamp,
        after: RetentionCursor,
        limit: u32,
    ) -> Result<ExpiredRows, StoreError> {
        self.ask("list_expired_rows", self.port.list_expired_rows(what, before, after, limit)).await
    }

    async fn delete_expired_rows(
        &self,
        what: RetentionTarget,
        before: Timestamp,
        rows: Vec<i64>,
    ) -> Result<u32, StoreError> {
        self.ask("delete_expired_rows", self.port.delete_expired_rows(what, before, rows)).await
    }

    async fn get_restored_backup_time(&self) -> Result<Option<Timestamp>, StoreError> {
        self.ask("get_restored_backup_time", self.port.get_restored_backup_time()).await
    }

    async fn quarantine_messages(&self, now: Timestamp, limit: u32) -> Result<u32, StoreError> {
        self.ask("quarantine_messages", self.port.quarantine_messages(now, limit)).await
    }
}
