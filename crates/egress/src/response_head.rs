//! The stored part of an endpoint's response.

use engine::ports::{MAX_KEPT_BYTES, WebhookOutcome};
use http::header::RETRY_AFTER;
use http::{HeaderMap, StatusCode};
use jiff::{SignedDuration, Timestamp};

/// Response as far as it has been received.
#[derive(Debug)]
pub(crate) struct PartialResponse {
    status: StatusCode,
    retry_after: Option<SignedDuration>,
    stored: Vec<u8>,
}

impl PartialResponse {
    /// Creates a response from its head, received `now`.
    pub(crate) fn head(status: StatusCode, headers: &HeaderMap, now: Timestamp) -> Self {
        Self { status, retry_after: retry_after(headers, now), stored: Vec::new() }
    }

    /// Adds body bytes, up to the number that is stored.
    pub(crate) fn store_body(&mut self, bytes: &[u8]) {
        let space = MAX_KEPT_BYTES.saturating_sub(self.stored.len());
        self.stored.extend_from_slice(bytes.get(..space).unwrap_or(bytes));
    }

    /// Returns the result of the call.
    pub(crate) fn outcome(self) -> WebhookOutcome {
        WebhookOutcome::Responded {
            status: self.status.as_u16(),
            body: text(&self.stored),
            retry_after: self.retry_after,
        }
    }
}

/// Converts bytes to text that a database can store: without NUL, and no longer than the maximum.
fn text(bytes: &[u8]) -> String {
    let mut text = String::from_utf8_lossy(bytes).replace('\0', "\u{fffd}");
    let is_cut = bytes.len() >= MAX_KEPT_BYTES
        && bytes.utf8_chunks().last().is_some_and(|chunk| is_open(chunk.invalid()));
    if is_cut {
        // The rest of this character was not stored.
        text.pop();
    }
    text.truncate(text.floor_char_boundary(MAX_KEPT_BYTES));
    text
}

/// `true` if the bytes are the beginning of a character.
fn is_open(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_err_and(|error| error.error_len().is_none())
}

/// Returns the wait that the response asks for.
fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<SignedDuration> {
    domain::retry_after::parse(headers.get(RETRY_AFTER)?.to_str().ok()?, Some(now))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_character_that_the_limit_truncates_is_removed() {
        let mut bytes = vec![b'x'; MAX_KEPT_BYTES - 1];
        bytes.push(0xc3);
        assert_eq!(text(&bytes), "x".repeat(MAX_KEPT_BYTES - 1));
    }

    #[test]
    fn invalid_text_is_replaced_within_the_limit() {
        assert_eq!(text(b"a\0b\xffc"), "a\u{fffd}b\u{fffd}c");
        let cleaned = text(&[0xff; MAX_KEPT_BYTES]);
        assert!(cleaned.len() <= MAX_KEPT_BYTES && cleaned.starts_with('\u{fffd}'), "{}", cleaned.len());
        assert_eq!(text("grün".as_bytes()), "grün");
    }
}
