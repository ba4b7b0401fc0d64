//! JSON Schema (2020-12), written by small builders.
//!
//! **Invariant:** a body is closed: what is not described is refused, as the handlers refuse it. An answer is open:
//! fields may be added to it.

use std::ops::{Bound, RangeBounds};

use domain::json::{Object, Value};

/// A schema.
#[derive(Clone, Debug, Default)]
pub(crate) struct Schema(Object);

impl Schema {
    fn of(kind: &str) -> Self {
        Self::default().set("type", kind)
    }

    /// Sets a keyword.
    pub(crate) fn set(mut self, keyword: &str, value: impl Into<Value>) -> Self {
        self.0.insert(keyword, value);
        self
    }

    /// What it is for.
    pub(crate) fn about(self, about: &str) -> Self {
        self.set("description", about)
    }

    /// What it is when nobody says.
    pub(crate) fn default_of(self, value: impl Into<Value>) -> Self {
        self.set("default", value)
    }

    /// A value that shows what is meant.
    pub(crate) fn example(self, value: impl Into<Value>) -> Self {
        self.set("examples", vec![value.into()])
    }

    /// The same, or `null`.
    pub(crate) fn or_null(mut self) -> Self {
        if let Some(Value::Array(words)) = self.0.get_mut("enum") {
            words.push(Value::Null);
        }
        match self.0.get("type").cloned() {
            Some(Value::String(kind)) if kind == "null" => self,
            Some(Value::String(kind)) => self.set("type", vec![kind.into(), "null".into()]),
            Some(_) => self,
            None if self.0.is_empty() => self,
            None => {
                let about = self.0.remove("description");
                let either = any_of([self, Self::of("null")]);
                match about {
                    Some(about) => either.set("description", about),
                    None => either,
                }
            }
        }
    }
}

impl From<Schema> for Value {
    fn from(schema: Schema) -> Self {
        schema.0.into()
    }
}

fn number_of(n: usize) -> Value {
    i64::try_from(n).unwrap_or(i64::MAX).into()
}

/// Adds the bounds under their two keywords.
fn bounded<T: Copy>(
    schema: Schema,
    bounds: &impl RangeBounds<T>,
    (least, most): (&str, &str),
    value: impl Fn(T) -> Value,
) -> Schema {
    let schema = match bounds.start_bound() {
        Bound::Included(n) | Bound::Excluded(n) => schema.set(least, value(*n)),
        Bound::Unbounded => schema,
    };
    match bounds.end_bound() {
        Bound::Included(n) | Bound::Excluded(n) => schema.set(most, value(*n)),
        Bound::Unbounded => schema,
    }
}

/// A string of so many characters; the bounds are inclusive.
pub(crate) fn text(length: impl RangeBounds<usize>) -> Schema {
    bounded(Schema::of("string"), &length, ("minLength", "maxLength"), number_of)
}

/// One of several words.
pub(crate) fn word<'a>(words: impl IntoIterator<Item = &'a str>) -> Schema {
    let words: Vec<Value> = words.into_iter().map(Value::from).collect();
    Schema::of("string").set("enum", words)
}

/// Exactly this word.
pub(crate) fn only(word: &str) -> Schema {
    Schema::of("string").set("const", word)
}

/// Something to see, on one line.
pub(crate) fn line(most: usize) -> Schema {
    const PLAIN: &str = r"[^\u0000-\u001f\u007f-\u009f]";
    let seen = std::format!("^{PLAIN}*{}{PLAIN}*$", PLAIN.replace("[^", r"[^\s"));
    text(1..=most).set("pattern", seen)
}

/// A string in a known format.
pub(crate) fn format(name: &str) -> Schema {
    Schema::of("string").set("format", name)
}

/// A string that matches.
pub(crate) fn pattern(pattern: &str) -> Schema {
    Schema::of("string").set("pattern", pattern)
}

/// One of these, in any case.
pub(crate) fn any_case(words: &[&str]) -> Schema {
    let letter = |letter: char| {
        if letter.is_ascii_alphabetic() {
            std::format!("[{}{}]", letter.to_ascii_lowercase(), letter.to_ascii_uppercase())
        } else {
            letter.to_string()
        }
    };
    let words: Vec<String> = words.iter().map(|word| word.chars().map(letter).collect()).collect();
    pattern(&std::format!("^({})$", words.join("|")))
}

/// A time.
pub(crate) fn time() -> Schema {
    format("date-time").example("2026-05-29T10:30:00Z")
}

/// An id of ours.
pub(crate) fn id() -> Schema {
    format("uuid")
}

