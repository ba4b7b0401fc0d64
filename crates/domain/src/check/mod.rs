//! Checks of JSON from callers. One response contains all violations.
//!
//! The [`Value`](crate::json::Value) is already parsed. Each line of a reader names a field, says if the field is
//! required and gives its type and limit. Violations are added to a [`Violations`] list, and reading continues:
//!
//! ```
//! use domain::check::{Fields, JsonPointer, Violations};
//! # fn button(object: &domain::json::Object) -> Result<(), Vec<domain::check::Violation>> {
//! let found = Violations::new();
//! let reply = Fields::read(object, JsonPointer::root(), &found);
//! let title = reply.required("title").string(1..=20);
//! let id = reply.required("id").string(1..=256);
//! let style = reply.optional("style").one_of(&["plain", "bold"]);
//! reply.finish(); // Reports unknown fields.
//! # let _ = (title, id, style);
//! found.result(())
//! # }
//! ```
//!
//! A check returns `None` for an absent field and for a field with a violation. If the list is empty at the end, no
//! required field is `None`.
//!
//! **Invariant:** nothing is allocated while there is no violation. A [`JsonPointer`] is a chain of references on the
//! stack that is written as text only for a violation.
//!
//! **Invariant:** the pointer of a violation names a member that exists, or a missing member of an object that exists.

mod describe;
mod fields;
mod limits;
mod nearest;
mod patch;
mod pointer;
mod reader;
mod schema;
#[cfg(test)]
mod tests;
mod url;
mod violation;

pub use limits::{MAX_ELEMENTS, MAX_JSON_TEXT, MAX_MEMBERS, MAX_STRING, MAX_VALUES};
pub use nearest::{nearest, nearest_names, nearest_of};
pub use patch::Patch;
pub use pointer::JsonPointer;
pub use reader::{Fields, Item, Items};
pub use schema::{RequestSchema, Variant};
pub(crate) use url::path_start;
pub use url::{is_http_url, request_url};
pub use violation::{Violation, Violations};
