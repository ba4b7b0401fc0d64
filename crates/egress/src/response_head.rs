//! The stored part of an endpoint's response.

use engine::ports::{MAX_KEPT_BYTES, WebhookOutcome};
use http::header::{LOCATION, RETRY_AFTER};
use http::{HeaderMap, StatusCode};
use jiff::{SignedDuration, Timestamp};
use url::Url;

/// Maximum number of characters of a redirect target that are stored.
const MAX_TARGET_CHARS: usize = 300;

/// Response as far as it has been received.
#[derive(Debug)]
pub(crate) struct PartialResponse {
    status: StatusCode,
    retry_after: Option<SignedDuration>,
    redirect_to: Option<String>,
    stored: Vec<u8>,
}

impl PartialResponse {
    /// Creates the response to a request to `url` from its head, received `now`.
    pub(crate) fn head(status: StatusCode, headers: &HeaderMap, url: &Url, now: Timestamp) -> Self {
        Self {
            status,
            retry_after: retry_after(headers, now),
            redirect_to: if status.is_redirection() { redirect_to(headers, url) } else { None },
            stored: Vec::new(),
        }
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
            redirect_to: self.redirect_to,
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

/// Returns the target of a redirect without its secrets: a query becomes `?…`; a user name, a password and a fragment are
/// dropped.
fn redirect_to(headers: &HeaderMap, url: &Url) -> Option<String> {
    let location = headers.get(LOCATION)?.to_str().ok()?;
    let mut target = url.join(location).ok()?;
    let has_query = target.query().is_some();
    target.set_query(None);
    target.set_fragment(None);
    // Only a URL without a host rejects this, and it has neither.
    if target.has_authority() {
        target.set_username("").ok()?;
        target.set_password(None).ok()?;
    }
    let mut text: String = target.as_str().chars().take(MAX_TARGET_CHARS).collect();
    if has_query {
        text.push_str("?…");
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_target_of_a_redirect_is_shown_without_secrets() {
        let url = Url::parse("https://shop.example/hooks/a?key=1").expect("a URL");
        let shown = |location: &str| {
            let headers = HeaderMap::from_iter([(LOCATION, location.parse().expect("a header"))]);
            redirect_to(&headers, &url)
        };
        assert_eq!(shown("/login?token=secret").as_deref(), Some("https://shop.example/login?…"));
        assert_eq!(
            shown("http://user:secret@other.example:81/x#part").as_deref(),
            Some("http://other.example:81/x")
        );
        assert_eq!(shown("b").as_deref(), Some("https://shop.example/hooks/b"));
        assert_eq!(shown("mailto:somebody").as_deref(), Some("mailto:somebody"));
        assert_eq!(shown("https://["), None);
        assert_eq!(shown(&format!("/{}", "x".repeat(3_000))).map(|text| text.len()), Some(MAX_TARGET_CHARS));
    }

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
