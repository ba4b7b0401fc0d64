//! JSON Schemas of readers.
//!
//! A reader states names, types and limits once. If the reader is run on a value, it checks the value. If it is run by
//! [`RequestSchema::of`], it records its rules. [`Item::about`](super::Item::about) and similar methods add documentation:
//! they do nothing while a value is checked.
//!
//! **Invariant:** a reader requests each field on every path, and branches on values only within
//! [`Fields::variants`](super::Fields::variants), [`Item::string_or`](super::Item::string_or) and
//! [`Fields::exactly_one`](super::Fields::exactly_one): a field that is read only if another field is present is not
//! described.

mod describe;
pub(super) mod node;
pub(super) mod recorder;
mod request_schema;
#[cfg(test)]
mod tests;

pub use describe::Variant;
pub use request_schema::RequestSchema;
