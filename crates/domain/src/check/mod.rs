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

mod fields;
mod item;
mod nearest;
mod range;
#[cfg(test)]
mod tests;

use std::cell::{Cell, RefCell};

use crate::json::{self, Object, Value};

/// One fault of the caller's JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Where: a JSON pointer (RFC 6901) into the caller's body; of a missing member, where it should be.
    pub pointer: String,
    /// What is wrong, to be read after the field's name: "must be 1 to 20 characters, is 27". No full stop.
    pub reason: String,
}

impl Violation {
    /// A violation of a rule that no check of this module knows.
    pub fn new(pointer: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), reason: reason.into() }
    }
}

/// The faults found so far, in the order of reading.
///
/// At most [`Violations::MAX`] are kept: a body of five megabytes can hold a million.
#[derive(Debug, Default)]
pub struct Violations {
    list: RefCell<Vec<Violation>>,
}

impl Violations {
    /// How many violations are kept; the rest is dropped silently.
    pub const MAX: usize = 100;

    /// An empty list.
    #[must_use]
    pub const fn new() -> Self {
        Self { list: RefCell::new(Vec::new()) }
    }

    /// True while nothing is wrong.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.borrow().is_empty()
    }

    /// The number of violations, at most [`Violations::MAX`].
    #[must_use]
    pub fn len(&self) -> usize {
        self.list.borrow().len()
    }

    /// True when no further violation is kept.
    fn is_full(&self) -> bool {
        self.len() >= Self::MAX
    }

    /// Adds one violation.
    pub fn push(&self, violation: Violation) {
        if !self.is_full() {
            self.list.borrow_mut().push(violation);
        }
    }

    /// Adds those that another reading found.
    pub fn extend(&self, violations: impl IntoIterator<Item = Violation>) {
        for violation in violations {
            self.push(violation);
        }
    }

    /// Adds one violation at a place.
    pub fn refuse(&self, place: &JsonPointer<'_>, reason: impl Into<String>) {
        if !self.is_full() {
            self.push(Violation { pointer: place.pointer(), reason: reason.into() });
        }
    }

    /// The list itself.
    #[must_use]
    pub fn into_vec(self) -> Vec<Violation> {
        self.list.into_inner()
    }

    /// `value` when nothing is wrong.
    ///
    /// # Errors
    /// The violations, at least one.
    pub fn result<T>(self, value: T) -> Result<T, Vec<Violation>> {
        let list = self.into_vec();
        if list.is_empty() { Ok(value) } else { Err(list) }
    }
}

/// A place in the caller's JSON: a chain of steps that lives on the stack.
#[derive(Clone, Copy, Debug)]
pub struct JsonPointer<'p> {
    parent: Option<&'p Self>,
    step: Step<'p>,
}

#[derive(Clone, Copy, Debug)]
enum Step<'p> {
    /// A pointer, already escaped.
    Base(&'p str),
    Key(&'p str),
    Index(usize),
}

impl<'p> JsonPointer<'p> {
    /// The whole document: the pointer `""`.
    #[must_use]
    pub const fn root() -> Self {
        Self::from_pointer("")
    }

    /// The place that a JSON pointer names.
    #[must_use]
    pub const fn from_pointer(pointer: &'p str) -> Self {
        Self { parent: None, step: Step::Base(pointer) }
    }

    /// The member `key` of the object here.
    #[must_use]
    pub const fn key(&'p self, key: &'p str) -> Self {
        Self { parent: Some(self), step: Step::Key(key) }
    }

    /// The element `index` of the array here.
    #[must_use]
    pub const fn index(&'p self, index: usize) -> Self {
        Self { parent: Some(self), step: Step::Index(index) }
    }

    /// The place as a JSON pointer (RFC 6901).
    #[must_use]
    pub fn pointer(&self) -> String {
        let mut pointer = String::new();
        self.write(&mut pointer);
        pointer
    }

    fn write(&self, pointer: &mut String) {
        if let Some(parent) = self.parent {
            parent.write(pointer);
        }
        match self.step {
            Step::Base(base) => pointer.push_str(base),
            Step::Key(key) => json::pointer::push_token(pointer, key),
            Step::Index(index) => json::pointer::push_token(pointer, &index.to_string()),
        }
    }
}

/// The fields of one object, each asked for by name.
///
/// Call [`Fields::finish`] at the end, or unknown fields go unnoticed.
#[derive(Debug)]
#[must_use = "without `finish` unknown fields go unnoticed"]
pub struct Fields<'a, 'p> {
    object: &'a Object,
    place: JsonPointer<'p>,
    found: &'p Violations,
    asked: Asked,
}

/// The names that were asked for, on the stack up to a number that nearly every object stays below.
#[derive(Debug)]
struct Asked {
    /// How many of them were there.
    n_present: Cell<usize>,
    n_first: Cell<usize>,
    first: [Cell<&'static str>; 16],
    rest: RefCell<Vec<&'static str>>,
}

/// A value at a place, or its absence; each method checks it for one shape.
///
/// A check of an absent item gives `None` and finds nothing wrong: that a required one is missing was noted when it was
/// asked for.
#[derive(Clone, Copy, Debug)]
#[must_use = "an item that is not checked can be anything"]
pub struct Item<'a, 'p> {
    value: Option<&'a Value>,
    place: JsonPointer<'p>,
    found: &'p Violations,
}

/// The elements of an array whose length was checked.
#[derive(Clone, Copy, Debug)]
pub struct Items<'a, 'p> {
    elements: &'a [Value],
    place: JsonPointer<'p>,
    found: &'p Violations,
}

/// What a PUT does to a field: absent keeps, `null` clears.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Patch<T> {
    /// The field was not given.
    #[default]
    Keep,
    /// The field was `null`.
    Clear,
    /// The field has a value.
    Set(T),
}

impl<T> Patch<T> {
    /// Checks the new value: `change.and_then(|item| item.string(1..=60))`. One with a violation becomes `Keep`.
    pub fn and_then<U>(self, check: impl FnOnce(T) -> Option<U>) -> Patch<U> {
        match self {
            Self::Keep => Patch::Keep,
            Self::Clear => Patch::Clear,
            Self::Set(value) => check(value).map_or(Patch::Keep, Patch::Set),
        }
    }
}

/// The name among `names` that a mistyped `word` most likely meant; `None` when none is near.
///
/// Near is one edit (a letter more, less or other, or two swapped) for every three letters, at least one.
#[must_use]
pub fn nearest<'n>(word: &str, names: &[&'n str]) -> Option<&'n str> {
    nearest::nearest(word, names)
}

/// Whether `text` is an absolute `http` or `https` URL as far as Meta would follow it: a host, and no blanks.
#[must_use]
pub fn is_http_url(text: &str) -> bool {
    let scheme = |name: &str| {
        text.get(..name.len())
            .filter(|start| start.eq_ignore_ascii_case(name))
            .and_then(|start| text.get(start.len()..))
    };
    let Some(rest) = scheme("https://").or_else(|| scheme("http://")) else { return false };
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = host.rsplit('@').next().unwrap_or_default();
    !host.is_empty()
        && !host.starts_with(':')
        && !rest.chars().any(|character| character.is_whitespace() || character.is_control())
}
