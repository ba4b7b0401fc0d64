//! Template messages.

use crate::json::Value;

/// Template object of a template message.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TemplateMessage<'a> {
    /// Name of the template.
    pub name: &'a str,
    /// Language code, such as `en` or `pt_BR`.
    pub language: &'a str,
    /// Components with parameters, in Meta's form; empty if there are none.
    pub components: &'a [Value],
}
