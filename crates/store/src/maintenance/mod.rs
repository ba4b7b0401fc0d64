//! Maintenance: retention, erasure, backup, re-encryption, workers.

pub(crate) mod backup;
pub(crate) mod erasure;
pub(crate) mod integrity_check;
pub(crate) mod port;
pub(crate) mod quarantine;
pub(crate) mod reencrypt;
pub(crate) mod retention;
pub(crate) mod stats;
pub(crate) mod workers;
