//! What is kept of an endpoint's answer.

use engine::ports::{MAX_KEPT_BYTES, WebhookOutcome};
use http::header::RETRY_AFTER;
use http::{HeaderMap, StatusCode};
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

/// The longest wait that an endpoint can ask for.
const MAX_WAIT: SignedDuration = SignedDuration::from_hours(30 * 24);

/// The three ways to write a date in HTTP (RFC 9110, section 5.6.7).
const DATES: [&str; 3] = ["%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y"];

/// As much of an answer as has come.
#[derive(Debug)]
pub(crate) struct Seen {
    status: StatusCode,
    retry_after: Option<SignedDuration>,
    kept: Vec<u8>,
}

impl Seen {
    /// The head of an answer that came `now`.
    pub(crate) fn head(status: StatusCode, headers: &HeaderMap, now: Timestamp) -> Self {
        Self { status, retry_after: retry_after(headers, now), kept: Vec::new() }
    }

    /// Takes more of the body, as far as it is kept.
    pub(crate) fn keep(&mut self, bytes: &[u8]) {
        let space = MAX_KEPT_BYTES.saturating_sub(self.kept.len());
        self.kept.extend_from_slice(bytes.get(..space).unwrap_or(bytes));
    }

    /// What the post has come to.
    pub(crate) fn outcome(self) -> WebhookOutcome {
        WebhookOutcome::Responded {
            status: self.status.as_u16(),
            body: text(&self.kept),
            retry_after: self.retry_after,
        }
    }
}

/// The bytes as text that a database keeps: without NUL, and no longer than they were allowed to be.
fn text(bytes: &[u8]) -> String {
    let mut text = String::from_utf8_lossy(bytes).replace('\0', "\u{fffd}");
    let is_cut = bytes.len() >= MAX_KEPT_BYTES
        && bytes.utf8_chunks().last().is_some_and(|chunk| is_open(chunk.invalid()));
    if is_cut {
        // The rest of this letter was not kept.
        text.pop();
    }
    text.truncate(text.floor_char_boundary(MAX_KEPT_BYTES));
    text
}

/// Whether these bytes are the beginning of a letter.
fn is_open(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_err_and(|error| error.error_len().is_none())
}

/// How long the endpoint asks to be left alone.
fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<SignedDuration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        // More digits than fit are a long time.
        value.parse().map_or(MAX_WAIT, SignedDuration::from_secs)
    } else {
        let date = DATES.iter().find_map(|form| DateTime::strptime(form, value).ok())?;
        date.to_zoned(TimeZone::UTC).ok()?.timestamp().duration_since(now)
    };
    Some(wait.clamp(SignedDuration::ZERO, MAX_WAIT))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn wait(value: &'static str) -> Option<i64> {
        let now = "1994-11-06T08:48:37.5Z".parse().expect("a time");
        let headers = HeaderMap::from_iter([(RETRY_AFTER, HeaderValue::from_static(value))]);
        retry_after(&headers, now).map(|wait| i64::try_from(wait.as_millis()).expect("a number"))
    }

    #[test]
    fn a_wait_is_a_number_of_seconds() {
        assert_eq!(wait("0"), Some(0));
        assert_eq!(wait("120"), Some(120_000));
        assert_eq!(wait(" 7 "), Some(7_000));
    }

    #[test]
    fn a_wait_is_a_date_in_each_of_three_forms() {
        assert_eq!(wait("Sun, 06 Nov 1994 08:49:37 GMT"), Some(59_500));
        assert_eq!(wait("Sunday, 06-Nov-94 08:49:37 GMT"), Some(59_500));
        assert_eq!(wait("Sun Nov  6 08:49:37 1994"), Some(59_500));
    }

    #[test]
    fn a_date_that_has_passed_is_no_wait() {
        assert_eq!(wait("Sun, 06 Nov 1994 08:00:00 GMT"), Some(0));
    }

    #[test]
    fn a_wait_has_an_end() {
        for value in ["99999999999999999999999999", "9223372036854775807", "Wed, 06 Nov 2999 08:49:37 GMT"] {
            assert_eq!(wait(value), Some(30 * 86_400_000), "{value}");
        }
    }

    #[test]
    fn anything_else_is_no_wait() {
        for value in ["", "-1", "1.5", "soon", "Sun, 99 Nov 1994 08:49:37 GMT", "2026-01-01T00:00:00Z"] {
            assert_eq!(wait(value), None, "{value}");
        }
    }

    #[test]
    fn a_letter_that_is_cut_by_the_limit_is_left_out() {
        let mut bytes = vec![b'x'; MAX_KEPT_BYTES - 1];
        bytes.push(0xc3);
        assert_eq!(text(&bytes), "x".repeat(MAX_KEPT_BYTES - 1));
    }

    #[test]
    fn what_is_not_text_is_replaced_and_never_longer_than_the_limit() {
        assert_eq!(text(b"a\0b\xffc"), "a\u{fffd}b\u{fffd}c");
        let kept = text(&[0xff; MAX_KEPT_BYTES]);
        assert!(kept.len() <= MAX_KEPT_BYTES && kept.starts_with('\u{fffd}'), "{}", kept.len());
        assert_eq!(text("grün".as_bytes()), "grün");
    }
}
