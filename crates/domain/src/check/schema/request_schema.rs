//! JSON Schema of a request.

use super::recorder::SchemaRecorder;
use crate::check::pointer::JsonPointer;
use crate::check::reader::{Fields, Item};
use crate::check::violation::Violations;
use crate::json::{Object, Value};

/// JSON Schema (2020-12) of the values that a reader accepts.
#[derive(Clone, Debug, PartialEq)]
pub struct RequestSchema {
    /// Schema of the request.
    pub schema: Value,
    /// Named schemas to which the schema refers, in the order of their dependencies.
    pub definitions: Object,
}

impl RequestSchema {
    /// Returns the schema of a JSON object that `read` reads.
    pub fn of<T>(read: impl FnOnce(&Fields<'_, '_>) -> T) -> Self {
        Self::recorded(false, |item| {
            if let Some(fields) = item.object() {
                let _described = read(&fields);
                fields.finish();
            }
        })
    }

    /// Returns the schema of a JSON value that `read` reads.
    pub fn of_value(read: impl FnOnce(Item<'_, '_>)) -> Self {
        Self::recorded(false, read)
    }

    /// Returns the schema of an object of query parameters that `read` reads. The values are texts: a number that is
    /// written as a text is described as a number.
    pub fn of_query<T>(read: impl FnOnce(&Fields<'_, '_>) -> T) -> Self {
        Self::recorded(true, |item| {
            if let Some(fields) = item.object() {
                let _described = read(&fields);
                fields.finish();
            }
        })
    }

    fn recorded(is_query: bool, read: impl FnOnce(Item<'_, '_>)) -> Self {
        let recorder = SchemaRecorder::new(is_query);
        let found = Violations::describing(recorder);
        read(Item { value: None, pointer: JsonPointer::root(), found: &found });
        let (schema, definitions) = found.recorder.unwrap_or_default().into_parts();
        Self { schema, definitions }
    }
}
