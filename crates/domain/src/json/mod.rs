//! JSON values that keep the order of their members.
//!
//! A send request is checked, normalized and passed on with its members in the caller's order. Values are read and
//! written through serde, so that this crate needs no JSON parser.
//!
//! **Invariant:** an object that was read from JSON has no key twice. The reader rejects duplicate keys, because two
//! parsers that choose different values would send another message than the one that was checked.

pub(crate) mod pointer;
mod serialization;
#[cfg(test)]
mod tests;
mod text;
mod value;

pub(crate) use value::whole_of;
pub use value::{NulCharacter, Object, Value};
