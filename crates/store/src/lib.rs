//! The store: SQLite behind the storage ports of the engine.
//!
//! Each subject has a folder. `sqlite/` holds the connections, the writer thread, the migrations and the list
//! queries. One writer thread owns the only connection that writes. A write is a closure that cannot await: the write
//! lock is never held during network calls.
//!
//! **Invariant:** when a call returns `Ok`, its changes are on disk: WAL with `synchronous=FULL`, the result is
//! returned after the commit.
//!
//! **Invariant:** no SQL computes the time, and every statement on rows of a workspace names the workspace.

mod access;
mod accounts;
mod contacts;
mod cursors;
mod error;
mod events;
mod maintenance;
mod media;
mod messages;
mod payloads;
mod revisions;
mod row;
mod scope;
mod seal;
mod sqlite;
#[cfg(test)]
mod statement_plans;
mod templates;
mod update_watermarks;
mod webhooks_in;
mod webhooks_out;

pub use maintenance::backup::{
    BackupError, BackupInfo, RestoreMode, RestoreOptions, RestoreResult, backup, restore,
};
pub use maintenance::integrity_check::{IntegrityCheckError, IntegrityReport, check_integrity};
pub use maintenance::reencrypt::{ReencryptResult, SealedValueCounts, reencrypt};
pub use seal::{SealError, Sealer};
pub use sqlite::{MigrateError, MigrationState, OpenError, SqliteStore, migrate, migration_state};
