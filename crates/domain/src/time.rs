//! Arithmetic with times that does not overflow.

use jiff::{SignedDuration, Timestamp};

/// Returns the time `span` after `at`, or the latest time there is.
#[must_use]
pub fn later(at: Timestamp, span: SignedDuration) -> Timestamp {
    at.saturating_add(span).unwrap_or(Timestamp::MAX)
}

/// Returns the time `span` before `at`, or the earliest time there is.
#[must_use]
pub fn earlier(at: Timestamp, span: SignedDuration) -> Timestamp {
    at.saturating_sub(span).unwrap_or(Timestamp::MIN)
}
