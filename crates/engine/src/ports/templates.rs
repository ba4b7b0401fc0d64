//! Message templates.

use super::port_macro::port;
use super::storage::{Page, PageRequest, StoreError};
use super::upstream::ListedTemplate;
use domain::access::audit::AuditEntry;
use domain::id::{TemplateId, WorkspaceId};
use jiff::Timestamp;

port! {
    storage templates_port;

    /// Message templates as Meta last listed them.
    pub trait TemplateRecords {
        /// Returns a template by name and language.
        async fn get_template(
            &self,
            workspace: WorkspaceId,
            waba_id: &str,
            name: &str,
            language: &str,
        ) -> Result<Option<StoredTemplate>, StoreError>;

        /// Returns a page of templates.
        async fn list_templates(
            &self,
            workspace: WorkspaceId,
            filter: &TemplateFilter,
            page: PageRequest,
        ) -> Result<Page<StoredTemplate>, StoreError>;

        /// Returns the languages of a template name, and all names of a WhatsApp Business Account.
        async fn list_template_names(
            &self,
            workspace: WorkspaceId,
            waba_id: &str,
            name: &str,
        ) -> Result<TemplateNames, StoreError>;

        /// Returns the time since which all templates of a WhatsApp Business Account have been synchronized; `None` if
        /// there are no templates.
        async fn get_templates_synced_at(
            &self,
            workspace: WorkspaceId,
            waba_id: &str,
        ) -> Result<Option<Timestamp>, StoreError>;

        /// Inserts, updates and deletes templates according to Meta's list.
        async fn sync_templates(&self, sync: TemplateSync) -> Result<TemplateSyncCounts, StoreError>;

        /// Deletes templates that were deleted at Meta.
        async fn delete_templates(&self, deletion: TemplateDeletion, audit_entry: AuditEntry) -> Result<(), StoreError>;
    }
}

/// Template read from the store.
#[derive(Clone, Debug)]
pub struct StoredTemplate {
    /// Identifier.
    pub id: TemplateId,
    /// Meta's id of the WhatsApp Business Account.
    pub waba_id: String,
    /// Template as Meta last listed it.
    pub listed: ListedTemplate,
    /// Time of the last synchronization with Meta.
    pub synced_at: Timestamp,
}

/// Filter of templates; `None` matches all.
#[derive(Clone, Debug, Default)]
pub struct TemplateFilter {
    /// Identifier.
    pub id: Option<TemplateId>,
    /// Meta's id of the WhatsApp Business Account.
    pub waba_id: Option<String>,
    /// Meta's ids of several WhatsApp Business Accounts.
    pub waba_ids: Option<Vec<String>>,
    /// Exact name.
    pub name: Option<String>,
    /// Language code.
    pub language: Option<String>,
    /// Status, upper case.
    pub status: Option<String>,
    /// Category, upper case.
    pub category: Option<String>,
    /// Text contained in the name.
    pub search: Option<String>,
}

/// Templates of a WhatsApp Business Account as Meta listed them.
#[derive(Clone, Debug)]
pub struct TemplateSync {
    /// Identifier of the workspace.
    pub workspace: WorkspaceId,
    /// Meta's id of the WhatsApp Business Account.
    pub waba_id: String,
    /// Templates, each with the identifier for the case that it is new.
    pub templates: Vec<(TemplateId, ListedTemplate)>,
    /// Templates that the list contains completely.
    pub scope: TemplateSyncScope,
    /// Current time.
    pub now: Timestamp,
    /// Audit entry, if the synchronization was requested.
    pub entry: Option<AuditEntry>,
}

/// Templates that a list contains completely. Stored templates in the scope that are not listed are deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TemplateSyncScope {
    /// The list is not complete for any name.
    Listed,
    /// All languages of a name.
    Name {
        /// Name of the templates.
        name: String,
        /// Only templates that were written before this time are deleted: Meta's list may lack a new template.
        written_before: Timestamp,
    },
    /// All templates of the WhatsApp Business Account.
    Waba {
        /// Only templates that were written before this time are deleted: Meta's list may lack a new template.
        written_before: Timestamp,
    },
}

/// Languages of a template name, and template names of a WhatsApp Business Account.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TemplateNames {
    /// Languages of the name, ascending.
    pub languages: Vec<String>,
    /// Names of templates.
    pub names: Vec<String>,
}

/// Number of templates by result of a synchronization.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TemplateSyncCounts {
    /// Number of new templates.
    pub added: u32,
    /// Number of changed templates.
    pub updated: u32,
    /// Number of deleted templates.
    pub removed: u32,
    /// Number of templates after the synchronization.
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
