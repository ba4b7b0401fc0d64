//! Facts that the rules of a component depend on.

use crate::templates::template::TemplateCategory;
use crate::templates::text::ParameterFormat;

/// Facts that the rules of a component depend on.
#[derive(Clone, Copy)]
pub(super) struct Rules<'a> {
    pub(super) category: &'a TemplateCategory,
    pub(super) format: ParameterFormat,
    pub(super) has_offer: bool,
    pub(super) is_card: bool,
}

impl Rules<'_> {
    pub(super) fn is_code(&self) -> bool {
        *self.category == TemplateCategory::Authentication
    }
}
