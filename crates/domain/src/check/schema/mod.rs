//! JSON Schemas of readers.
//!
//! A reader states names, types and limits once. Run on a value, it checks the value; run by [`RequestSchema::of`], it
//! writes down what it would check. [`Item::about`] and its neighbours add what only readers of documentation need: they
//! do nothing while a value is checked.
//!
//! **Invariant:** a reader takes each field on every path, and branches on values only within [`Fields::variants`],
//! [`Item::string_or`] and [`Fields::exactly_one`]: a field that is read only after another was found is not described.

mod describe;
mod node;
#[cfg(test)]
mod tests;

use std::cell::RefCell;

use super::pointer::JsonPointer;
use super::reader::{Fields, Item};
use super::violation::Violations;
use crate::json::{Object, Value};

pub use describe::Variant;
pub(crate) use node::Node;

/// Prefix of a reference to a named schema of an OpenAPI document.
pub(crate) const REFERENCE: &str = "#/components/schemas/";

/// An object without members, which is what a described reader reads.
pub(crate) static NOTHING: Object = Object::new();
/// A list of one element, of which a described reader reads nothing.
pub(crate) static ONE_ELEMENT: [Value; 1] = [Value::Null];

/// JSON Schema (2020-12) of what a reader accepts.
#[derive(Clone, Debug, PartialEq)]
pub struct RequestSchema {
    /// The schema itself.
    pub schema: Value,
    /// The named schemas that it refers to, each after those that it refers to itself.
    pub definitions: Object,
}

impl RequestSchema {
    /// Schema of a JSON object, as `read` reads it.
    pub fn of<T>(read: impl FnOnce(&Fields<'_, '_>) -> T) -> Self {
        Self::recorded(false, |item| {
            if let Some(fields) = item.object() {
                let _described = read(&fields);
                fields.finish();
            }
        })
    }

    /// Schema of a JSON value, as `read` reads it.
    pub fn of_value(read: impl FnOnce(Item<'_, '_>)) -> Self {
        Self::recorded(false, read)
    }

    /// Schema of an object of query parameters, as `read` reads it. The values are texts, so a number written as text is
    /// described as a number.
    pub fn of_query<T>(read: impl FnOnce(&Fields<'_, '_>) -> T) -> Self {
        Self::recorded(true, |item| {
            if let Some(fields) = item.object() {
                let _described = read(&fields);
                fields.finish();
            }
        })
    }

    fn recorded(is_query: bool, read: impl FnOnce(Item<'_, '_>)) -> Self {
        let recorder = SchemaRecorder { is_query, ..SchemaRecorder::default() };
        let found = Violations::describing(recorder);
        read(Item { value: None, place: JsonPointer::root(), found: &found });
        let recorder = found.recorder.unwrap_or_default();
        Self { schema: recorder.root.into_inner().schema(), definitions: recorder.definitions.into_inner() }
    }
}

/// Descriptions that the readers of a request have made until now.
#[derive(Debug, Default)]
pub(crate) struct SchemaRecorder {
    root: RefCell<Node>,
    pub(crate) definitions: RefCell<Object>,
    pub(crate) is_query: bool,
}
impl SchemaRecorder {
    /// Calls `f` with the part of the schema at a place.
    pub(crate) fn at<T>(&self, place: &JsonPointer<'_>, f: impl FnOnce(&mut Node) -> T) -> T {
        let mut steps = Vec::new();
        let mut next = Some(place);
        while let Some(place) = next {
            steps.push(place.step);
            next = place.parent;
        }
        self.root.borrow_mut().at(&steps, |node| {
            node.is_query = self.is_query;
            f(node)
        })
    }

    /// Describes what `read` reads at a place, beginning with `start`, apart from what is described there already.
    pub(crate) fn apart(&self, place: &JsonPointer<'_>, start: Node, read: impl FnOnce()) -> Node {
        let before = self.at(place, |node| std::mem::replace(node, start));
        read();
        self.at(place, |node| std::mem::replace(node, before))
    }

    /// Names a schema; returns the reference to it.
    pub(crate) fn define(&self, name: &str, node: Node) -> Value {
        let schema = node.schema();
        self.definitions.borrow_mut().insert(name, schema);
        reference(name)
    }
}

pub(crate) fn reference(name: &str) -> Value {
    let mut reference = Object::new();
    reference.insert("$ref", format!("{REFERENCE}{name}"));
    reference.into()
}
impl Violations {
    /// `true` while a reader is described, and no value is checked.
    pub(crate) const fn is_describing(&self) -> bool {
        self.recorder.is_some()
    }
}
