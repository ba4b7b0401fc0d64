//! Violations of the rules for JSON of callers.

use std::cell::RefCell;

use super::pointer::JsonPointer;
use super::schema::recorder::SchemaRecorder;

/// A violation in the caller's JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// JSON pointer (RFC 6901) into the caller's body. For a missing member it names the member.
    pub pointer: String,
    /// Reason, to be read after the name of the field: "must be 1 to 20 characters, is 27". No full stop.
    pub reason: String,
}

impl Violation {
    /// Creates a violation of a rule that is not checked in this module.
    pub fn new(pointer: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), reason: reason.into() }
    }
}

/// Violations found so far, in the order of reading.
///
/// At most [`Violations::MAX`] are stored: a body of five megabytes can have a million violations.
#[derive(Debug, Default)]
pub struct Violations {
    list: RefCell<Vec<Violation>>,
    /// Recorder of the described reader; `None` while a value is checked.
    pub(super) recorder: Option<Box<SchemaRecorder>>,
}

impl Violations {
    /// Maximum number of stored violations; further violations are dropped.
    pub const MAX: usize = 100;

    /// Creates an empty list.
    #[must_use]
    pub const fn new() -> Self {
        Self { list: RefCell::new(Vec::new()), recorder: None }
    }

    /// Creates a list for a reader that is described.
    pub(super) fn describing(recorder: SchemaRecorder) -> Self {
        Self { recorder: Some(Box::new(recorder)), ..Self::default() }
    }

    /// Returns `true` while a reader is described, and no value is checked.
    pub(crate) const fn is_describing(&self) -> bool {
        self.recorder.is_some()
    }

    /// Returns `true` if there is no violation.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.borrow().is_empty()
    }

    /// Returns the number of violations, at most [`Violations::MAX`].
    #[must_use]
    pub fn len(&self) -> usize {
        self.list.borrow().len()
    }

    /// Returns `true` if no further violation is stored.
    pub(super) fn is_full(&self) -> bool {
        self.len() >= Self::MAX
    }

    /// Adds one violation.
    pub fn push(&self, violation: Violation) {
        if !self.is_full() && !self.is_describing() {
            self.list.borrow_mut().push(violation);
        }
    }

    /// Adds violations.
    pub fn extend(&self, violations: impl IntoIterator<Item = Violation>) {
        for violation in violations {
            self.push(violation);
        }
    }

    /// Adds one violation at a pointer.
    pub fn refuse(&self, pointer: &JsonPointer<'_>, reason: impl Into<String>) {
        if !self.is_full() {
            self.push(Violation { pointer: pointer.text(), reason: reason.into() });
        }
    }

    /// Returns the list.
    #[must_use]
    pub fn into_vec(self) -> Vec<Violation> {
        self.list.into_inner()
    }

    /// Returns `value` if there is no violation.
    ///
    /// # Errors
    /// The violations, at least one.
    pub fn result<T>(self, value: T) -> Result<T, Vec<Violation>> {
        let list = self.into_vec();
        if list.is_empty() { Ok(value) } else { Err(list) }
    }
}
