//! Message templates.

use super::port_macro::port;
use super::{ListedTemplate, Page, PageRequest, StoreError};
use domain::access::audit::AuditEntry;
use domain::id::{TemplateId, WorkspaceId};
use jiff::Timestamp;

port! {
    storage templates_port;

    /// Message templates as Meta last listed them.
    pub trait TemplateRecords {
        /// One template by its identity.
        async fn get_template(
            &self,
            workspace: WorkspaceId,
            waba_id: &str,
            name: &str,
            language: &str,
        ) -> Result<Option<StoredTemplate>, StoreError>;

        /// One page of templates.
        async fn list_templates(
            &self,
            workspace: WorkspaceId,
            filter: &TemplateFilter,
            page: PageRequest,
        ) -> Result<Page<StoredTemplate>, StoreError>;

        /// Writes down what Meta lists.
        async fn sync_templates(&self, put: TemplateSync) -> Result<TemplateSyncCounts, StoreError>;

        /// Forgets templates that were deleted at Meta: one language of a name, or all.
        async fn delete_templates(&self, deletion: TemplateDeletion, audit_entry: AuditEntry) -> Result<(), StoreError>;
    }
}

/// A template that is kept.
#[derive(Clone, Debug)]
pub struct StoredTemplate {
    /// Our id.
    pub id: TemplateId,
    /// The WhatsApp Business Account that owns it.
    pub waba_id: String,
    /// Meta's listing of it.
    pub listed: ListedTemplate,
    /// When Meta last told us.
    pub synced_at: Timestamp,
}

/// Which templates to list; `None` is any.
#[derive(Clone, Debug, Default)]
pub struct TemplateFilter {
    /// With this id of ours.
    pub id: Option<TemplateId>,
    /// Of this WhatsApp Business Account.
    pub waba_id: Option<String>,
    /// Of one of these WhatsApp Business Accounts.
    pub waba_ids: Option<Vec<String>>,
    /// With exactly this name.
    pub name: Option<String>,
    /// In this language.
    pub language: Option<String>,
    /// In this status, upper case.
    pub status: Option<String>,
    /// In this category, upper case.
    pub category: Option<String>,
    /// With this in the name.
    pub search: Option<String>,
}

/// What Meta listed of one WhatsApp Business Account.
#[derive(Clone, Debug)]
pub struct TemplateSync {
    /// The tenant.
    pub workspace: WorkspaceId,
    /// The WhatsApp Business Account.
    pub waba_id: String,
    /// The templates, each with the id that it gets if it is new.
    pub templates: Vec<(TemplateId, ListedTemplate)>,
    /// Whether this is all there is: what is missing here is gone at Meta.
    pub is_complete: bool,
    /// When.
    pub now: Timestamp,
    /// On whose behalf, if somebody asked for it.
    pub entry: Option<AuditEntry>,
}

/// What a sync changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TemplateSyncCounts {
    /// New ones.
    pub added: u32,
    /// Changed ones.
    pub updated: u32,
    /// Gone ones.
    pub removed: u32,
    /// All there are now.
    pub total: u32,
}

/// Templates to delete: one language of a template name, or all languages.
#[derive(Clone, Debug)]
pub struct TemplateDeletion {
    /// The workspace.
    pub workspace: WorkspaceId,
    /// Meta's id of the WhatsApp Business Account.
    pub waba_id: String,
    /// Name of the template.
    pub name: String,
    /// Language; `None` deletes all languages.
    pub language: Option<String>,
}
