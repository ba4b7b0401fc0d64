//! JSON values in responses.

use domain::json::Value;
use domain::meta_error::MetaError;
use domain::time::rfc3339;
use jiff::Timestamp;

use crate::api::response::object;

/// Returns a value, or `null`.
pub(crate) fn or_null<T: Into<Value>>(value: Option<T>) -> Value {
    value.map_or(Value::Null, Into::into)
}

/// JSON of a time.
pub(crate) fn time(at: Timestamp) -> Value {
    rfc3339(at).into()
}

/// JSON of a time, or `null`.
pub(crate) fn time_or_null(at: Option<Timestamp>) -> Value {
    at.map_or(Value::Null, time)
}

/// Returns a phone number with its leading `+`.
pub(crate) fn phone(digits: &str) -> String {
    format!("+{digits}")
}

/// Returns the value of JSON text from the database.
pub(crate) fn parsed_json(json: &str) -> Value {
    serde_json::from_str(json).unwrap_or_else(|_| json.into())
}

/// Returns a SHA-256 digest in hexadecimal.
pub(crate) fn hex(digest: &[u8; 32]) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// JSON of an error from Meta.
pub(crate) fn meta_json(error: &MetaError) -> Value {
    let text = |text: &Option<String>| text.clone().map_or(Value::Null, Value::from);
    object([
        ("code", error.code.into()),
        ("subcode", error.subcode.map_or(Value::Null, Value::from)),
        ("title", error.title.as_deref().unwrap_or(error.entry().title).into()),
        ("details", text(&error.details)),
        ("fbtrace_id", text(&error.fbtrace_id)),
    ])
}
