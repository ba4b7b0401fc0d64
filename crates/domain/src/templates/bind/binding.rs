//! State of a comparison of a message with its template.

use std::fmt;

use crate::check::{JsonPointer, Violations};
use crate::json::Value;
use crate::templates::mismatch::{TemplateMismatch, TemplateMismatchKind};
use crate::templates::text::ParameterFormat;

/// Mismatches found so far, and properties of the template that each part needs.
pub(super) struct Binding {
    pub(super) format: ParameterFormat,
    /// `true` for an authentication template: its parameters are the one-time code.
    pub(super) is_code: bool,
    /// `true` for a limited-time offer: its coupon code is shorter.
    pub(super) has_offer: bool,
    pub(super) mismatches: Vec<TemplateMismatch>,
}

/// Part of the template that a mismatch concerns.
#[derive(Clone, Copy)]
pub(super) struct Name<'n> {
    pub(super) card: Option<i64>,
    pub(super) part: Part<'n>,
}

#[derive(Clone, Copy)]
pub(super) enum Part<'n> {
    Header,
    Body,
    Button(i64),
    Other(&'n str),
    WholeCard,
}

impl fmt::Display for Name<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(card) = self.card {
            write!(formatter, "card {card}")?;
            if !matches!(self.part, Part::WholeCard) {
                formatter.write_str(" ")?;
            }
        }
        match self.part {
            Part::Header => formatter.write_str("header"),
            Part::Body => formatter.write_str("body"),
            Part::Button(index) => write!(formatter, "button {index}"),
            Part::Other(kind) => formatter.write_str(kind),
            Part::WholeCard => Ok(()),
        }
    }
}

impl Binding {
    /// Returns `true` if no further mismatch is stored: a body of five megabytes can have a million.
    pub(super) const fn is_full(&self) -> bool {
        self.mismatches.len() >= Violations::MAX
    }

    pub(super) fn note(
        &mut self,
        place: &JsonPointer<'_>,
        name: Name<'_>,
        kind: TemplateMismatchKind,
        reason: impl Into<String>,
    ) {
        if self.is_full() {
            return;
        }
        self.mismatches.push(TemplateMismatch {
            pointer: place.pointer(),
            component: name.to_string(),
            kind,
            reason: reason.into(),
        });
    }
}

pub(super) fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}
