//! A JSON value of our own.
//!
//! A send body is checked, mended and handed on with its members in the caller's order, so the value keeps that order.
//! It reads and writes through serde, so that this crate needs no JSON parser.
//!
//! **Invariant:** an object read from JSON never has the same key twice: the reader refuses it, because two parsers
//! that pick different twins would send another message than the one that was checked.

pub(crate) mod pointer;
mod text;
mod wire;

/// One JSON value.
///
/// `==` compares the order of an object's members too; [`Value::same_as`] does not.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Value {
    /// `null`
    #[default]
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number written without fraction and exponent that fits an `i64`.
    Int(i64),
    /// Any other number, also a whole one beyond the range of `i64`. Never NaN or infinite when read from JSON.
    Float(f64),
    /// A string.
    String(String),
    /// An array.
    Array(Vec<Self>),
    /// An object.
    Object(Object),
}

impl Value {
    /// What the value is, with its article, for a sentence such as "must be a string, is a number".
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

    /// The text of a string; `None` for every other kind.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        if let Self::String(text) = self { Some(text) } else { None }
    }

    /// A whole number; `None` for a fraction and every other kind.
    #[must_use]
    pub const fn as_i64(&self) -> Option<i64> {
        if let Self::Int(number) = self { Some(*number) } else { None }
    }

    /// Any number; a whole one beyond 2^53 is rounded.
    #[must_use]
    pub const fn as_f64(&self) -> Option<f64> {
        match self {
            Self::Int(number) => Some(float_of(*number)),
            Self::Float(number) => Some(*number),
            Self::Null | Self::Bool(_) | Self::String(_) | Self::Array(_) | Self::Object(_) => None,
        }
    }

    /// A boolean; `None` for every other kind.
    #[must_use]
    pub const fn as_bool(&self) -> Option<bool> {
        if let Self::Bool(truth) = self { Some(*truth) } else { None }
    }

    /// The elements of an array; `None` for every other kind.
    #[must_use]
    pub fn as_array(&self) -> Option<&[Self]> {
        if let Self::Array(elements) = self { Some(elements) } else { None }
    }

    /// An object; `None` for every other kind.
    #[must_use]
    pub const fn as_object(&self) -> Option<&Object> {
        if let Self::Object(object) = self { Some(object) } else { None }
    }

    /// The same, to change it.
    pub const fn as_object_mut(&mut self) -> Option<&mut Object> {
        if let Self::Object(object) = self { Some(object) } else { None }
    }

    /// True for `null`.
    #[must_use]
    pub const fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// The member `key` of an object; `None` without it and for every other kind.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Self> {
        self.as_object()?.get(key)
    }

    /// The member `key` of an object, to change it.
    pub fn get_mut(&mut self, key: &str) -> Option<&mut Self> {
        self.as_object_mut()?.get_mut(key)
    }

    /// Whether both are the same JSON: members in any order, `1` like `1.0`.
    ///
    /// Two values are the same exactly when their [`Value::canonical`] texts are.
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
/// Look-up is a walk over the members: the objects of a message have a handful.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Object {
    members: Vec<(String, Value)>,
}

impl Object {
    /// An object without members.
    #[must_use]
    pub const fn new() -> Self {
        Self { members: Vec::new() }
    }

