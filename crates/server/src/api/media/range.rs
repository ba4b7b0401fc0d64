//! Conditional requests and range requests of files (RFC 9110, sections 13 and 14).

use std::ops::Range;

use axum::http::{HeaderMap, HeaderName, header};

/// Requested part of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum RequestedRange {
    /// The whole file.
    Whole,
    /// One range of bytes.
    Part(Range<u64>),
    /// A range that is outside the file.
    Unsatisfiable,
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

/// `true` if `If-None-Match` contains the tag: the client has this content already.
pub(crate) fn matches_etag(headers: &HeaderMap, etag: &str) -> bool {
    let known = text(headers, header::IF_NONE_MATCH).unwrap_or_default();
    known.split(',').map(str::trim).any(|known| known == "*" || known.trim_start_matches("W/") == etag)
}

/// Returns the requested range. A request for several ranges gets the whole file, which RFC 9110 allows.
pub(crate) fn requested_range(headers: &HeaderMap, size: u64, etag: &str) -> RequestedRange {
    if text(headers, header::IF_RANGE).is_some_and(|known| known.trim() != etag) {
        return RequestedRange::Whole;
    }
    let Some(spec) = text(headers, header::RANGE).and_then(|range| range.trim().strip_prefix("bytes="))
    else {
        return RequestedRange::Whole;
    };
    let Some((from, to)) = spec.trim().split_once('-') else { return RequestedRange::Whole };
    let number = |text: &str| {
        let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        // A number with too many digits is beyond the end of every file.
        is_number.then(|| text.parse::<u64>().unwrap_or(u64::MAX))
    };
    let part = match (from.is_empty(), number(from), to.is_empty(), number(to)) {
        (true, _, false, Some(last)) => size.saturating_sub(last)..size,
        (false, Some(from), true, _) => from..size,
        (false, Some(from), false, Some(to)) if from <= to => from..to.saturating_add(1).min(size),
        _ => return RequestedRange::Whole,
    };
    if part.start < part.end { RequestedRange::Part(part) } else { RequestedRange::Unsatisfiable }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn of(range: &'static str) -> RequestedRange {
        let headers = HeaderMap::from_iter([(header::RANGE, HeaderValue::from_static(range))]);
        requested_range(&headers, 10, "\"e\"")
    }

    #[test]
    fn one_range_is_one_part() {
        assert_eq!(of("bytes=0-0"), RequestedRange::Part(0..1));
        assert_eq!(of("bytes=2-5"), RequestedRange::Part(2..6));
        assert_eq!(of("bytes=2-"), RequestedRange::Part(2..10));
        assert_eq!(of("bytes=-3"), RequestedRange::Part(7..10));
        assert_eq!(of("bytes=-99"), RequestedRange::Part(0..10));
        assert_eq!(of("bytes=5-99999999999999999999999"), RequestedRange::Part(5..10));
    }

    #[test]
    fn a_range_beyond_the_end_is_unsatisfiable() {
        for range in ["bytes=10-", "bytes=10-12", "bytes=-0", "bytes=99999999999999999999999-"] {
            assert_eq!(of(range), RequestedRange::Unsatisfiable, "{range}");
        }
    }

    #[test]
    fn other_ranges_are_ignored() {
        for range in
            ["bytes=0-1,4-5", "bytes=5-2", "bytes=", "bytes=-", "items=0-1", "bytes=a-b", "bytes=+1-2", ""]
        {
            assert_eq!(of(range), RequestedRange::Whole, "{range}");
        }
    }

    #[test]
    fn a_range_of_another_version_is_ignored() {
        let mut headers = HeaderMap::from_iter([(header::RANGE, HeaderValue::from_static("bytes=0-1"))]);
        headers.insert(header::IF_RANGE, HeaderValue::from_static("\"other\""));
        assert_eq!(requested_range(&headers, 10, "\"e\""), RequestedRange::Whole);
        headers.insert(header::IF_RANGE, HeaderValue::from_static("\"e\""));
        assert_eq!(requested_range(&headers, 10, "\"e\""), RequestedRange::Part(0..2));
    }

    #[test]
    fn known_content_is_recognized_by_its_tag() {
        let known = |value: &'static str| {
            matches_etag(
                &HeaderMap::from_iter([(header::IF_NONE_MATCH, HeaderValue::from_static(value))]),
                "\"e\"",
            )
        };
        assert!(known("\"e\"") && known("\"a\", W/\"e\"") && known("*"));
        assert!(!known("\"a\"") && !known("e") && !known(""));
    }
}
