//! Trace spans: durations of the parts of a request, for the export with OpenTelemetry.
//!
//! The spans are `tracing` spans with the target [`SPANS`]. Without an exporter they are disabled.
//!
//! **Invariant:** a span has no data of callers and customers: no body, number, name, secret or address. A span has
//! identifiers of the gateway, names from closed lists, and numbers.

/// Target of every span. It distinguishes spans from log events.
pub const SPANS: &str = "waypost::spans";
