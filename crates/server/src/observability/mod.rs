//! Logs, metrics and traces.

pub(crate) mod access_log;
pub(crate) mod logging;
pub mod metrics;
pub(crate) mod refusal_log;
pub mod traces;
