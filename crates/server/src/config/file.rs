//! The configuration file: TOML. Each entry has the line of its key.

use std::ops::Range;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeArray, DeInteger, DeTable, DeValue};

use super::entry::Entry;
use super::error::ConfigError;
use super::origin::Origin;
use super::setting::{Setting, TomlType};
use super::settings::{self, SETTINGS};

/// Returns the entries of a file.
///
/// # Errors
/// If the file is not TOML, contains an unknown name, or a value has the wrong type.
pub(super) fn read(path: &Path, text: &str) -> Result<Vec<Entry>, ConfigError> {
    let table = DeTable::parse(text).map_err(|error| ConfigError::Syntax {
        origin: origin(path, text, &error.span().unwrap_or_default()),
        reason: error.message().to_owned(),
    })?;
    let mut reader = Reader { path, text, entries: Vec::new() };
    reader.table("", table.get_ref())?;
    Ok(reader.entries)
}

/// Collects the entries of a file.
struct Reader<'a> {
    path: &'a Path,
    text: &'a str,
    entries: Vec<Entry>,
}

impl Reader<'_> {
    /// Reads a table whose keys begin with `prefix`.
    fn table(&mut self, prefix: &str, table: &DeTable<'_>) -> Result<(), ConfigError> {
        for (key, value) in table {
            let name = format!("{prefix}{}", key.get_ref());
            let origin = origin(self.path, self.text, &key.span());
            let prefix = format!("{name}.");
            let children: Vec<_> = SETTINGS
                .iter()
                .map(|setting| setting.name)
                .filter(|name| name.starts_with(&prefix))
                .collect();
            let table = value.get_ref().as_table();
            // The error for an unknown table names its first key, because a key has a nearest name.
            if let Some(table) = table.filter(|table| settings::find(&name).is_none() && !table.is_empty()) {
                self.table(&prefix, table)?;
            } else if children.is_empty() {
                self.entries.push(Entry::named(&name, origin, |setting| text_of(setting, value))?);
            } else if table.is_none() {
                let reason = format!("must be a table with the keys {}", children.join(", "));
                return Err(ConfigError::Invalid { name, origin, value: None, reason });
            }
        }
        Ok(())
    }
}

/// Returns the value as the text that the environment would use, if the value has the right type.
fn text_of(setting: Option<&Setting>, value: &Spanned<DeValue<'_>>) -> Result<String, String> {
    let toml_type = setting.map_or(TomlType::String, |setting| setting.value.toml_type());
    let value = value.get_ref();
    match (toml_type, value) {
        (TomlType::Boolean, DeValue::Boolean(is_true)) => Ok(is_true.to_string()),
        (TomlType::Integers, DeValue::Array(array)) => integers(array),
        (TomlType::Strings, DeValue::Array(array)) => strings(array),
        (TomlType::Integer, _) => value
            .as_integer()
            .map(decimal)
            .ok_or_else(|| format!("must be an integer, not {}", type_name(value))),
        (TomlType::String | TomlType::Boolean | TomlType::Integers | TomlType::Strings, _) => value
            .as_str()
            .map(str::to_owned)
            .ok_or_else(|| format!("must be a string, not {}", type_name(value))),
    }
}

fn integers(array: &DeArray<'_>) -> Result<String, String> {
    let integers: Option<Vec<_>> =
        array.iter().map(|value| value.get_ref().as_integer().map(decimal)).collect();
    integers.map(|integers| integers.join(",")).ok_or_else(|| "must be an array of integers".to_owned())
}

fn strings(array: &DeArray<'_>) -> Result<String, String> {
    let strings: Option<Vec<_>> = array.iter().map(|value| value.get_ref().as_str()).collect();
    strings.map(|strings| strings.join(",")).ok_or_else(|| "must be an array of strings".to_owned())
}

fn type_name(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "an integer",
        DeValue::Float(_) => "a float",
        DeValue::Boolean(_) => "a boolean",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "an array",
        DeValue::Table(_) => "a table",
    }
}

/// Returns the integer in decimal notation. An integer that is too large for 64 bits stays as written; it is out of bounds
/// for every setting.
fn decimal(integer: &DeInteger<'_>) -> String {
    i64::from_str_radix(integer.as_str(), integer.radix())
        .map_or_else(|_| integer.as_str().to_owned(), |number| number.to_string())
}

fn origin(path: &Path, text: &str, span: &Range<usize>) -> Origin {
    let before = text.as_bytes().iter().take(span.start);
    Origin::File { path: path.to_owned(), line: 1 + before.filter(|byte| **byte == b'\n').count() }
}
