//! SQLite: one writer thread with group commit, and a few read-only connections.

pub(crate) mod connection;
pub(crate) mod execute;
pub(crate) mod migrate;
pub(crate) mod page;
pub(crate) mod port_macro;
pub(crate) mod readers;
pub(crate) mod step_counts;
pub(crate) mod store;
pub(crate) mod writer;

pub use migrate::{MigrateError, MigrationState, OpenError, migrate, migration_state};
pub use store::SqliteStore;
