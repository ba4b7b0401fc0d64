//! Mismatches between a message and its template.

use std::fmt;

use crate::text_enum;

/// Mismatch between a message and its template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateMismatch {
    /// JSON pointer into the send request. For a missing part it names the member, or the object that should have it.
    pub pointer: String,
    /// Part of the template: `header`, `body`, `button 0`, `card 1 body` (cards and buttons by their index).
    pub component: String,
    /// Kind of the mismatch.
    pub kind: TemplateMismatchKind,
    /// Reason, without full stop: "needs 2 parameters, has 1: `{{2}}` is missing".
    pub reason: String,
}

text_enum! {
    /// Kind of a mismatch.
    pub enum TemplateMismatchKind {
        /// The message lacks a part that the template needs.
        Missing = "missing",
        /// The message has a part that the template does not have, or has a part twice.
        Extra = "extra",
        /// The type of a parameter or button differs from the template's.
        WrongKind = "wrong_kind",
        /// The name of a parameter is missing or unknown.
        WrongName = "wrong_name",
        /// A text, or the body with its parameters, is too long.
        TooLong = "too_long",
        /// Meta does not accept the value: an empty text, a line break, two different codes.
        Invalid = "invalid",
    }
}

impl fmt::Display for TemplateMismatch {
    /// Writes "body: needs 2 parameters, has 1: `{{2}}` is missing".
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.component, self.reason)
    }
}
