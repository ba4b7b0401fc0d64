//! Additional headers of webhook deliveries.
//!
//! **Invariant:** an accepted header neither replaces a header of the gateway nor changes the framing of the request.

/// Maximum number of headers of an endpoint.
pub const MAX_HEADERS: usize = 20;

/// Maximum length of a header name in characters.
pub const MAX_NAME_CHARS: usize = 100;

/// Maximum length of a header value in bytes.
pub const MAX_VALUE_BYTES: usize = 4_096;

/// Reserved names, in lower case: they control routing, framing and content.
const RESERVED: [&str; 18] = [
    "accept-encoding",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "expect",
    "host",
    "http2-settings",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
    "x-webhook-signature",
];

/// Reserved prefixes, in lower case.
const RESERVED_PREFIXES: [&str; 3] = ["waypost-", "webhook-", "x-webhook-signature-"];

/// Reason why a header is not allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// The name is not a valid header name.
    #[error("a header's name is 1 to {MAX_NAME_CHARS} letters, digits or any of !#$%&'*+-.^_`|~")]
    Name,
    /// The name is reserved for the gateway or for HTTP.
    #[error("this header cannot be set: it is reserved for Waypost or HTTP")]
    Reserved,
    /// The value has characters that a header value cannot have.
    #[error(
        "a header's value is one line of visible ASCII characters, and does not begin or end with a space"
    )]
    Value,
    /// The value is too long.
    #[error("a header's value has at most {MAX_VALUE_BYTES} bytes")]
    TooLong,
}

/// Checks a header. The maximum number of headers is [`MAX_HEADERS`].
///
/// # Errors
/// Returns the violated rule.
pub fn validate(name: &str, value: &str) -> Result<(), HeaderError> {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if name.is_empty() || name.len() > MAX_NAME_CHARS || !name.bytes().all(is_token) {
        return Err(HeaderError::Name);
    }
    let lower = name.to_ascii_lowercase();
    if RESERVED.contains(&lower.as_str()) || RESERVED_PREFIXES.iter().any(|prefix| lower.starts_with(prefix))
    {
        return Err(HeaderError::Reserved);
    }
    if value.len() > MAX_VALUE_BYTES {
        return Err(HeaderError::TooLong);
    }
    let is_visible = |byte: u8| byte == b' ' || byte == b'\t' || byte.is_ascii_graphic();
    if value.trim_ascii() != value || !value.bytes().all(is_visible) {
        return Err(HeaderError::Value);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_headers_are_accepted() {
        for (name, value) in [
            ("Authorization", "Bearer abc.def=="),
            ("X-Shop", "two words\tand a tab"),
            ("User-Agent", "shop/1"),
            ("Cookie", "a=b; c=d"),
            ("x-webhook", "v"),
            ("X-Empty", ""),
        ] {
            assert_eq!(validate(name, value), Ok(()), "{name}");
        }
        assert_eq!(validate("X-Long", &"v".repeat(MAX_VALUE_BYTES)), Ok(()));
    }

    #[test]
    fn invalid_header_names_are_rejected() {
        for name in ["", "a b", "a:b", "a\r\nb", "ä", "a\0", "(a)", "a/b", "a\"", &"x".repeat(101)] {
            assert_eq!(validate(name, "v"), Err(HeaderError::Name), "{name:?}");
        }
    }

    #[test]
    fn reserved_header_names_are_rejected_in_any_case() {
        for name in RESERVED {
            assert_eq!(validate(name, "v"), Err(HeaderError::Reserved), "{name}");
            assert_eq!(validate(&name.to_ascii_uppercase(), "v"), Err(HeaderError::Reserved), "{name}");
        }
        for name in ["Webhook-Id", "webhook-signature", "X-Webhook-Signature-Previous", "Waypost-Redelivery"]
        {
            assert_eq!(validate(name, "v"), Err(HeaderError::Reserved), "{name}");
        }
    }

    #[test]
    fn header_values_with_more_than_one_line_are_rejected() {
        for value in ["a\r\nb: c", "a\nb", "a\rb", "\0", "\u{7f}", "ä", " a", "a ", "\t"] {
            assert_eq!(validate("X-A", value), Err(HeaderError::Value), "{value:?}");
        }
        assert_eq!(validate("X-A", &"v".repeat(MAX_VALUE_BYTES + 1)), Err(HeaderError::TooLong));
    }
}
