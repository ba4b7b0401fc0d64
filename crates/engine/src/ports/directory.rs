//! What the store keeps of tenants, accounts, keys and templates.

use std::collections::BTreeMap;
use std::sync::Arc;

use domain::access::api_key::{ApiKey, KeyDigest};
use domain::access::audit::AuditEntry;
use domain::accounts::account::Account;
use domain::check::Patch;
use domain::id::{TemplateId, WorkspaceId};
use jiff::Timestamp;
use secrecy::SecretString;

use super::{ListedTemplate, WebhookEndpoint};

/// The directory as it was at `revision`.
#[derive(Clone, Debug, Default)]
pub struct Directory {
    /// When it was read.
    pub revision: Revision,
    /// Names of workspaces.
    pub workspaces: BTreeMap<WorkspaceId, String>,
    /// Accounts with their secrets.
    pub accounts: Vec<Arc<AccountRecord>>,
    /// Endpoints with their secrets.
    pub webhooks: Vec<Arc<WebhookEndpoint>>,
    /// Keys by digest.
    pub keys: BTreeMap<KeyDigest, Arc<ApiKey>>,
}

/// Counts changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Revision {
    /// Of workspaces, accounts and keys.
    pub directory: i64,
    /// Of templates.
    pub templates: i64,
}

/// An account with its secrets, opened.
#[derive(Clone, Debug)]
pub struct AccountRecord {
    /// The account.
    pub account: Account,
    /// Calls Meta.
    pub access_token: SecretString,
    /// Proves that a webhook is Meta's.
    pub app_secret: Option<SecretString>,
    /// The app secret that was replaced, and until when Meta may still sign with it.
    pub old_app_secret: Option<(SecretString, Timestamp)>,
    /// SHA-256 of the word with which Meta checks the callback.
    pub verify_token_digest: Option<[u8; 32]>,
}

/// An account to add.
#[derive(Clone, Debug)]
pub struct NewAccount {
    /// The account with its secrets.
    pub record: AccountRecord,
    /// When.
    pub created_at: Timestamp,
}

/// What to change of an account; `None` stays as it is.
#[derive(Clone, Debug, Default)]
pub struct AccountChanges {
    /// What people call it.
    pub name: Option<String>,
    /// Calls Meta.
    pub access_token: Option<SecretString>,
    /// Proves that a webhook is Meta's.
    pub app_secret: Patch<SecretString>,
    /// Until when the secret that is replaced by another proves it, too; `None`: it ends now.
    pub old_app_secret_until: Option<Timestamp>,
    /// SHA-256 of the word with which Meta checks the callback.
    pub verify_token_digest: Patch<[u8; 32]>,
    /// Whether a send that names no account uses it.
    pub is_default: Option<bool>,
    /// Whether a link in its messages is fetched here and uploaded, or as the configuration says.
    pub fetches_links: Patch<bool>,
    /// The reason of a hold that ends with this change, if the account is still held for it.
    pub lifts_hold: Option<String>,
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
    pub act: Option<AuditEntry>,
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
