//! Sampled log of refused requests: at most some lines per minute for each error code.
//!
//! **Invariant:** a line contains no whole number and no text of the request except names of fields.

use domain::json::Value;
use engine::Deps;

use crate::api::error::{ApiError, Code};

/// Maximum number of fields that a line names.
const MAX_FIELDS: usize = 5;
/// Maximum length of a reason, in characters.
const MAX_REASON: usize = 200;
/// Number of digits from which a sequence of digits is shortened to its last four.
const MAX_DIGITS: usize = 6;

/// Writes the line of a refused request, unless the code has enough lines in this minute.
pub(crate) fn log(deps: &Deps, error: &ApiError, request: RefusedRequest<'_>) {
    let code = error.code();
    let RefusedRequest { request_id, route, caller } = request;
    let Some(n_skipped) = deps.sampled_log.admit(code.as_str(), deps.now()) else {
        tracing::debug!(request.id = request_id, code = code.as_str(), route, "request refused");
        return;
    };
    tracing::info!(
        request.id = request_id,
        code = code.as_str(),
        status = code.status().as_u16(),
        route,
        caller,
        reason = reason(error),
        n_skipped,
        "request refused"
    );
}

/// Request that was refused.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RefusedRequest<'a> {
    pub(crate) request_id: &'a str,
    pub(crate) route: &'a str,
    pub(crate) caller: Option<&'a str>,
}

/// Returns the reason of a refusal: the names of the invalid fields, or the message of the error.
fn reason(error: &ApiError) -> String {
    let fields = error.details().get("errors").and_then(Value::as_array).unwrap_or_default();
    let names: Vec<_> = fields.iter().filter_map(field_name).take(MAX_FIELDS).collect();
    let text = match names.as_slice() {
        [] if error.code() == Code::InvalidRequest => String::new(),
        // Quoted text can be text of the request.
        [] => error.message().split('`').step_by(2).collect::<Vec<_>>().join("…"),
        names => names.join(" "),
    };
    let masked = mask_numbers(&text);
    masked.chars().filter(|c| !c.is_control()).take(MAX_REASON).collect()
}

/// Returns the pointer to an invalid field. The name of an unknown field is text of the caller and is not returned.
fn field_name(violation: &Value) -> Option<&str> {
    let reason = violation.get("reason")?.as_str()?;
    let is_of_caller =
        reason.starts_with("unknown") || reason == "appears twice" || reason.contains("U+0000");
    if is_of_caller { Some("(unknown)") } else { violation.get("pointer")?.as_str() }
}

/// Shortens long sequences of digits to the last four. Signs between the digits of a phone number belong to the sequence.
fn mask_numbers(text: &str) -> String {
    let mut masked = String::with_capacity(text.len());
    let mut sequence = String::new();
    let flush = |sequence: &mut String, masked: &mut String| {
        let digits: Vec<char> = sequence.chars().filter(char::is_ascii_digit).collect();
        if digits.len() > MAX_DIGITS {
            let end = sequence.trim_end_matches(|c: char| !c.is_ascii_digit()).len();
            masked.push('…');
            masked.extend(digits.iter().skip(digits.len().saturating_sub(4)));
            masked.push_str(sequence.get(end..).unwrap_or_default());
        } else {
            masked.push_str(sequence);
        }
        sequence.clear();
    };
    for c in text.chars() {
        let belongs = c.is_ascii_digit() || (!sequence.is_empty() && " -.()/".contains(c));
        if belongs {
            sequence.push(c);
            continue;
        }
        flush(&mut sequence, &mut masked);
        masked.push(c);
    }
    flush(&mut sequence, &mut masked);
    masked
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_names_fields_and_contains_no_whole_number() {
        let invalid = ApiError::invalid_at("/to", "must be a phone number, is `hunter2`");
        assert_eq!(reason(&invalid), "/to");
        assert_eq!(reason(&ApiError::invalid_at("/hunter2", "unknown field `hunter2`")), "(unknown)");
        let shown =
            reason(&ApiError::new(Code::NotFound, "No +44 (7700) 900-123 and 15550100001, but 2024."));
        assert_eq!(shown, "No +…0123 and …0001, but 2024.");
    }
}
