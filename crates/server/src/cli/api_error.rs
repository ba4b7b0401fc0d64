//! Error responses of the API as text.

use http::StatusCode;
use serde_json::Value;

/// Returns the error message of the gateway: message, code, and the fields that are wrong.
pub(super) fn error_message(status: StatusCode, response: &Value) -> String {
    let text = |pointer: &str| response.pointer(pointer).and_then(Value::as_str);
    let mut message =
        text("/message").map_or_else(|| format!("the gateway responded with {status}"), str::to_owned);
    if let Some(code) = text("/code") {
        message.push_str(&format!(" ({code})"));
    }
    let errors = response.pointer("/details/errors").and_then(Value::as_array);
    // The message contains a single error.
    for error in errors.filter(|errors| errors.len() > 1).into_iter().flatten() {
        let part = |name: &str| error.get(name).and_then(Value::as_str).unwrap_or_default();
        message.push_str(&format!("\n  {} {}", part("pointer"), part("reason")));
    }
    message
}
