//! Results as text for people.

use std::io;

use serde_json::Value;

use super::definition::TableColumn;
use crate::cli::terminal::{one_line, print_line, print_table};

/// Maximum number of characters of a cell. Identifiers are shorter, except Meta's.
const MAX_CELL: usize = 100;

/// Prints rows as a table.
///
/// # Errors
/// If standard output cannot be written.
pub(super) fn print_rows(columns: &[TableColumn], rows: &[Value]) -> io::Result<()> {
    let headings: Vec<_> = columns.iter().map(|TableColumn(heading, _)| *heading).collect();
    let cell = |row: &Value, pointers: &str| {
        // The first member that is not null, of alternatives separated by `|`.
        let found =
            pointers.split('|').find_map(|pointer| row.pointer(pointer).filter(|value| !value.is_null()));
        let text = found.map_or_else(|| "-".to_owned(), text);
        if text.chars().count() > MAX_CELL {
            let short: String = text.chars().take(MAX_CELL.saturating_sub(1)).collect();
            return format!("{short}…");
        }
        text
    };
    let rows: Vec<Vec<_>> = rows
        .iter()
        .map(|row| columns.iter().map(|TableColumn(_, pointers)| cell(row, pointers)).collect())
        .collect();
    print_table(&headings, &rows)
}

/// Prints the members of an object, one per line; the elements of a list of objects follow its name.
///
/// # Errors
/// If standard output cannot be written.
pub(super) fn print_members(data: &Value) -> io::Result<()> {
    let Some(members) = data.as_object() else { return print_line(&text(data)) };
    let width = members.keys().map(|name| name.chars().count()).max().unwrap_or(0);
    for (name, value) in members {
        match value.as_array() {
            Some(elements) if elements.iter().any(Value::is_object) => {
                print_line(name)?;
                for element in elements {
                    print_line(&format!("  {}", text(element)))?;
                }
            }
            Some(_) | None => print_line(format!("{name:width$}  {}", text(value)).trim_end())?,
        }
    }
    Ok(())
}

/// Returns a value on one line.
fn text(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => one_line(text),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::Array(elements) if elements.iter().all(|element| !element.is_object()) => {
            if elements.is_empty() {
                return "-".to_owned();
            }
            elements.iter().map(text).collect::<Vec<_>>().join(",")
        }
        Value::Number(_) | Value::Array(_) | Value::Object(_) => one_line(&value.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::text;

    #[test]
    fn a_text_of_a_customer_cannot_control_the_terminal() {
        assert_eq!(text(&json!("a\u{1b}[2Jb\nc\u{202e}d")), "a [2Jb c d");
    }

    #[test]
    fn a_value_is_one_line() {
        assert_eq!(text(&json!(null)), "-");
        assert_eq!(text(&json!([])), "-");
        assert_eq!(text(&json!(["a", 1])), "a,1");
        assert_eq!(text(&json!(true)), "yes");
        assert_eq!(text(&json!({"a": [1]})), r#"{"a":[1]}"#);
    }
}
