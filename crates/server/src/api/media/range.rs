//! Which part of a file is wanted, if any (RFC 9110, sections 13 and 14).

use std::ops::Range;

use axum::http::{HeaderMap, HeaderName, header};

/// What is wanted of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// All of it.
    Whole,
    /// These bytes.
    Part(Range<u64>),
    /// What it does not have.
    Nothing,
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

/// Whether the caller has this content already.
pub(crate) fn is_known(headers: &HeaderMap, etag: &str) -> bool {
    let known = text(headers, header::IF_NONE_MATCH).unwrap_or_default();
    known.split(',').map(str::trim).any(|known| known == "*" || known.trim_start_matches("W/") == etag)
}

/// What is wanted: one range of bytes, else the whole. Several ranges are answered with the whole, which is allowed.
pub(crate) fn wanted(headers: &HeaderMap, size: u64, etag: &str) -> Wanted {
    if text(headers, header::IF_RANGE).is_some_and(|known| known.trim() != etag) {
        return Wanted::Whole;
    }
    let Some(spec) = text(headers, header::RANGE).and_then(|range| range.trim().strip_prefix("bytes="))
    else {
        return Wanted::Whole;
    };
    let Some((from, to)) = spec.trim().split_once('-') else { return Wanted::Whole };
    let number = |text: &str| {
        let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        // More digits than a number holds: beyond every file.
        is_number.then(|| text.parse::<u64>().unwrap_or(u64::MAX))
    };
    let part = match (from.is_empty(), number(from), to.is_empty(), number(to)) {
        (true, _, false, Some(last)) => size.saturating_sub(last)..size,
        (false, Some(from), true, _) => from..size,
        (false, Some(from), false, Some(to)) if from <= to => from..to.saturating_add(1).min(size),
        _ => return Wanted::Whole,
    };
    if part.start < part.end { Wanted::Part(part) } else { Wanted::Nothing }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn of(range: &'static str) -> Wanted {
        let headers = HeaderMap::from_iter([(header::RANGE, HeaderValue::from_static(range))]);
        wanted(&headers, 10, "\"e\"")
    }

    #[test]
    fn one_range_is_one_part() {
        assert_eq!(of("bytes=0-0"), Wanted::Part(0..1));
        assert_eq!(of("bytes=2-5"), Wanted::Part(2..6));
        assert_eq!(of("bytes=2-"), Wanted::Part(2..10));
        assert_eq!(of("bytes=-3"), Wanted::Part(7..10));
        assert_eq!(of("bytes=-99"), Wanted::Part(0..10));
        assert_eq!(of("bytes=5-99999999999999999999999"), Wanted::Part(5..10));
    }

    #[test]
    fn beyond_the_end_there_is_nothing() {
        for range in ["bytes=10-", "bytes=10-12", "bytes=-0", "bytes=99999999999999999999999-"] {
            assert_eq!(of(range), Wanted::Nothing, "{range}");
        }
    }

    #[test]
    fn what_is_no_single_range_is_the_whole() {
        for range in
            ["bytes=0-1,4-5", "bytes=5-2", "bytes=", "bytes=-", "items=0-1", "bytes=a-b", "bytes=+1-2", ""]
        {
            assert_eq!(of(range), Wanted::Whole, "{range}");
        }
    }

    #[test]
    fn a_range_of_another_version_is_the_whole() {
        let mut headers = HeaderMap::from_iter([(header::RANGE, HeaderValue::from_static("bytes=0-1"))]);
        headers.insert(header::IF_RANGE, HeaderValue::from_static("\"other\""));
        assert_eq!(wanted(&headers, 10, "\"e\""), Wanted::Whole);
        headers.insert(header::IF_RANGE, HeaderValue::from_static("\"e\""));
        assert_eq!(wanted(&headers, 10, "\"e\""), Wanted::Part(0..2));
    }

    #[test]
    fn content_that_is_known_is_known_by_its_tag() {
        let known = |value: &'static str| {
            is_known(
                &HeaderMap::from_iter([(header::IF_NONE_MATCH, HeaderValue::from_static(value))]),
                "\"e\"",
            )
        };
        assert!(known("\"e\"") && known("\"a\", W/\"e\"") && known("*"));
        assert!(!known("\"a\"") && !known("e") && !known(""));
    }
}
