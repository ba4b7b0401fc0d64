//! Readers of single fields: text that must parse, times.

use domain::check::Item;
use domain::json::Value;
use jiff::Timestamp;

/// A text that must parse.
pub(crate) fn parsed<T: std::str::FromStr>(item: Item<'_, '_>, reason: &str) -> Option<T> {
    let parsed = item.string(..)?.parse().ok();
    if parsed.is_none() {
        item.refuse(reason);
    }
    parsed
}

/// A time in a query.
pub(crate) fn time(item: Item<'_, '_>) -> Option<Timestamp> {
    // The usual way to say "open end" lies a day beyond the last time that can be counted.
    if item.value().and_then(Value::as_str).is_some_and(|text| text.starts_with("9999-12-3")) {
        return Some(Timestamp::MAX);
    }
    parsed(item, "must be a time such as 2026-05-29T10:30:00Z (RFC 3339)")
}
