//! Slots of a new template's text.

use crate::check::Item;
use crate::templates::text::ParameterFormat;

/// Returns the names of the slots, each once; numbers in ascending order. Returns `None` after a violation.
pub(crate) fn read<'t>(item: &Item<'_, '_>, text: &'t str, format: ParameterFormat) -> Option<Vec<&'t str>> {
    let found = match scan(text) {
        Ok(found) => found,
        Err(reason) => {
            item.refuse(reason);
            return None;
        }
    };
    let mut names: Vec<&str> = Vec::new();
    for name in found {
        if format == ParameterFormat::Named && !is_name(name) {
            item.refuse(format!(
                "must name its parameters with lower-case letters, digits and underscores: found {{{{{name}}}}}"
            ));
            return None;
        }
        if !names.contains(&name) {
            names.push(name);
        }
    }
    if format == ParameterFormat::Positional {
        names.sort_by_key(|name| number(name));
        if let Some((name, number)) = names.iter().zip(1..).find(|(name, n)| number(name) != *n) {
            item.refuse(format!(
                "must number its parameters from {{{{1}}}} without a gap: found {{{{{name}}}}}, expected {{{{{number}}}}}"
            ));
            return None;
        }
    }
    Some(names)
}

/// Returns the number of a slot; `usize::MAX` if its name is not a number.
fn number(name: &str) -> usize {
    let is_number = name.bytes().all(|byte| byte.is_ascii_digit());
    if is_number { name.parse().unwrap_or(usize::MAX) } else { usize::MAX }
}

fn is_name(name: &str) -> bool {
    let is_plain = name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    is_plain && name.bytes().any(|b| !b.is_ascii_digit())
}

/// Returns the slots in the order of the text.
fn scan(text: &str) -> Result<Vec<&str>, &'static str> {
    let mut found = Vec::new();
    let mut rest = text;
    loop {
        match (rest.find("{{"), rest.find("}}")) {
            (None, None) => return Ok(found),
            (Some(start), Some(end)) if start < end => {
                let name = rest.get(start + 2..end).unwrap_or_default().trim();
                if name.contains("{{") {
                    return Err("opens a parameter within another");
                }
                found.push(name);
                rest = rest.get(end + 2..).unwrap_or_default();
            }
            (Some(_), _) => return Err("opens a parameter with {{ and does not close it with }}"),
            (None, Some(_)) => return Err("closes a parameter with }} that it has not opened with {{"),
        }
    }
}

/// Returns the number of words outside of the slots.
pub(crate) fn n_words(text: &str) -> usize {
    let mut n = 0;
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{{") {
        n += words(before);
        rest = after.split_once("}}").map_or("", |(_, after)| after);
    }
    n + words(rest)
}

fn words(text: &str) -> usize {
    text.split_whitespace().filter(|word| word.chars().any(char::is_alphanumeric)).count()
}
