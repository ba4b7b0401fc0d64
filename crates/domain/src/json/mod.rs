//! A JSON value of our own.
//!
//! A send body is checked, mended and handed on with its members in the caller's order, so the value keeps that order.
//! It reads and writes through serde, so that this crate needs no JSON parser.
//!
//! **Invariant:** an object read from JSON never has the same key twice: the reader refuses it, because two parsers
//! that pick different twins would send another message than the one that was checked.

pub(crate) mod pointer;
mod serialization;
#[cfg(test)]
mod tests;
mod text;
mod value;

pub(crate) use value::whole_of;
pub use value::{NulCharacter, Object, Value};