    /// The number of members.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.members.len()
    }

    /// True without members.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// The member `key`.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.members.iter().find(|(name, _)| name == key).map(|(_, value)| value)
    }

    /// The member `key`, to change it.
    pub fn get_mut(&mut self, key: &str) -> Option<&mut Value> {
        self.members.iter_mut().find(|(name, _)| name == key).map(|(_, value)| value)
    }

    /// Sets the member `key`: in its place if there is one (whose value is given back), else at the end.
    pub fn insert(&mut self, key: &str, value: impl Into<Value>) -> Option<Value> {
        let value = value.into();
        if let Some(place) = self.get_mut(key) {
            return Some(std::mem::replace(place, value));
        }
        self.members.push((key.to_owned(), value));
        None
    }

    /// Takes the member `key` out; the others keep their order.
    pub fn remove(&mut self, key: &str) -> Option<Value> {
        let index = self.members.iter().position(|(name, _)| name == key)?;
        Some(self.members.remove(index).1)
    }

    /// Gives the member `from` the key `to`, in its place. Does nothing without `from` or when `to` is taken.
    pub fn rename(&mut self, from: &str, to: &str) {
        if self.get(to).is_some() {
            return;
        }
        if let Some((name, _)) = self.members.iter_mut().find(|(name, _)| name == from) {
            to.clone_into(name);
        }
    }

    /// Keeps the members for which `keep` is true, in their order; it may change their values.
    pub fn retain(&mut self, mut keep: impl FnMut(&str, &mut Value) -> bool) {
        self.members.retain_mut(|(name, value)| keep(name, value));
    }

    /// The members in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &Value)> {
        self.members.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// The members in order, their values to be changed.
    pub fn iter_mut(&mut self) -> impl ExactSizeIterator<Item = (&str, &mut Value)> {
        self.members.iter_mut().map(|(name, value)| (name.as_str(), value))
    }

    /// As [`Value::same_as`].
    #[must_use]
    pub fn same_as(&self, other: &Self) -> bool {
        self.len() == other.len()
            && self
                .sorted()
                .iter()
                .zip(other.sorted())
                .all(|((name, value), (other_name, other))| *name == other_name && value.same_as(other))
    }

    /// The members by key.
    fn sorted(&self) -> Vec<(&str, &Value)> {
        let mut members: Vec<_> = self.iter().collect();
        members.sort_by_key(|(name, _)| *name);
        members
    }
}

impl FromIterator<(String, Value)> for Object {
    /// Later members replace earlier ones of the same key.
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

/// A string or key that holds U+0000, which PostgreSQL cannot store in text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NulCharacter {
    /// Where: the string, or the object when one of its keys holds it (so that the pointer itself is clean).
    pub pointer: String,
    /// True when it is in a key.
    pub in_key: bool,
}

/// The greatest whole number up to which every whole number is a float.
const EXACT: f64 = 9_007_199_254_740_992.0;

#[expect(clippy::as_conversions, reason = "there is no `From<i64>` for `f64`; rounding beyond 2^53 is meant")]
const fn float_of(number: i64) -> f64 {
    number as f64
}

