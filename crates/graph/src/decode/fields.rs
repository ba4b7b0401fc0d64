//! Members of one element, looked up by name.

use std::borrow::Cow;

use jiff::Timestamp;

use crate::json_reader::Json;

/// Members of an object, in the order of the text.
pub(super) struct ElementFields<'a>(Vec<(Cow<'a, str>, Json<'a>)>);

/// Times after 2100 are refused: they are milliseconds or another unit by mistake.
const LATEST: i64 = 4_102_444_800;

impl<'a> ElementFields<'a> {
    pub(super) fn read(object: Json<'a>) -> Self {
        Self(object.members().collect())
    }

    /// Returns the member `name`, unless it is null; of duplicates the last.
    pub(super) fn get(&self, name: &str) -> Option<Json<'a>> {
        let (_, value) = self.0.iter().rfind(|(key, _)| key == name)?;
        Some(*value).filter(|value| !value.is_null())
    }

    /// Returns an optional string.
    pub(super) fn scalar(&self, name: &str) -> Option<Cow<'a, str>> {
        self.get(name)?.scalar()
    }

    /// Returns a required string.
    pub(super) fn required(&self, name: &str) -> Result<Cow<'a, str>, String> {
        let Some(value) = self.get(name) else { return Err(format!("it has no `{name}`")) };
        value.scalar().ok_or_else(|| match value.string() {
            Some(_) => format!("its `{name}` is empty"),
            None => format!("its `{name}` is {}", value.kind_name()),
        })
    }

    /// Returns the time `name`, given in Unix seconds.
    pub(super) fn time(&self, name: &str) -> Result<Timestamp, String> {
        let seconds = self.required(name)?;
        from_seconds(&seconds).ok_or_else(|| format!("its `{name}` is not a time in Unix seconds"))
    }

    /// Returns the string `name` in upper case.
    pub(super) fn upper(&self, name: &str) -> Option<String> {
        Some(self.scalar(name)?.to_ascii_uppercase())
    }
}

/// Returns a time given in Unix seconds.
pub(super) fn from_seconds(seconds: &str) -> Option<Timestamp> {
    let seconds = seconds.parse().ok().filter(|seconds| (1..LATEST).contains(seconds))?;
    Timestamp::from_second(seconds).ok()
}

/// Converts an optional borrowed text to an owned one.
pub(crate) fn owned(text: Option<Cow<'_, str>>) -> Option<String> {
    text.map(Cow::into_owned)
}
