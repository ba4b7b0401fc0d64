//! Logs, metrics and traces.

pub(crate) mod logging;
pub mod metrics;
pub mod traces;
