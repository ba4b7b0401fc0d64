//! New templates.

use super::library::{BODY_INPUTS, BUTTON_INPUTS, LIBRARY, LibraryDraft};
use super::own::TemplateDraft;
use crate::check::Fields;

/// A new template, with components of the business or from Meta's template library.
#[derive(Clone, Debug, PartialEq)]
pub enum NewTemplate {
    /// Template with components of the business.
    Own(TemplateDraft),
    /// Template from Meta's template library.
    FromLibrary(LibraryDraft),
}

impl NewTemplate {
    /// Reads a new template and adds all violations. `None` is returned only after a violation.
    pub fn read(fields: &Fields<'_, '_>) -> Option<Self> {
        if fields.optional(LIBRARY).is_present() {
            return LibraryDraft::read(fields).map(Self::FromLibrary);
        }
        for name in [BODY_INPUTS, BUTTON_INPUTS] {
            fields.forbidden(name, "is allowed together with `library_template_name` only");
        }
        TemplateDraft::read(fields).map(Self::Own)
    }
}
