//! State of a comparison of a message with its template.

use std::fmt;

use crate::check::{JsonPointer, Violations};
use crate::json::Value;
use crate::templates::mismatch::{TemplateMismatch, TemplateMismatchKind};
use crate::templates::text::ParameterFormat;

/// Mismatches found so far, and properties of the template on which the checks depend.
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
pub(super) struct ComponentName<'n> {
    pub(super) card: Option<i64>,
    pub(super) part: ComponentPart<'n>,
}

/// Component of a message and the pointer to its parameters.
#[derive(Clone, Copy)]
pub(super) struct Target<'t> {
    pub(super) pointer: &'t JsonPointer<'t>,
    pub(super) name: ComponentName<'t>,
}

#[derive(Clone, Copy)]
pub(super) enum ComponentPart<'n> {
    Header,
    Body,
    Button(i64),
    Other(&'n str),
    WholeCard,
}

impl fmt::Display for ComponentName<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(card) = self.card {
            write!(formatter, "card {card}")?;
            if !matches!(self.part, ComponentPart::WholeCard) {
                formatter.write_str(" ")?;
            }
        }
        match self.part {
            ComponentPart::Header => formatter.write_str("header"),
            ComponentPart::Body => formatter.write_str("body"),
            ComponentPart::Button(index) => write!(formatter, "button {index}"),
            ComponentPart::Other(kind) => formatter.write_str(kind),
            ComponentPart::WholeCard => Ok(()),
        }
    }
}

impl Binding {
    /// Returns `true` if no further mismatch is stored: a body of five megabytes can have a million mismatches.
    pub(super) const fn is_full(&self) -> bool {
        self.mismatches.len() >= Violations::MAX
    }

    /// Adds a mismatch.
    pub(super) fn add(
        &mut self,
        pointer: &JsonPointer<'_>,
        name: ComponentName<'_>,
        kind: TemplateMismatchKind,
        reason: impl Into<String>,
    ) {
        if self.is_full() {
            return;
        }
        self.mismatches.push(TemplateMismatch {
            pointer: pointer.text(),
            component: name.to_string(),
            kind,
            reason: reason.into(),
        });
    }
}

pub(super) fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}
