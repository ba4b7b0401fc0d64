//! JSON values and objects.

/// A JSON value.
///
/// `==` compares the order of an object's members; [`Value::same_as`] does not.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Value {
    /// `null`
    #[default]
    Null,
    /// `true` or `false`
    Bool(bool),
    /// Number that was written without fraction and exponent and that fits an `i64`.
    Int(i64),
    /// Any other number, for example a whole number beyond the range of `i64`. Never NaN or infinite if it was read
    /// from JSON.
    Float(f64),
    /// A string.
    String(String),
    /// An array.
    Array(Vec<Self>),
    /// An object.
    Object(Object),
}

impl Value {
    /// Returns the kind of the value with its article, for a sentence such as "must be a string, is a number".
    #[must_use]
    pub const fn kind_name(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::Int(_) | Self::Float(_) => "a number",
            Self::String(_) => "a string",
            Self::Array(_) => "an array",
            Self::Object(_) => "an object",
        }
    }

    /// Returns the text of a string; `None` for any other kind.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        if let Self::String(text) = self { Some(text) } else { None }
    }

    /// Returns a whole number; `None` for a fraction and any other kind.
    #[must_use]
    pub const fn as_i64(&self) -> Option<i64> {
        if let Self::Int(number) = self { Some(*number) } else { None }
    }

    /// Returns any number; a whole number beyond 2^53 is rounded.
    #[must_use]
    pub const fn as_f64(&self) -> Option<f64> {
        match self {
            Self::Int(number) => Some(float_of(*number)),
            Self::Float(number) => Some(*number),
            Self::Null | Self::Bool(_) | Self::String(_) | Self::Array(_) | Self::Object(_) => None,
        }
    }

    /// Returns a boolean; `None` for any other kind.
    #[must_use]
    pub const fn as_bool(&self) -> Option<bool> {
        if let Self::Bool(truth) = self { Some(*truth) } else { None }
    }

    /// Returns the elements of an array; `None` for any other kind.
    #[must_use]
    pub fn as_array(&self) -> Option<&[Self]> {
        if let Self::Array(elements) = self { Some(elements) } else { None }
    }

    /// Returns an object; `None` for any other kind.
    #[must_use]
    pub const fn as_object(&self) -> Option<&Object> {
        if let Self::Object(object) = self { Some(object) } else { None }
    }

    /// Returns an object for changes; `None` for any other kind.
    pub const fn as_object_mut(&mut self) -> Option<&mut Object> {
        if let Self::Object(object) = self { Some(object) } else { None }
    }

    /// Returns `true` for `null`.
    #[must_use]
    pub const fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// Returns the member `key` of an object; `None` if there is none, and for any other kind.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Self> {
        self.as_object()?.get(key)
    }

    /// Returns the member `key` of an object for changes.
    pub fn get_mut(&mut self, key: &str) -> Option<&mut Self> {
        self.as_object_mut()?.get_mut(key)
    }

    /// Returns `true` if this value and the values within it are at most `left` values, which are subtracted from `left`.
    pub(crate) fn is_within(&self, left: &mut usize) -> bool {
        let Some(rest) = left.checked_sub(1) else { return false };
        *left = rest;
        match self {
            Self::Null | Self::Bool(_) | Self::Int(_) | Self::Float(_) | Self::String(_) => true,
            Self::Array(elements) => elements.iter().all(|element| element.is_within(left)),
            Self::Object(object) => object.iter().all(|(_, value)| value.is_within(left)),
        }
    }

    /// Returns `true` if both are the same JSON: members in any order, `1` equal to `1.0`.
    ///
    /// Two values are the same if and only if their [`Value::canonical`] texts are equal.
    #[must_use]
    pub fn same_as(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Null, Self::Null) => true,
            (Self::Bool(a), Self::Bool(b)) => a == b,
            (Self::Int(a), Self::Int(b)) => a == b,
            (Self::Float(a), Self::Float(b)) => a == b,
            (Self::Int(whole), Self::Float(float)) | (Self::Float(float), Self::Int(whole)) => {
                whole_of(*float) == Some(*whole)
            }
            (Self::String(a), Self::String(b)) => a == b,
            (Self::Array(a), Self::Array(b)) => {
                a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.same_as(b))
            }
            (Self::Object(a), Self::Object(b)) => a.same_as(b),
            (
                Self::Null
                | Self::Bool(_)
                | Self::Int(_)
                | Self::Float(_)
                | Self::String(_)
                | Self::Array(_)
                | Self::Object(_),
                _,
            ) => false,
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::String(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::String(text)
    }
}

impl From<bool> for Value {
    fn from(truth: bool) -> Self {
        Self::Bool(truth)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Int(number)
    }
}

