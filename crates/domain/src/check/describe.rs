//! Descriptions of limits and choices for reasons of violations.

use std::fmt::Display;
use std::ops::{Bound, RangeBounds};

/// Returns the minimum and the maximum of a range of counts.
pub(super) fn limits(range: &impl RangeBounds<usize>) -> (usize, Option<usize>) {
    let least = match range.start_bound() {
        Bound::Included(least) => *least,
        Bound::Excluded(below) => below.saturating_add(1),
        Bound::Unbounded => 0,
    };
    let most = match range.end_bound() {
        Bound::Included(most) => Some(*most),
        Bound::Excluded(above) => Some(above.saturating_sub(1)),
        Bound::Unbounded => None,
    };
    (least, most)
}

/// Describes a range of counts: "1 to 20 characters", "at most 60 characters", "exactly 2 items", "at least 1 item".
pub(super) fn describe_count(least: usize, most: Option<usize>, unit: &str) -> String {
    let plural = |count: usize| if count == 1 { "" } else { "s" };
    match most {
        None => format!("at least {least} {unit}{}", plural(least)),
        Some(most) if most == least => format!("exactly {most} {unit}{}", plural(most)),
        Some(most) if least == 0 => format!("at most {most} {unit}{}", plural(most)),
        Some(most) => format!("{least} to {most} {unit}{}", plural(most)),
    }
}

/// Describes bounds of numbers: "from 0 to 9", "at least 1", "below 90".
pub(super) fn describe_bounds<T: Display + PartialEq>(range: &impl RangeBounds<T>) -> String {
    let least = match range.start_bound() {
        Bound::Included(least) => Some((least, "at least")),
        Bound::Excluded(least) => Some((least, "above")),
        Bound::Unbounded => None,
    };
    let most = match range.end_bound() {
        Bound::Included(most) => Some((most, "at most")),
        Bound::Excluded(most) => Some((most, "below")),
        Bound::Unbounded => None,
    };
    match (least, most) {
        (Some((least, _)), Some((most, _))) if least == most => least.to_string(),
        (Some((least, "at least")), Some((most, "at most"))) => format!("from {least} to {most}"),
        (Some((least, least_text)), Some((most, most_text))) => {
            format!("{least_text} {least} and {most_text} {most}")
        }
        (Some((bound, text)), None) | (None, Some((bound, text))) => format!("{text} {bound}"),
        (None, None) => "any number".to_owned(),
    }
}

/// Lists choices: "`a`, `b` or `c`".
pub(super) fn describe_choices(names: &[&str]) -> String {
    match names {
        [] => "nothing".to_owned(),
        [only] => format!("`{only}`"),
        [first @ .., last] => {
            let first: Vec<String> = first.iter().map(|name| format!("`{name}`")).collect();
            format!("{} or `{last}`", first.join(", "))
        }
    }
}

/// Returns a caller's text in quotes for a sentence, shortened if it is long.
pub(super) fn quoted(text: &str) -> String {
    match text.char_indices().nth(40) {
        Some((end, _)) => format!("`{}…`", text.get(..end).unwrap_or_default()),
        None => format!("`{text}`"),
    }
}
