//! Webhook endpoint for Meta, and the redrive of stored payloads.

pub(crate) mod endpoint;
mod redrive;

pub use redrive::{RedriveSummary, redrive};
