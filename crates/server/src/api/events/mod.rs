//! The event log: list, long poll and stream.

pub(crate) mod openapi;
pub(crate) mod stream;
