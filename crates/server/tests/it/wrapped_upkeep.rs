//! The port of the store's upkeep behind a guard.

use async_trait::async_trait;
use engine::ports::{Overdue, StoreError, SweepPlace, Swept, Upkeep};
use jiff::Timestamp;

use crate::wrapped::Guarded;

#[async_trait]
impl Upkeep for Guarded<dyn Upkeep> {
    async fn overdue(
        &self,
        what: Swept,
        before: Timestamp,
        after: SweepPlace,
        limit: u32,
    ) -> Result<Overdue, StoreError> {
        self.ask("overdue", self.port.overdue(what, before, after, limit)).await
    }

    async fn discard(&self, what: Swept, before: Timestamp, rows: Vec<i64>) -> Result<u32, StoreError> {
        self.ask("discard", self.port.discard(what, before, rows)).await
    }

    async fn restored_from(&self) -> Result<Option<Timestamp>, StoreError> {
        self.ask("restored_from", self.port.restored_from()).await
    }

    async fn hold_restored(&self, now: Timestamp, limit: u32) -> Result<u32, StoreError> {
        self.ask("hold_restored", self.port.hold_restored(now, limit)).await
    }
}
