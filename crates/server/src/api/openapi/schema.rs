//! Builders of JSON Schemas (2020-12) for responses.
//!
//! **Invariant:** the schemas are open, because later versions may add fields to responses.

use std::ops::{Bound, RangeBounds};

use domain::json::{Object, Value};

/// A JSON Schema.
#[derive(Clone, Debug, Default)]
pub(crate) struct Schema(Object);

impl Schema {
    fn of_type(name: &str) -> Self {
        Self::default().set("type", name)
    }

    /// A string with a length in characters within these bounds.
    pub(crate) fn string(length: impl RangeBounds<usize>) -> Self {
        bounded(Self::of_type("string"), &length, ["minLength", "maxLength"], number_of)
    }

    /// One of several strings.
    pub(crate) fn enumeration<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        let names: Vec<Value> = names.into_iter().map(Value::from).collect();
        Self::of_type("string").set("enum", names)
    }

    /// Exactly this string.
    pub(crate) fn constant(text: &str) -> Self {
        Self::of_type("string").set("const", text)
    }

    /// A string in a format of JSON Schema or OpenAPI.
    pub(crate) fn format(name: &str) -> Self {
        Self::of_type("string").set("format", name)
    }

    /// A string that matches a regular expression.
    pub(crate) fn pattern(pattern: &str) -> Self {
        Self::of_type("string").set("pattern", pattern)
    }

    /// A time in RFC 3339.
    pub(crate) fn time() -> Self {
        Self::format("date-time").example("2026-05-29T10:30:00.000Z")
    }

    /// An identifier that Waypost assigned.
    pub(crate) fn uuid() -> Self {
        Self::format("uuid")
    }

    /// A whole number within these bounds.
    pub(crate) fn integer(bounds: impl RangeBounds<i64>) -> Self {
        bounded(Self::of_type("integer"), &bounds, ["minimum", "maximum"], Value::from)
    }

    /// `true` or `false`.
    pub(crate) fn boolean() -> Self {
        Self::of_type("boolean")
    }

    /// Any object.
    pub(crate) fn any_object() -> Self {
        Self::of_type("object").set("additionalProperties", true)
    }

    /// Any value.
    pub(crate) fn any() -> Self {
        Self::default()
    }

    /// An array with a number of elements within these bounds.
    pub(crate) fn array(elements: Self, length: impl RangeBounds<usize>) -> Self {
        bounded(Self::of_type("array").set("items", elements), &length, ["minItems", "maxItems"], number_of)
    }

    /// An object with any property names; all values have the same schema.
    pub(crate) fn map(values: Self) -> Self {
        Self::of_type("object").set("additionalProperties", values)
    }

    /// A reference to a named schema.
    pub(crate) fn reference(name: &str) -> Self {
        Self::default().set("$ref", format!("#/components/schemas/{name}"))
    }

    /// Exactly one of these schemas.
    pub(crate) fn one_of(schemas: impl IntoIterator<Item = Self>) -> Self {
        Self::default().set("oneOf", schemas.into_iter().map(Value::from).collect::<Vec<_>>())
    }

    /// One or more of these schemas.
    pub(crate) fn any_of(schemas: impl IntoIterator<Item = Self>) -> Self {
        Self::default().set("anyOf", schemas.into_iter().map(Value::from).collect::<Vec<_>>())
    }

    /// One of several named object schemas; the value of one property says which.
    pub(crate) fn discriminated<'a>(
        property: &str,
        variants: impl IntoIterator<Item = (&'a str, String)>,
    ) -> Self {
        let (mut choices, mut mapping) = (Vec::new(), Object::new());
        for (value, name) in variants {
            mapping.insert(value, format!("#/components/schemas/{name}"));
            choices.push(Self::reference(&name));
        }
        let mut discriminator = Object::new();
        discriminator.insert("propertyName", property);
        discriminator.insert("mapping", mapping);
        Self::one_of(choices).set("discriminator", discriminator)
    }

    /// An object in a response. Further properties may be added.
    pub(crate) fn object(properties: impl IntoIterator<Item = Property>) -> Self {
        let (mut schemas, mut required) = (Object::new(), Vec::new());
        for Property { name, schema, is_required } in properties {
            if is_required {
                required.push(name.into());
            }
            schemas.insert(name, schema);
        }
        let object = Self::of_type("object").set("properties", schemas);
        if required.is_empty() { object } else { object.set("required", required) }
    }

    /// Sets a keyword.
    pub(crate) fn set(mut self, keyword: &str, value: impl Into<Value>) -> Self {
        self.0.insert(keyword, value);
        self
    }

    /// Sets the description.
    pub(crate) fn about(self, about: &str) -> Self {
        self.set("description", about)
    }

    /// Sets an example.
    pub(crate) fn example(self, value: impl Into<Value>) -> Self {
        self.set("examples", vec![value.into()])
    }

    /// Also allows `null`.
    pub(crate) fn or_null(mut self) -> Self {
        if let Some(Value::Array(names)) = self.0.get_mut("enum") {
            names.push(Value::Null);
        }
        match self.0.get("type").cloned() {
            Some(Value::String(name)) if name == "null" => self,
            Some(Value::String(name)) => self.set("type", vec![name.into(), "null".into()]),
            Some(_) => self,
            None if self.0.is_empty() => self,
            None => {
                let about = self.0.remove("description");
                let either = Self::any_of([self, Self::of_type("null")]);
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

/// Adds inclusive bounds under two keywords, the minimum first.
fn bounded<T: Copy>(
    schema: Schema,
    bounds: &impl RangeBounds<T>,
    [minimum, maximum]: [&str; 2],
    value: impl Fn(T) -> Value,
) -> Schema {
    let schema = match bounds.start_bound() {
        Bound::Included(n) | Bound::Excluded(n) => schema.set(minimum, value(*n)),
        Bound::Unbounded => schema,
    };
    match bounds.end_bound() {
        Bound::Included(n) | Bound::Excluded(n) => schema.set(maximum, value(*n)),
        Bound::Unbounded => schema,
    }
}

/// A property of an object.
#[derive(Clone, Debug)]
pub(crate) struct Property {
    name: &'static str,
    schema: Schema,
    is_required: bool,
}

/// A property that is always present.
pub(crate) fn required(name: &'static str, schema: Schema) -> Property {
    Property { name, schema, is_required: true }
}

/// A property that may be missing.
pub(crate) fn optional(name: &'static str, schema: Schema) -> Property {
    Property { name, schema, is_required: false }
}
