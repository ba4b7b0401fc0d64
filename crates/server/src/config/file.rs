//! The configuration file: TOML, read with the line of each value.

use std::ops::Range;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeArray, DeInteger, DeTable, DeValue};

use super::error::ConfigError;
use super::keys::{KEYS, Key, Kind, TRUTH};
use super::load::{Entry, Origin, entry};

/// What a file sets.
///
/// # Errors
/// When it is no TOML, sets what there is not, or a value has the wrong type.
pub(super) fn read(path: &Path, text: &str) -> Result<Vec<Entry>, ConfigError> {
    let table = DeTable::parse(text).map_err(|error| ConfigError::Syntax {
        origin: at(path, text, &error.span().unwrap_or_default()),
        reason: error.message().to_owned(),
    })?;
    let mut entries = Vec::new();
    walk(path, text, "", table.get_ref(), &mut entries)?;
    Ok(entries)
}

fn walk(
    path: &Path,
    text: &str,
    parent: &str,
    table: &DeTable<'_>,
    entries: &mut Vec<Entry>,
) -> Result<(), ConfigError> {
    for (key, value) in table {
        let name = format!("{parent}{}", key.get_ref());
        let origin = at(path, text, &key.span());
        let below = format!("{name}.");
        let children: Vec<_> =
            KEYS.iter().map(|key| key.name).filter(|name| name.starts_with(&below)).collect();
        let table = value.get_ref().as_table();
        // An unknown table is walked, too: its first key says better what was meant.
        if let Some(table) = table.filter(|table| Key::find(&name).is_none() && !table.is_empty()) {
            walk(path, text, &below, table, entries)?;
        } else if children.is_empty() {
            entries.push(entry(&name, origin, |key| value_of(key, value))?);
        } else if table.is_none() {
            let reason = format!("must be a table with the keys {}", children.join(", "));
            return Err(ConfigError::Invalid { name, origin, value: None, reason });
        }
    }
    Ok(())
}

/// The value as text, if it has the right type.
fn value_of(key: Option<&Key>, value: &Spanned<DeValue<'_>>) -> Result<String, String> {
    if let Some(list) = value.get_ref().as_array()
        && key.is_some_and(|key| key.kind == Kind::Networks)
    {
        let texts = list.iter().map(|one| one.get_ref().as_str());
        let texts: Option<Vec<_>> = texts.collect();
        return texts
            .map(|texts| texts.join(", "))
            .ok_or_else(|| "must be a list of texts in quotes".to_owned());
    }
    let is_number = key.is_some_and(|key| matches!(key.kind, Kind::Number(..)));
    let value = value.get_ref();
    match (key.map(|key| key.kind), value) {
        (Some(Kind::Choice(TRUTH)), DeValue::Boolean(truth)) => return Ok(truth.to_string()),
        (Some(Kind::Waits), DeValue::Array(waits)) => return seconds(waits),
        (Some(Kind::Words), DeValue::Array(list)) => return words(list),
        _ => {}
    }
    match (is_number, value.as_str(), value.as_integer()) {
        (false, Some(text), _) => Ok(text.to_owned()),
        (true, _, Some(integer)) => Ok(decimal(integer)),
        (true, ..) => Err(format!("must be a whole number, not {}", kind_of(value))),
        (false, ..) => Err(format!("must be a text in quotes, not {}", kind_of(value))),
    }
}

/// A list of whole numbers, as the environment writes it.
fn seconds(waits: &DeArray<'_>) -> Result<String, String> {
    let seconds: Option<Vec<_>> = waits.iter().map(|wait| wait.get_ref().as_integer().map(decimal)).collect();
    seconds.map(|seconds| seconds.join(",")).ok_or_else(|| "must be a list of whole numbers".to_owned())
}

/// A list of texts, as the environment writes it.
fn words(list: &DeArray<'_>) -> Result<String, String> {
    let words: Option<Vec<_>> = list.iter().map(|word| word.get_ref().as_str()).collect();
    words.map(|words| words.join(",")).ok_or_else(|| "must be a list of texts in quotes".to_owned())
}

fn kind_of(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text in quotes",
        DeValue::Integer(_) | DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a time",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

/// A number that does not fit stays as it was written: it is out of bounds anyway.
fn decimal(integer: &DeInteger<'_>) -> String {
    i64::from_str_radix(integer.as_str(), integer.radix())
        .map_or_else(|_| integer.as_str().to_owned(), |number| number.to_string())
}

fn at(path: &Path, text: &str, span: &Range<usize>) -> Origin {
    let before = text.as_bytes().iter().take(span.start);
    Origin::File { path: path.to_owned(), line: 1 + before.filter(|byte| **byte == b'\n').count() }
}
