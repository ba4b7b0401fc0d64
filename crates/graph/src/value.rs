//! Conversion of wire JSON to a JSON value of the domain.
//!
//! **Invariant:** a value that serde accepts is read as serde reads it. Only a value that serde refuses is read by
//! code in this file: members with the same name (the last one counts) and numbers that no float can represent (their
//! text is preserved).

use domain::json::{Object, Value};

use crate::json_reader::Json;

/// Maximum nesting depth: the maximum of serde_json, because values are written and read again.
const DEPTH: u8 = 120;

/// Maximum number of members of an object that this file reads: inserting a member scans all previous ones.
const MEMBERS: usize = 2_000;

/// Returns the value, or `None` if it is nested deeper than the maximum.
pub(crate) fn read(json: Json<'_>) -> Option<Value> {
    serde_json::from_str(json.text()).ok().or_else(|| read_leniently(json, DEPTH))
}

fn read_leniently(json: Json<'_>, depth: u8) -> Option<Value> {
    let below = depth.checked_sub(1)?;
    if json.is_object() {
        if json.members().nth(MEMBERS).is_some() {
            return None;
        }
        let members =
            json.members().map(|(name, value)| Some((name.into_owned(), read_leniently(value, below)?)));
        return members.collect::<Option<Object>>().map(Value::Object);
    }
    if json.is_array() {
        return json
            .elements()
            .map(|element| read_leniently(element, below))
            .collect::<Option<Vec<_>>>()
            .map(Value::Array);
    }
    // A scalar: serde refuses only a number that is out of range of a float.
    Some(serde_json::from_str(json.text()).unwrap_or_else(|_| Value::String(json.text().to_owned())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(json: &str) -> Option<String> {
        read(Json::parse(json.as_bytes()).expect("JSON")).map(|value| value.to_string())
    }

    #[test]
    fn values_that_serde_rejects_are_read() {
        assert_eq!(
            text(r#"{"a":1,"b":[2.5],"a":{"c":null}}"#).as_deref(),
            Some(r#"{"a":{"c":null},"b":[2.5]}"#)
        );
        assert_eq!(text(r#"{"a":1e999}"#).as_deref(), Some(r#"{"a":"1e999"}"#));
    }

    #[test]
    fn nesting_above_the_maximum_is_rejected() {
        let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        assert!(text(&nested(100)).is_some());
        assert!(text(&nested(128)).is_none());
        assert!(text(&nested(100_000)).is_none());
    }

    #[test]
    fn an_object_with_a_hundred_thousand_members_is_rejected_quickly() {
        let members: Vec<_> = (0..100_000).map(|number| format!("\"{number}\":0")).collect();
        assert!(text(&format!("{{\"0\":1,{}}}", members.join(","))).is_none());
    }
}
