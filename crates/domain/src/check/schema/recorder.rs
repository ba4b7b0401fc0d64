//! Recorder of the rules of a reader.

use std::cell::RefCell;

use super::node::Node;
use crate::check::pointer::JsonPointer;
use crate::json::{Object, Value};

/// Prefix of a reference to a named schema of an OpenAPI document.
pub(crate) const REFERENCE: &str = "#/components/schemas/";

/// Object without members, which a described reader reads.
pub(crate) static EMPTY_OBJECT: Object = Object::new();
/// Array with one element, which a described reader reads.
pub(crate) static ONE_ELEMENT: [Value; 1] = [Value::Null];

/// Rules of a request that the readers have recorded.
#[derive(Debug, Default)]
pub(crate) struct SchemaRecorder {
    root: RefCell<Node>,
    pub(crate) definitions: RefCell<Object>,
    pub(crate) is_query: bool,
}

impl SchemaRecorder {
    pub(super) fn new(is_query: bool) -> Self {
        Self { is_query, ..Self::default() }
    }

    /// Returns the schema and the named schemas.
    pub(super) fn into_parts(self) -> (Value, Object) {
        (self.root.into_inner().schema(), self.definitions.into_inner())
    }

    /// Calls `f` with the part of the schema at a pointer.
    pub(crate) fn at<T>(&self, pointer: &JsonPointer<'_>, f: impl FnOnce(&mut Node) -> T) -> T {
        let mut steps = Vec::new();
        let mut next = Some(pointer);
        while let Some(pointer) = next {
            steps.push(pointer.step);
            next = pointer.parent;
        }
        self.root.borrow_mut().at(&steps, |node| {
            node.is_query = self.is_query;
            f(node)
        })
    }

    /// Records the rules of `read` at a pointer in a separate node, which begins as `start`. The node that is recorded at
    /// the pointer does not change.
    pub(crate) fn separately(&self, pointer: &JsonPointer<'_>, start: Node, read: impl FnOnce()) -> Node {
        let before = self.at(pointer, |node| std::mem::replace(node, start));
        read();
        self.at(pointer, |node| std::mem::replace(node, before))
    }

    /// Adds a named schema. Returns the reference to it.
    pub(crate) fn define(&self, name: &str, node: Node) -> Value {
        let schema = node.schema();
        self.definitions.borrow_mut().insert(name, schema);
        let mut reference = Object::new();
        reference.insert("$ref", format!("{REFERENCE}{name}"));
        reference.into()
    }
}
