//! Key of a template.

use domain::id::WorkspaceId;

/// Key of a template: a name and a language in a WhatsApp Business Account.
#[derive(Clone, Copy)]
pub(crate) struct TemplateKey<'a> {
    pub(crate) workspace: WorkspaceId,
    pub(crate) waba_id: &'a str,
    pub(crate) name: &'a str,
    pub(crate) language: &'a str,
}

impl<'a> TemplateKey<'a> {
    /// Returns the parameters of a statement: workspace, WhatsApp Business Account, name, language.
    pub(crate) fn parameters(&self) -> (&[u8; 16], &'a str, &'a str, &'a str) {
        (self.workspace.as_bytes(), self.waba_id, self.name, self.language)
    }
}
