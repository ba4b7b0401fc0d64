//! Reasons of failed deliveries, in words.

/// Returns the reason why a response with this HTTP status is a failure; `None` for a success (2xx). `redirect_to` is the
/// target of a redirect.
#[must_use]
pub fn failure_reason(status: u16, redirect_to: Option<&str>) -> Option<String> {
    if (200..=299).contains(&status) {
        return None;
    }
    let status = match reason_phrase(status) {
        Some(phrase) => format!("HTTP {status} {phrase}"),
        None => format!("HTTP {status}"),
    };
    Some(match redirect_to {
        Some(target) => format!("{status}: a redirect to {target}, and redirects are not followed"),
        None => status,
    })
}

/// Returns the reason phrase of a status that endpoints use often (RFC 9110, section 15).
const fn reason_phrase(status: u16) -> Option<&'static str> {
    Some(match status {
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        304 => "Not Modified",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        402 => "Payment Required",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        408 => "Request Timeout",
        409 => "Conflict",
        410 => "Gone",
        411 => "Length Required",
        413 => "Content Too Large",
        414 => "URI Too Long",
        415 => "Unsupported Media Type",
        422 => "Unprocessable Content",
        425 => "Too Early",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_described_by_its_status_and_the_target_of_a_redirect() {
        assert_eq!(failure_reason(204, None), None);
        assert_eq!(failure_reason(403, None).as_deref(), Some("HTTP 403 Forbidden"));
        assert_eq!(failure_reason(599, None).as_deref(), Some("HTTP 599"));
        assert_eq!(
            failure_reason(302, Some("https://shop.example/login")).as_deref(),
            Some("HTTP 302 Found: a redirect to https://shop.example/login, and redirects are not followed")
        );
    }
}
