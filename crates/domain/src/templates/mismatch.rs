//! Mismatches between a message and its template.

use std::fmt;

use crate::text_enum;

/// One thing in which a message does not fit its template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateMismatch {
    /// JSON pointer into the send body; of something missing, where it should be or what should hold it.
    pub pointer: String,
    /// The part of the template: `header`, `body`, `button 0`, `card 1 body` (cards and buttons by their index).
    pub component: String,
    /// What kind of fault it is.
    pub kind: TemplateMismatchKind,
    /// The fault in words, without full stop: "needs 2 parameters, has 1: `{{2}}` is missing".
    pub reason: String,
}

text_enum! {
    /// The kinds of mismatch.
    pub enum TemplateMismatchKind {
        /// The template needs something that the message does not give.
        Missing = "missing",
        /// The message gives something that the template has no place for, or gives it twice.
        Extra = "extra",
        /// A parameter or button of another kind than the template's.
        WrongKind = "wrong_kind",
        /// A parameter name that the template does not have, or none where it needs one.
        WrongName = "wrong_name",
        /// A text, or the whole body with it, is too long.
        TooLong = "too_long",
        /// A value that Meta does not take there: an empty text, a line break, a code that differs from its twin.
        Invalid = "invalid",
    }
}

impl fmt::Display for TemplateMismatch {
    /// "body: needs 2 parameters, has 1: `{{2}}` is missing"
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.component, self.reason)
    }
}
