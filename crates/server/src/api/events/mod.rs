//! The event log: list, long poll and stream.

pub(crate) mod kinds;
pub(crate) mod list;
pub(crate) mod query;
pub(crate) mod schemas;
pub(crate) mod stream;
