//! Maintenance: retention and recovery.

pub mod retention;
