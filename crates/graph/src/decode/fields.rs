//! The members of one element, looked up by name.

use std::borrow::Cow;

use jiff::Timestamp;

use crate::walk::Json;

/// The members of an object, in its order.
pub(super) struct Fields<'a>(Vec<(Cow<'a, str>, Json<'a>)>);

/// Times after 2100 are a unit mixed up, not a prophecy.
const LATEST: i64 = 4_102_444_800;

impl<'a> Fields<'a> {
    pub(super) fn read(object: Json<'a>) -> Self {
        Self(object.members().collect())
    }

    /// The member `name`, unless it is null; of twins the last.
    pub(super) fn get(&self, name: &str) -> Option<Json<'a>> {
        let (_, value) = self.0.iter().rfind(|(key, _)| key == name)?;
        Some(*value).filter(|value| !value.is_null())
    }

    /// A word that may be missing.
    pub(super) fn word(&self, name: &str) -> Option<Cow<'a, str>> {
        self.get(name)?.word()
    }

    /// A word that must be there.
    pub(super) fn required(&self, name: &str) -> Result<Cow<'a, str>, String> {
        let Some(value) = self.get(name) else { return Err(format!("it has no `{name}`")) };
        value.word().ok_or_else(|| match value.string() {
            Some(_) => format!("its `{name}` is empty"),
            None => format!("its `{name}` is {}", value.kind_name()),
        })
    }

    /// The time `name` in Unix seconds.
    pub(super) fn time(&self, name: &str) -> Result<Timestamp, String> {
        let seconds = self.required(name)?;
        from_seconds(&seconds).ok_or_else(|| format!("its `{name}` is not a time in Unix seconds"))
    }

    /// The words of the member `name`, upper case.
    pub(super) fn upper(&self, name: &str) -> Option<String> {
        Some(self.word(name)?.to_ascii_uppercase())
    }
}

/// A time in Unix seconds.
pub(super) fn from_seconds(seconds: &str) -> Option<Timestamp> {
    let seconds = seconds.parse().ok().filter(|seconds| (1..LATEST).contains(seconds))?;
    Timestamp::from_second(seconds).ok()
}
