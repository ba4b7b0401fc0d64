//! Template messages.

use crate::json::Value;

/// What a template message says about its template.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TemplateMessage<'a> {
    /// The template's name.
    pub name: &'a str,
    /// The language code, such as `en` or `pt_BR`.
    pub language: &'a str,
    /// The components that carry parameters, in Meta's form; empty when there are none.
    pub components: &'a [Value],
}
