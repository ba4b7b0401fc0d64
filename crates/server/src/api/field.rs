//! Readers of single fields.

use domain::check::Item;
use domain::json::Value;
use jiff::Timestamp;

/// Reads a text and parses it. `reason` is the reason of the violation if parsing fails.
pub(crate) fn parsed<T: std::str::FromStr>(item: Item<'_, '_>, reason: &str) -> Option<T> {
    let parsed = item.string(..)?.parse().ok();
    if parsed.is_none() {
        item.refuse(reason);
    }
    parsed
}

/// Reads a time in a query.
pub(crate) fn time(item: Item<'_, '_>) -> Option<Timestamp> {
    // The last day of the year 9999 is often used for "no end", but `Timestamp` ends one day earlier.
    if item.value().and_then(Value::as_str).is_some_and(|text| text.starts_with("9999-12-3")) {
        return Some(Timestamp::MAX);
    }
    parsed(
        item.format("date-time").example("2026-05-29T10:30:00.000Z"),
        "must be a time such as 2026-05-29T10:30:00.000Z (RFC 3339)",
    )
}
