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
mod row;
mod seal;
mod sqlite;
mod templates;
mod webhooks_in;
mod webhooks_out;

pub use crate::maintenance::{integrity_check, reencrypt};
pub use seal::{SealError, Sealer};
pub use sqlite::{
    Copied, CopyError, Inspection, MigrationState, OpenError, Restored, Restoring, Rotation, SealCount,
    SqliteStore, backup, migrate, migration_state, restore,
};
