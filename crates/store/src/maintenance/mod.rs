//! Maintenance: retention, erasure, backup, re-encryption, workers.

mod backup;
mod erasure;
mod integrity_check;
mod port;
mod quarantine;
mod redact;
mod reencrypt;
mod retention;
mod stats;
mod workers;
