//! Spans: what took how long, for who wants to follow one request through its parts.
//!
//! They are made with `tracing` and exist only where somebody exports them: else they cost a look at a flag.
//!
//! **Invariant:** nothing of what callers and customers write is in a span: no body, number, name, secret or address.
//! Ids of ours, words of closed lists and numbers are.

/// The target of every span, by which they are told from log lines.
pub const SPANS: &str = "waypost::spans";
