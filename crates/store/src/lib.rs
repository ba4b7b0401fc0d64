//! Where everything is kept.
//!
//! SQLite behind the storage ports of the engine. One writer thread owns the one connection that writes; a change is a
//! closure that cannot await, so the network is never awaited while the write lock is held.
//!
//! **Invariant:** a call that answered `Ok` is on disk: WAL with `synchronous=FULL`, the answer goes out after the commit.
//!
//! **Invariant:** no SQL computes the time, and every statement on a tenant's rows names the workspace.

mod access;
mod accounts;
mod contacts;
mod error;
mod events;
mod maintenance;
mod media;
mod messages;
mod payloads;
mod revisions;
mod row;
mod seal;
mod sqlite;
#[cfg(test)]
mod statement_plans;
mod templates;
mod update_watermarks;
mod webhooks_in;
mod webhooks_out;

pub use maintenance::backup::{Copied, CopyError, Restored, Restoring, backup, restore};
pub use maintenance::integrity_check::{InspectError, Inspection, inspect};
pub use maintenance::reencrypt::{Rotation, SealCount, reseal};
pub use seal::{SealError, Sealer};
pub use sqlite::{MigrateError, MigrationState, OpenError, SqliteStore, migrate, migration_state};