/// A whole number; the bounds are inclusive.
pub(crate) fn integer(bounds: impl RangeBounds<i64>) -> Schema {
    bounded(Schema::of("integer"), &bounds, ("minimum", "maximum"), Value::from)
}

/// A whole number, also written as a string of digits.
pub(crate) fn integer_or_text(bounds: impl RangeBounds<i64>) -> Schema {
    any_of([integer(bounds), pattern("^-?[0-9]+$")])
}

/// A number between two others, also written as a string.
pub(crate) fn degrees(most: i64) -> Schema {
    let number = Schema::of("number").set("minimum", most.saturating_neg()).set("maximum", most);
    any_of([number, pattern(r"^-?[0-9]+(\.[0-9]+)?$")])
}

/// `true` or `false`.
pub(crate) fn boolean() -> Schema {
    Schema::of("boolean")
}

/// Any object.
pub(crate) fn any_object() -> Schema {
    Schema::of("object")
}

/// Anything.
pub(crate) fn anything() -> Schema {
    Schema::default()
}

/// So many of these.
pub(crate) fn list(of: Schema, length: impl RangeBounds<usize>) -> Schema {
    bounded(Schema::of("array").set("items", of), &length, ("minItems", "maxItems"), number_of)
}

/// An object whose members have names of somebody's choice.
pub(crate) fn map(of: Schema) -> Schema {
    Schema::of("object").set("additionalProperties", of)
}

/// A schema that has a name.
pub(crate) fn named(name: &str) -> Schema {
    Schema::default().set("$ref", std::format!("#/components/schemas/{name}"))
}

/// Exactly one of these.
pub(crate) fn one_of(schemas: impl IntoIterator<Item = Schema>) -> Schema {
    Schema::default().set("oneOf", schemas.into_iter().map(Value::from).collect::<Vec<_>>())
}

/// One or more of these.
pub(crate) fn any_of(schemas: impl IntoIterator<Item = Schema>) -> Schema {
    Schema::default().set("anyOf", schemas.into_iter().map(Value::from).collect::<Vec<_>>())
}

/// A member of an object.
#[derive(Clone, Debug)]
pub(crate) struct Field {
    name: &'static str,
    schema: Schema,
    is_required: bool,
    /// Whether `null` in a body is as good as nothing.
    is_nullable: bool,
}

/// A member of the body of a change that may be left out, but not cleared.
pub(crate) fn keep(name: &'static str, schema: Schema) -> Field {
    Field { name, schema, is_required: false, is_nullable: false }
}

/// A member that must be there.
pub(crate) fn need(name: &'static str, schema: Schema) -> Field {
    Field { name, schema, is_required: true, is_nullable: false }
}

/// A member that may be there.
pub(crate) fn may(name: &'static str, schema: Schema) -> Field {
    Field { name, schema, is_required: false, is_nullable: true }
}

fn object(fields: impl IntoIterator<Item = Field>, is_body: bool) -> Schema {
    let (mut properties, mut required) = (Object::new(), Vec::new());
    for Field { name, schema, is_required, is_nullable } in fields {
        if is_required {
            required.push(name.into());
        }
        let schema = if is_body && is_nullable { schema.or_null() } else { schema };
        properties.insert(name, schema);
    }
    let schema = Schema::of("object").set("properties", properties);
    if required.is_empty() { schema } else { schema.set("required", required) }
}

/// What a caller sends: what may be there may be `null`, and nothing else may be there.
pub(crate) fn body(fields: impl IntoIterator<Item = Field>) -> Schema {
    object(fields, true).set("additionalProperties", false)
}

/// The same, where further fields are passed on as they are.
pub(crate) fn open_body(fields: impl IntoIterator<Item = Field>) -> Schema {
    object(fields, true)
}

/// What an answer shows.
pub(crate) fn shown(fields: impl IntoIterator<Item = Field>) -> Schema {
    object(fields, false)
}

/// Exactly one of these members must be there.
pub(crate) fn exactly_one(schema: Schema, names: &[&str]) -> Schema {
    let choices: Vec<Value> = names.iter().map(|name| requires(name)).collect();
    schema.set("oneOf", choices)
}

/// At least one of these members must be there.
pub(crate) fn at_least_one(schema: Schema, names: &[&str]) -> Schema {
    let choices: Vec<Value> = names.iter().map(|name| requires(name)).collect();
    schema.set("anyOf", choices)
}

/// That a member is there, and is not `null`.
fn requires(name: &str) -> Value {
    let mut properties = Object::new();
    properties.insert(name, Schema::default().set("not", Schema::of("null")));
    Schema::default().set("required", vec![Value::from(name)]).set("properties", properties).into()
}
