//! The event log.

pub(crate) mod event_payloads;
pub(crate) mod log;
