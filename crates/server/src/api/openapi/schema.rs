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

    /// Adds a sentence to the description.
    fn append(self, sentence: &str) -> Self {
        let about = match self.0.get("description").and_then(Value::as_str) {
            Some(about) => std::format!("{about} {sentence}"),
            None => sentence.to_owned(),
        };
        self.about(&about)
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

impl From<Value> for Schema {
    fn from(schema: Value) -> Self {
        match schema {
            Value::Object(keywords) => Self(keywords),
            Value::Null
            | Value::Bool(_)
            | Value::Int(_)
            | Value::Float(_)
            | Value::String(_)
            | Value::Array(_) => Self::default(),
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

/// `true` or `false`.
pub(crate) fn boolean() -> Schema {
    Schema::of("boolean")
}

/// Any object.
pub(crate) fn any_object() -> Schema {
    Schema::of("object").set("additionalProperties", true)
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

/// An object of which exactly one of these members must be present and not `null`.
///
/// The rule is written with `not`, which code generators leave alone: of a choice of required members they make a union
/// of types that no object of the caller fits.
pub(crate) fn exactly_one(schema: Schema, names: &[&str]) -> Schema {
    let mut wrong = vec![all_absent(names)];
    for (index, first) in names.iter().enumerate() {
        wrong.extend(names.iter().skip(index.saturating_add(1)).map(|second| all_present(&[first, second])));
    }
    let about = std::format!("Exactly one of {} is required.", listed(names));
    schema.set("not", Schema::default().set("anyOf", wrong)).append(&about)
}

/// An object of which at least one of these members must be present and not `null`.
pub(crate) fn at_least_one(schema: Schema, names: &[&str]) -> Schema {
    let about = std::format!("At least one of {} is required.", listed(names));
    schema.set("not", all_absent(names)).append(&about)
}

/// "`a`, `b` and `c`".
fn listed(names: &[&str]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| std::format!("`{name}`")).collect();
    match quoted.as_slice() {
        [first @ .., last] if !first.is_empty() => std::format!("{} and {last}", first.join(", ")),
        _ => quoted.concat(),
    }
}

/// An object in which each of these members is missing or `null`.
fn all_absent(names: &[&str]) -> Value {
    let mut properties = Object::new();
    for name in names {
        properties.insert(name, Schema::of("null"));
    }
    Schema::default().set("properties", properties).into()
}

/// An object in which all of these members are present and not `null`.
fn all_present(names: &[&str]) -> Value {
    let mut properties = Object::new();
    for name in names {
        properties.insert(name, Schema::default().set("not", Schema::of("null")));
    }
    let required: Vec<Value> = names.iter().map(|name| Value::from(*name)).collect();
    Schema::default().set("required", required).set("properties", properties).into()
}

/// One of several named object schemas, told apart by the value of one property.
pub(crate) fn tagged<'a>(property: &str, variants: impl IntoIterator<Item = (&'a str, String)>) -> Schema {
    let (mut choices, mut mapping) = (Vec::new(), Object::new());
    for (value, name) in variants {
        mapping.insert(value, std::format!("#/components/schemas/{name}"));
        choices.push(named(&name));
    }
    let mut discriminator = Object::new();
    discriminator.insert("propertyName", property);
    discriminator.insert("mapping", mapping);
    one_of(choices).set("discriminator", discriminator)
}
