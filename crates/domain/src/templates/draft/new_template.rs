//! Templates to be created.

use super::library::{BODY_INPUTS, BUTTON_INPUTS, LIBRARY, LibraryDraft};
use super::own::TemplateDraft;
use crate::check::Fields;

/// A template to be created, with content of one's own or from Meta's library.
#[derive(Clone, Debug, PartialEq)]
pub enum NewTemplate {
    /// Its components are given.
    Own(TemplateDraft),
    /// Meta's library has them.
    FromLibrary(LibraryDraft),
}

impl NewTemplate {
    /// Reads what is to be created, with every violation. `None` comes with at least one.
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
