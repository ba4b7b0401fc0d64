//! Arithmetic with times that does not overflow, and the text form of a time.

use jiff::{SignedDuration, Timestamp};
use serde::Serializer;

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

/// Returns the text of a time: RFC 3339 in UTC with exactly three decimals, such as `2026-05-29T10:30:00.000Z`.
///
/// **Invariant:** this is the only text form of a time that callers see: in responses, events, exports and on the command
/// line. Smaller units are cut off, not rounded: the text is never later than the time.
#[must_use]
pub fn rfc3339(at: Timestamp) -> String {
    format!("{at:.3}")
}

/// Serializes a time as the text of [`rfc3339`].
///
/// # Errors
/// The error of the serializer.
pub fn serialize_rfc3339<S: Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{at:.3}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_has_exactly_three_decimals_and_is_cut_off() {
        for (micros, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (1_767_225_600_000_000, "2026-01-01T00:00:00.000Z"),
            (1_767_225_600_500_000, "2026-01-01T00:00:00.500Z"),
            (1_767_225_600_000_999, "2026-01-01T00:00:00.000Z"),
            (1_767_225_600_999_999, "2026-01-01T00:00:00.999Z"),
        ] {
            let at = Timestamp::from_microsecond(micros).unwrap();
            assert_eq!(rfc3339(at), text);
            assert!(rfc3339(at).parse::<Timestamp>().unwrap() <= at);
        }
        assert_eq!(rfc3339(Timestamp::MAX), "9999-12-30T22:00:00.999Z");
    }
}
