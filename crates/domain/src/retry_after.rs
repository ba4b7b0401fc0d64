//! The `Retry-After` header (RFC 9110, section 10.2.3): a number of seconds or a date.

use jiff::{SignedDuration, Timestamp};

/// Maximum wait that is taken from a header.
pub const MAX_WAIT: SignedDuration = SignedDuration::from_hours(30 * 24);

/// Returns the wait that a `Retry-After` value asks for, received at `now`; `None` if the value is malformed, or is a date
/// and `now` is not known.
///
/// A date in the past is a wait of zero. A wait is at most [`MAX_WAIT`].
#[must_use]
pub fn parse(value: &str, now: Option<Timestamp>) -> Option<SignedDuration> {
    let value = value.trim();
    let wait = if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        // A number that does not fit is more than the maximum.
        value.parse().map_or(MAX_WAIT, SignedDuration::from_secs)
    } else {
        parse_date(value)?.duration_since(now?)
    };
    Some(wait.clamp(SignedDuration::ZERO, MAX_WAIT))
}

/// Parses a date in one of the three formats of HTTP (RFC 9110, section 5.6.7).
#[must_use]
pub fn parse_date(value: &str) -> Option<Timestamp> {
    Timestamp::try_from(httpdate::parse_http_date(value).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wait(value: &str) -> Option<i64> {
        let now: Timestamp = "1994-11-06T08:48:37.5Z".parse().unwrap();
        parse(value, Some(now)).map(|wait| i64::try_from(wait.as_millis()).unwrap())
    }

    #[test]
    fn a_number_is_a_wait_in_seconds() {
        assert_eq!(wait("0"), Some(0));
        assert_eq!(wait("120"), Some(120_000));
        assert_eq!(wait(" 7 "), Some(7_000));
    }

    #[test]
    fn a_date_is_parsed_in_three_formats() {
        assert_eq!(wait("Sun, 06 Nov 1994 08:49:37 GMT"), Some(59_500));
        assert_eq!(wait("Sunday, 06-Nov-94 08:49:37 GMT"), Some(59_500));
        assert_eq!(wait("Sun Nov  6 08:49:37 1994"), Some(59_500));
    }

    #[test]
    fn a_date_in_the_past_is_a_wait_of_zero() {
        assert_eq!(wait("Sun, 06 Nov 1994 08:00:00 GMT"), Some(0));
    }

    #[test]
    fn a_wait_has_a_maximum() {
        for value in ["99999999999999999999999999", "9223372036854775807", "Wed, 06 Nov 2999 08:49:37 GMT"] {
            assert_eq!(wait(value), Some(30 * 86_400_000), "{value}");
        }
    }

    #[test]
    fn a_malformed_value_has_no_wait() {
        for value in ["", "-1", "1.5", "soon", "Sun, 99 Nov 1994 08:49:37 GMT", "2026-01-01T00:00:00Z"] {
            assert_eq!(wait(value), None, "{value}");
        }
    }

    #[test]
    fn a_date_needs_the_time_of_the_response() {
        assert_eq!(parse("Sun, 06 Nov 1994 08:49:37 GMT", None), None);
        assert_eq!(parse("7", None), Some(SignedDuration::from_secs(7)));
    }
}
