//! Resources as answers show them.

use domain::json::Value;
use jiff::Timestamp;

pub(crate) fn optional<T: Into<Value>>(value: Option<T>) -> Value {
    value.map_or(Value::Null, Into::into)
}

pub(crate) fn time(at: Timestamp) -> Value {
    at.to_string().into()
}

pub(crate) fn phone(digits: &str) -> String {
    format!("+{digits}")
}

/// JSON text that we wrote ourselves, or Meta did.
pub(crate) fn parsed_json(json: &str) -> Value {
    serde_json::from_str(json).unwrap_or_else(|_| json.into())
}

/// A digest as text.
pub(crate) fn hex(digest: &[u8; 32]) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}
