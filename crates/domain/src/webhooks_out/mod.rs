//! Webhooks to the application: delivery schedule and headers.

pub mod delivery;
pub mod failure_reason;
pub mod header;