/// The whole number that a float is, if it is one that floats can tell apart.
#[expect(clippy::as_conversions, reason = "there is no `TryFrom<f64>`; the guard keeps it within ±2^53")]
pub(crate) fn whole_of(number: f64) -> Option<i64> {
    (number.fract() == 0.0 && number.abs() <= EXACT).then_some(number as i64)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Value {
        serde_json::from_str(text).unwrap()
    }

    fn any_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::Bool),
            any::<i64>().prop_map(Value::Int),
            // Eighths: without its feature `float_roundtrip` serde_json reads long fractions only nearly.
            (-1_000_000_i32..1_000_000).prop_map(|eighths| Value::Float(f64::from(eighths) / 8.0)),
            ".{0,6}".prop_map(Value::String),
        ];
        leaf.prop_recursive(3, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
                prop::collection::vec(("[a-d~/\"]{0,3}", inner), 0..4)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    fn reversed(value: &Value) -> Value {
        match value {
            Value::Array(elements) => Value::Array(elements.iter().map(reversed).collect()),
            Value::Object(object) => {
                let mut members: Vec<_> =
                    object.iter().map(|(name, value)| (name.to_owned(), reversed(value))).collect();
                members.reverse();
                Value::Object(members.into_iter().collect())
            }
            Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::String(_) => {
                value.clone()
            }
        }
    }

    fn pointers(value: &Value, at: &str, all: &mut Vec<String>) {
        all.push(at.to_owned());
        let mut below = |token: &str, value: &Value| {
            let mut here = at.to_owned();
            pointer::push_token(&mut here, token);
            pointers(value, &here, all);
        };
        if let Value::Array(elements) = value {
            elements.iter().enumerate().for_each(|(index, element)| below(&index.to_string(), element));
        }
        if let Value::Object(object) = value {
            object.iter().for_each(|(name, value)| below(name, value));
        }
    }

    #[test]
    fn an_object_keeps_the_order_of_its_keys() {
        let text = r#"{"z":1,"a":[true,null,{"y":"ü\n\"","b":-2.5}],"m":{}}"#;
        assert_eq!(read(text).to_string(), text);
        assert_eq!(serde_json::to_string(&read(text)).unwrap(), text);
    }

    #[test]
    fn a_key_that_comes_twice_is_refused_by_name() {
        let error = serde_json::from_str::<Value>(r#"{"a":{"to":"1","x":0,"to":"2"}}"#).unwrap_err();
        assert!(error.to_string().starts_with("duplicate key `to`"), "{error}");
        let members: Vec<String> = (0..40).map(|n| format!("\"k{n}\":{n}")).collect();
        assert!(serde_json::from_str::<Value>(&format!("{{{}}}", members.join(","))).is_ok());
        let twice = format!("{{{},\"k7\":0}}", members.join(","));
        let error = serde_json::from_str::<Value>(&twice).unwrap_err();
        assert!(error.to_string().starts_with("duplicate key `k7`"), "{error}");
    }

    #[test]
    fn a_whole_number_beyond_64_bits_becomes_a_float() {
        assert_eq!(read("9223372036854775807"), Value::Int(i64::MAX));
        assert_eq!(read("9223372036854775808"), Value::Float(9_223_372_036_854_775_808.0));
    }

    #[test]
    fn equal_json_in_another_order_or_notation_is_the_same() {
        let a = read(r#"{"n":1,"list":[1.0,2],"o":{"x":null,"y":"z"}}"#);
        let b = read(r#"{"o":{"y":"z","x":null},"list":[1,2.0],"n":1.0}"#);
        assert!(a.same_as(&b));
        assert_eq!(a.canonical(), b.canonical());
        for other in [r#"{"n":1}"#, r#"{"n":1,"list":[2,1],"o":{"x":null,"y":"z"}}"#] {
            assert!(!a.same_as(&read(other)));
        }
        assert_eq!(read("-0.0").canonical(), "0");
    }

    #[test]
    fn the_first_nul_is_found_with_its_pointer() {
        let value = read(r#"{"a":"x","b":[{"c~/":"\u0000"}],"d":"\u0000"}"#);
        assert_eq!(value.find_nul(), Some(NulCharacter { pointer: "/b/0/c~0~1".to_owned(), in_key: false }));
        let value = read(r#"{"a":{"\u0000":1}}"#);
        assert_eq!(value.find_nul(), Some(NulCharacter { pointer: "/a".to_owned(), in_key: true }));
        assert_eq!(read(r#"{"a":["b",1]}"#).find_nul(), None);
    }

    #[test]
    fn members_are_set_renamed_and_removed_in_their_place() {
        let mut value = read(r#"{"url":"u","caption":"c"}"#);
        let object = value.as_object_mut().unwrap();
        object.rename("url", "link");
        assert_eq!(object.insert("link", "v"), Some(Value::from("u")));
        object.insert("last", true);
        object.rename("last", "caption");
        assert_eq!(value.to_string(), r#"{"link":"v","caption":"c","last":true}"#);
        assert_eq!(value.as_object_mut().unwrap().remove("caption"), Some(Value::from("c")));
        assert_eq!(value.to_string(), r#"{"link":"v","last":true}"#);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(96))]

        #[test]
        fn a_value_survives_being_written_and_read(value in any_value()) {
            prop_assert_eq!(&read(&value.to_string()), &value);
            prop_assert_eq!(&read(&serde_json::to_string(&value).unwrap()), &value);
        }

        #[test]
        fn the_canonical_text_decides_sameness(a in any_value(), b in any_value()) {
            prop_assert!(a.same_as(&reversed(&a)));
            prop_assert_eq!(a.canonical(), reversed(&a).canonical());
            prop_assert_eq!(a.same_as(&b), a.canonical() == b.canonical());
            prop_assert!(read(&a.canonical()).same_as(&a));
        }

        #[test]
        fn every_place_has_a_pointer_that_leads_there(value in any_value()) {
            let mut all = Vec::new();
            pointers(&value, "", &mut all);
            let mut copy = value.clone();
            for pointer in all {
                prop_assert!(value.at(&pointer).is_some(), "{}", pointer);
                prop_assert!(copy.at_mut(&pointer).is_some());
            }
            prop_assert!(value.at("nowhere").is_none());
        }
    }
}
