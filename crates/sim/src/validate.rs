//! Reading a request's JSON the way Meta does: every value knows its path, unknown keys are named.
//!
//! **Invariant:** inside a message object no key passes unread: whoever opens an object says which keys it may have.

use serde_json::{Map, Value};

use crate::error::{Checked, GraphError};

/// A value and where it is, as `interactive['action']['buttons'][0]`.
#[derive(Clone, Debug)]
pub(crate) struct Pointed<'a> {
    pub(crate) value: &'a Value,
    pub(crate) path: String,
}

/// An object whose keys have been checked.
#[derive(Clone, Debug)]
pub(crate) struct PointedObject<'a> {
    map: &'a Map<String, Value>,
    pub(crate) path: String,
}

impl<'a> Pointed<'a> {
    pub(crate) fn root(name: &str, value: &'a Value) -> Self {
        Self { value, path: name.to_owned() }
    }

    /// The value as an object with no other keys than these.
    pub(crate) fn object(&self, allowed: &[&str]) -> Checked<PointedObject<'a>> {
        let object = self.any_object()?;
        for key in object.map.keys() {
            if !allowed.contains(&key.as_str()) {
                return Err(GraphError::schema(format!(
                    "Unexpected key \"{key}\" on param \"{}\".",
                    self.path
                )));
            }
        }
        Ok(object)
    }

    /// The value as an object with any keys.
    pub(crate) fn any_object(&self) -> Checked<PointedObject<'a>> {
        let Some(map) = self.value.as_object() else {
            return Err(GraphError::schema(format!("Param {} must be a JSON object.", self.path)));
        };
        Ok(PointedObject { map, path: self.path.clone() })
    }

    pub(crate) fn list(&self) -> Checked<Vec<Self>> {
        let Some(items) = self.value.as_array() else {
            return Err(GraphError::schema(format!("Param {} must be an array.", self.path)));
        };
        Ok(items
            .iter()
            .enumerate()
            .map(|(index, value)| Pointed { value, path: format!("{}[{index}]", self.path) })
            .collect())
    }

    pub(crate) fn text(&self) -> Checked<&'a str> {
        self.value
            .as_str()
            .ok_or_else(|| GraphError::schema(format!("Param {} must be a string.", self.path)))
    }

    pub(crate) fn flag(&self) -> Checked<bool> {
        let value = match self.value.as_str() {
            Some("true") => Some(true),
            Some("false") => Some(false),
            _ => self.value.as_bool(),
        };
        value.ok_or_else(|| GraphError::schema(format!("Param {} must be a boolean.", self.path)))
    }

    /// A whole number, or a text that is one.
    pub(crate) fn integer(&self) -> Checked<i64> {
        self.value
            .as_i64()
            .or_else(|| self.value.as_str().and_then(|text| text.trim().parse().ok()))
            .ok_or_else(|| GraphError::schema(format!("Param {} must be an integer.", self.path)))
    }

    /// Any number, or a text that is one.
    pub(crate) fn number(&self) -> Checked<f64> {
        self.value
            .as_f64()
            .or_else(|| self.value.as_str().and_then(|text| text.trim().parse().ok()))
            .filter(|number| number.is_finite())
            .ok_or_else(|| GraphError::schema(format!("Param {} must be a number.", self.path)))
    }

    /// A text of a length; `label` opens the sentence that refuses it.
    pub(crate) fn text_of(&self, label: &str, min: usize, max: usize) -> Checked<&'a str> {
        let text = self.text()?;
        length(label, text.chars().count(), min, max)?;
        Ok(text)
    }

    /// A list of a length; `label` opens the sentence that refuses it.
    pub(crate) fn list_of(&self, label: &str, min: usize, max: usize) -> Checked<Vec<Self>> {
        let list = self.list()?;
        if list.len() < min || list.len() > max {
            return Err(GraphError::invalid(format!(
                "{label} count invalid. Min count: {min}, Max count: {max}"
            )));
        }
        Ok(list)
    }

    /// One of some words.
    pub(crate) fn one_of(&self, words: &[&str]) -> Checked<&'a str> {
        let text = self.text()?;
        if !words.contains(&text) {
            return Err(not_one_of(&self.path, words, text));
        }
        Ok(text)
    }

    /// A web address that could be fetched.
    pub(crate) fn link(&self, label: &str) -> Checked<&'a str> {
        let text = self.text()?;
        let is_web = url::Url::parse(text)
            .is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.host_str().is_some());
        if !is_web {
            return Err(GraphError::invalid(format!("{label} is not a valid http or https URL")));
        }
        Ok(text)
    }
}

impl<'a> PointedObject<'a> {
    /// The member, unless it is absent or null.
    pub(crate) fn get(&self, key: &str) -> Option<Pointed<'a>> {
        self.map
            .get(key)
            .filter(|value| !value.is_null())
            .map(|value| Pointed { value, path: format!("{}['{key}']", self.path) })
    }

    /// The member; its absence is Meta's 131008.
    pub(crate) fn need(&self, key: &str) -> Checked<Pointed<'a>> {
        self.get(key).ok_or_else(|| GraphError::missing(&format!("{}['{key}']", self.path)))
    }

    pub(crate) fn has(&self, key: &str) -> bool {
        self.map.get(key).is_some_and(|value| !value.is_null())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.map.is_empty()
    }

    /// The text of a member, or nothing.
    pub(crate) fn text(&self, key: &str) -> Checked<Option<&'a str>> {
        self.get(key).map(|at| at.text()).transpose()
    }
}

/// The sentence for a length out of its limits.
pub(crate) fn length(label: &str, length: usize, min: usize, max: usize) -> Checked<()> {
    if length < min || length > max {
        return Err(GraphError::invalid(format!(
            "{label} length invalid. Min length: {min}, Max length: {max}"
        )));
    }
    Ok(())
}

/// The error for a word outside an enumeration.
pub(crate) fn not_one_of(path: &str, words: &[&str], got: &str) -> GraphError {
    GraphError::schema(format!("Param {path} must be one of {{{}}} - got \"{got}\".", words.join(", ")))
}

/// Turns members that are JSON written in a string into what they hold: Graph tolerates both.
pub(crate) fn unstring(value: &mut Value) {
    let parsed = value
        .as_str()
        .map(str::trim_start)
        .filter(|text| text.starts_with(['{', '[']))
        .and_then(|text| serde_json::from_str::<Value>(text).ok());
    if let Some(parsed) = parsed {
        *value = parsed;
    }
}
