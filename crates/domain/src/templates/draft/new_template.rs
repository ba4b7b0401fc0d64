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
        fields.about("Meta's rules are checked before the call of Meta; docs/templates.md lists the rules.");
        let with_library = |fields: &Fields<'_, '_>| LibraryDraft::read(fields).map(Self::FromLibrary);
        let with_components = |fields: &Fields<'_, '_>| {
            for name in [BODY_INPUTS, BUTTON_INPUTS] {
                fields.forbidden(name, "is allowed together with `library_template_name` only");
            }
            TemplateDraft::read(fields).map(Self::Own)
        };
        let names = ["NewTemplateFromLibrary", "NewTemplateWithComponents"];
        fields.with_or_without(LIBRARY, names, with_library, with_components).flatten()
    }
}
