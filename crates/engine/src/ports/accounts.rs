//! Workspaces, accounts and the directory.

use super::port_macro::port;
use super::{PhoneNumberInfo, StoreError, WebhookEndpoint};
use domain::access::api_key::{ApiKey, KeyDigest};
use domain::access::audit::AuditEntry;
use domain::accounts::account::Account;
use domain::check::Patch;
use domain::id::AccountId;
use domain::id::WorkspaceId;
use jiff::Timestamp;
use secrecy::SecretString;
use std::collections::BTreeMap;
use std::sync::Arc;

port! {
    storage accounts_port;

    /// Workspaces, WhatsApp accounts with their credentials, and the directory that every request reads.
    pub trait Accounts {
        /// Everything at once.
        async fn get_directory(&self) -> Result<Directory, StoreError>;

        /// A number that changes when the directory or a template does.
        async fn get_revision(&self) -> Result<Revision, StoreError>;

        /// Adds a workspace.
        ///
        /// # Errors
        /// `Conflict` when the name is taken.
        async fn insert_workspace(&self, id: WorkspaceId, name: &str, audit_entry: AuditEntry) -> Result<(), StoreError>;

        /// Adds an account.
        ///
        /// # Errors
        /// `Conflict` when the name or the number is taken.
        async fn insert_account(&self, new: NewAccount, audit_entry: AuditEntry) -> Result<(), StoreError>;

        /// Changes an account. `false`: there is none.
        ///
        /// # Errors
        /// `Conflict` when the name is taken.
        async fn update_account(
            &self,
            workspace: WorkspaceId,
            id: AccountId,
            changes: AccountChanges,
            audit_entry: AuditEntry,
        ) -> Result<bool, StoreError>;

        /// Writes down that an account may send, or why it may not. The act is written down if that is news.
        async fn update_account_suspension(
            &self,
            workspace: WorkspaceId,
            id: AccountId,
            reason: Option<String>,
            audit_entry: AuditEntry,
        ) -> Result<(), StoreError>;

        /// Writes down what Meta says of the account's number.
        async fn update_account_number(
            &self,
            workspace: WorkspaceId,
            id: AccountId,
            number: &PhoneNumberInfo,
            now: Timestamp,
        ) -> Result<(), StoreError>;

        /// Writes down when an account's access token ends, and tells it when the end is near: each notice once.
        async fn update_account_token_expiry(
            &self,
            workspace: WorkspaceId,
            id: AccountId,
            expires_at: Option<Timestamp>,
            now: Timestamp,
        ) -> Result<(), StoreError>;

        /// Removes an account; its messages stay. Unless it `is_forced`, messages that wait in its queue keep it. If it was
        /// the default, the oldest other account of its kind becomes it.
        async fn delete_account(
            &self,
            workspace: WorkspaceId,
            id: AccountId,
            is_forced: bool,
            audit_entry: AuditEntry,
        ) -> Result<DeleteAccountResult, StoreError>;
    }
}

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

/// How the removal of an account ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeleteAccountResult {
    /// It is gone.
    Deleted,
    /// There is none.
    NotFound,
    /// So many messages wait in its queue.
    HasQueuedMessages(u32),
}
