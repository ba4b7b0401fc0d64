//! Webhooks that Meta sends: routing, storage, redrive.

pub mod ingest;
pub mod redrive;
