//! Maintenance of the store: retention, and recovery from a backup.

pub mod restore;
pub mod retention;
pub mod settings;
