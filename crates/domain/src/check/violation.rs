//! Violations of the rules for JSON of callers.

use std::cell::RefCell;

use super::pointer::JsonPointer;

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
    pub(super) fn is_full(&self) -> bool {
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
