//! Checking JSON that strangers wrote, with every fault in one answer.
//!
//! A reader walks a [`Value`] that is already parsed. Each line names a field, says whether it must be there and gives
//! its type and limit; what does not hold goes to a [`Violations`] list, and the reading goes on:
//!
//! ```
//! use domain::check::{Fields, Place, Violations};
//! # fn button(object: &domain::json::Object) -> Result<(), Vec<domain::check::Violation>> {
//! let found = Violations::new();
//! let reply = Fields::read(object, Place::root(), &found);
//! let title = reply.required("title").string(1..=20);
//! let id = reply.required("id").string(1..=256);
//! let style = reply.optional("style").one_of(&["plain", "bold"]);
//! reply.finish(); // Whatever was not asked for is an unknown field.
//! # let _ = (title, id, style);
//! found.result(())
//! # }
//! ```
//!
//! A check gives `None` both for a field that is absent and for one with a violation. That is enough: when the list is
//! empty at the end, `None` of a required field cannot be.
//!
//! **Invariant:** nothing is allocated while all is well. A [`JsonPointer`] is a chain of references on the stack, written
//! out as a pointer only for a violation.
//!
//! **Invariant:** a violation points to a member that exists, or that is missing from an object that exists.

mod describe;
mod nearest;
mod patch;
mod pointer;
mod reader;
#[cfg(test)]
mod tests;
mod url;
mod violation;

pub use nearest::nearest;
pub use patch::Patch;
pub use pointer::JsonPointer;
pub use reader::{Fields, Item, Items};
pub use url::is_http_url;
pub use violation::{Violation, Violations};
