//! SchemaNames for the schemas of the document.
//!
//! Code generators create a class for each named schema, but an unreadable class or none for each nested schema. So every
//! object schema gets a name: a request body is `<OperationId>Request`, a response is `<OperationId>Response`, and a
//! nested object is named after its parent and its property (`Account` and `messaging_limit`: `AccountMessagingLimit`).
//!
//! **Invariant:** no object schema with properties stands within another schema, and a schema stands after those that it
//! refers to: generators that read the document once, from top to bottom, find each reference.

use std::collections::BTreeSet;

use domain::json::{Object, Value};

use crate::api::openapi::schema::Schema;

/// Prefix of a reference to a named schema.
const SCHEMAS: &str = "#/components/schemas/";

/// The named schemas, in the order in which they were defined.
#[derive(Debug, Default)]
pub(crate) struct SchemaNames {
    schemas: Object,
}

impl SchemaNames {
    /// Adds a schema under its own name; the objects within it are named after it.
    pub(crate) fn define(&mut self, name: &str, schema: Schema) {
        let mut schema = Value::from(schema);
        self.name_parts(name, &mut schema);
        self.schemas.insert(name, schema);
    }

    /// Replaces a nested schema of objects by a reference to a new named schema.
    pub(crate) fn extract(&mut self, name: &str, schema: &mut Value) {
        if !is_nested_object(schema) {
            self.name_parts(name, schema);
            return;
        }
        let is_nullable = take_null(schema);
        self.name_parts(name, schema);
        let name = self.free_name(name, schema);
        let extracted = std::mem::take(schema);
        let reference = Schema::reference(&name);
        *schema = if is_nullable { reference.or_null().into() } else { reference.into() };
        self.schemas.insert(&name, extracted);
    }

    /// The name itself, unless another schema has it.
    fn free_name(&self, name: &str, schema: &Value) -> String {
        let mut free = name.to_owned();
        let mut n = 1;
        while self.schemas.get(&free).is_some_and(|known| known != schema) {
            n += 1;
            free = format!("{name}{n}");
        }
        free
    }

    fn name_parts(&mut self, name: &str, schema: &mut Value) {
        if let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) {
            for (property, part) in properties.iter_mut() {
                self.extract(&format!("{name}{}", pascal_case(property)), part);
            }
        }
        if let Some(items) = schema.get_mut("items") {
            self.extract(&singular(name), items);
        }
        if let Some(value) = schema.get_mut("additionalProperties") {
            self.extract(&format!("{name}Value"), value);
        }
        for keyword in ["oneOf", "anyOf"] {
            let Some(Value::Array(choices)) = schema.get_mut(keyword) else { continue };
            let n_objects = choices.iter().filter(|choice| is_nested_object(choice)).count();
            let mut n = 0;
            for choice in choices {
                let is_object = is_nested_object(choice);
                n += usize::from(is_object);
                let name =
                    if is_object && n_objects > 1 { format!("{name}Variant{n}") } else { name.to_owned() };
                let name = if is_object && n_objects == 1 { format!("{name}Object") } else { name };
                self.extract(&name, choice);
            }
        }
    }

    /// Returns the schemas, each after the schemas that it refers to.
    pub(crate) fn in_order(self) -> Object {
        let mut ordered = Ordered { schemas: &self.schemas, done: Object::new(), begun: BTreeSet::new() };
        for (name, _) in self.schemas.iter() {
            ordered.add(name);
        }
        ordered.done
    }
}

struct Ordered<'a> {
    schemas: &'a Object,
    done: Object,
    begun: BTreeSet<String>,
}

impl Ordered<'_> {
    fn add(&mut self, name: &str) {
        let Some(schema) = self.schemas.get(name) else { return };
        if !self.begun.insert(name.to_owned()) {
            return;
        }
        self.add_referenced(schema);
        self.done.insert(name, schema.clone());
    }

    fn add_referenced(&mut self, value: &Value) {
        if let Some(name) =
            value.get("$ref").and_then(Value::as_str).and_then(|name| name.strip_prefix(SCHEMAS))
        {
            self.add(name);
        }
        for element in value.as_array().unwrap_or_default() {
            self.add_referenced(element);
        }
        if let Some(object) = value.as_object() {
            object.iter().for_each(|(_, member)| self.add_referenced(member));
        }
    }
}

/// `true` for an object with properties, or a choice of schemas, that has no name.
fn is_nested_object(schema: &Value) -> bool {
    schema.get("properties").and_then(Value::as_object).is_some_and(|properties| !properties.is_empty())
        || schema.get("oneOf").is_some()
}

/// Removes `null` from the types of an object; returns `true` if it was there.
fn take_null(schema: &mut Value) -> bool {
    let Some(kind) = schema.get_mut("type") else { return false };
    let Some(kinds) = kind.as_array() else { return false };
    let n_kinds = kinds.len();
    let others: Vec<Value> = kinds.iter().filter(|kind| kind.as_str() != Some("null")).cloned().collect();
    let is_nullable = others.len() < n_kinds;
    if let [only] = others.as_slice() {
        *kind = only.clone();
    }
    is_nullable
}

/// Name of an element of a list: `OrderItems`: `OrderItem`.
fn singular(name: &str) -> String {
    match name.strip_suffix('s') {
        Some(one) => one.to_owned(),
        None => format!("{name}Item"),
    }
}

/// `send_message`: `SendMessage`.
pub(crate) fn pascal_case(name: &str) -> String {
    let parts = name.split(|letter: char| !letter.is_ascii_alphanumeric()).map(|part| {
        let mut letters = part.chars();
        let first = letters.next().map(|letter| letter.to_ascii_uppercase());
        first.into_iter().chain(letters).collect::<String>()
    });
    parts.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Value {
        serde_json::from_str(text).expect("JSON")
    }

    #[test]
    fn a_nested_object_gets_the_name_of_its_parent_and_its_property() {
        let mut names = SchemaNames::default();
        let mut schema = read(
            r#"{"type":"object","properties":{"a_b":{"type":["object","null"],"properties":{"c":{"type":"string"}}}}}"#,
        );
        names.extract("Thing", &mut schema);
        assert_eq!(schema, read(r##"{"$ref":"#/components/schemas/Thing"}"##));
        let expected = read(
            r##"{"ThingAB":{"type":"object","properties":{"c":{"type":"string"}}},
                "Thing":{"type":"object","properties":{"a_b":{"anyOf":[{"$ref":"#/components/schemas/ThingAB"},{"type":"null"}]}}}}"##,
        );
        assert_eq!(Value::Object(names.in_order()), expected);
    }
}
