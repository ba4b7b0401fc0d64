//! Updates in Meta's webhooks.

pub mod update;
