//! The event log.

mod event_payloads;
mod log;