impl From<Object> for Value {
    fn from(object: Object) -> Self {
        Self::Object(object)
    }
}

impl From<Vec<Self>> for Value {
    fn from(elements: Vec<Self>) -> Self {
        Self::Array(elements)
    }
}

/// A JSON object whose members keep their order.
///
/// A lookup compares the members one by one, because the objects of a message have few members.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Object {
    pub(super) members: Vec<(String, Value)>,
}

impl Object {
    /// Creates an object without members.
    #[must_use]
    pub const fn new() -> Self {
        Self { members: Vec::new() }
    }

    /// Returns the number of members.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.members.len()
    }

    /// Returns `true` if there are no members.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Returns the member `key`.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.members.iter().find(|(name, _)| name == key).map(|(_, value)| value)
    }

    /// Returns the member `key` for changes.
    pub fn get_mut(&mut self, key: &str) -> Option<&mut Value> {
        self.members.iter_mut().find(|(name, _)| name == key).map(|(_, value)| value)
    }

    /// Sets the member `key`, at its position if it exists (the old value is returned), or else at the end.
    pub fn insert(&mut self, key: &str, value: impl Into<Value>) -> Option<Value> {
        let value = value.into();
        if let Some(member) = self.get_mut(key) {
            return Some(std::mem::replace(member, value));
        }
        self.members.push((key.to_owned(), value));
        None
    }

    /// Removes the member `key`; the other members keep their order.
    pub fn remove(&mut self, key: &str) -> Option<Value> {
        let index = self.members.iter().position(|(name, _)| name == key)?;
        Some(self.members.remove(index).1)
    }

    /// Renames the member `from` to `to` and keeps its position. Does nothing if there is no `from` or if `to` exists.
    pub fn rename(&mut self, from: &str, to: &str) {
        if self.get(to).is_some() {
            return;
        }
        if let Some((name, _)) = self.members.iter_mut().find(|(name, _)| name == from) {
            to.clone_into(name);
        }
    }

    /// Keeps the members for which `keep` returns `true`, in their order; `keep` may change their values.
    pub fn retain(&mut self, mut keep: impl FnMut(&str, &mut Value) -> bool) {
        self.members.retain_mut(|(name, value)| keep(name, value));
    }

    /// Returns the members in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &Value)> {
        self.members.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// Returns the members in order, with their values for changes.
    pub fn iter_mut(&mut self) -> impl ExactSizeIterator<Item = (&str, &mut Value)> {
        self.members.iter_mut().map(|(name, value)| (name.as_str(), value))
    }

    /// Returns `true` if both are the same JSON, as [`Value::same_as`] does.
    #[must_use]
    pub fn same_as(&self, other: &Self) -> bool {
        self.len() == other.len()
            && self
                .sorted()
                .iter()
                .zip(other.sorted())
                .all(|((name, value), (other_name, other))| *name == other_name && value.same_as(other))
    }

    /// Returns the members sorted by key.
    pub(super) fn sorted(&self) -> Vec<(&str, &Value)> {
        let mut members: Vec<_> = self.iter().collect();
        members.sort_by_key(|(name, _)| *name);
        members
    }
}

impl FromIterator<(String, Value)> for Object {
    /// A later member replaces an earlier one with the same key.
    fn from_iter<I: IntoIterator<Item = (String, Value)>>(members: I) -> Self {
        let mut object = Self::new();
        for (name, value) in members {
            object.insert(&name, value);
        }
        object
    }
}

impl IntoIterator for Object {
    type Item = (String, Value);
    type IntoIter = std::vec::IntoIter<(String, Value)>;

    fn into_iter(self) -> Self::IntoIter {
        self.members.into_iter()
    }
}

/// A character U+0000 in a string or key, which PostgreSQL cannot store in text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NulCharacter {
    /// JSON pointer of the string, or of the object if one of its keys has the character.
    pub pointer: String,
    /// `true` if the character is in a key.
    pub in_key: bool,
}

/// Greatest number up to which every whole number has a float of its own.
const EXACT: f64 = 9_007_199_254_740_992.0;

#[expect(clippy::as_conversions, reason = "there is no `From<i64>` for `f64`; rounding beyond 2^53 is meant")]
const fn float_of(number: i64) -> f64 {
    number as f64
}

/// Returns the whole number that a float stands for, if it is at most 2^53.
#[expect(clippy::as_conversions, reason = "there is no `TryFrom<f64>`; the guard keeps it within ±2^53")]
pub(crate) fn whole_of(number: f64) -> Option<i64> {
    (number.fract() == 0.0 && number.abs() <= EXACT).then_some(number as i64)
}
