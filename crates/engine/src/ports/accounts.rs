//! Workspaces, accounts and the directory.

use super::port_macro::port;
use super::storage::StoreError;
use super::upstream::{AccountCredentials, PhoneNumberInfo};
use super::webhooks_out::WebhookEndpoint;
use domain::access::api_key::{ApiKey, KeyDigest};
use domain::access::audit::AuditEntry;
use domain::accounts::account::Account;
use domain::check::Patch;
use domain::id::{AccountId, WebhookId, WorkspaceId};
use jiff::Timestamp;
use secrecy::SecretString;
use std::collections::BTreeMap;
use std::sync::Arc;

port! {
    storage accounts_port;

    /// Workspaces, WhatsApp accounts with their credentials, and the directory that every request reads.
    pub trait Accounts {
        /// Returns the directory.
        async fn get_directory(&self) -> Result<Directory, StoreError>;

        /// Returns the revision, which increases with each change of the directory or of a template.
        async fn get_revision(&self) -> Result<Revision, StoreError>;

        /// Inserts a workspace.
        ///
        /// # Errors
        /// `Conflict` if another workspace has the name.
        async fn insert_workspace(&self, id: WorkspaceId, name: &str, audit_entry: AuditEntry) -> Result<(), StoreError>;

        /// Inserts an account.
        ///
        /// # Errors
        /// `Conflict` if another account has the name or the phone number.
        async fn insert_account(&self, new: NewAccount, audit_entry: AuditEntry) -> Result<(), StoreError>;

        /// Changes an account. Returns `false` if the account does not exist.
        ///
        /// # Errors
        /// `Conflict` if another account has the name.
        async fn update_account(
            &self,
            workspace: WorkspaceId,
            id: AccountId,
            changes: AccountChanges,
            audit_entry: AuditEntry,
        ) -> Result<bool, StoreError>;

        /// Suspends an account with a reason, or ends its suspension. Writes the audit entry only if the state changes.
        async fn update_account_suspension(
            &self,
            workspace: WorkspaceId,
            id: AccountId,
            suspension: Option<AccountSuspension>,
            audit_entry: AuditEntry,
        ) -> Result<(), StoreError>;

        /// Ends the suspension of an account after Meta accepted a probe, if the account is still suspended for this
        /// reason. Writes the audit entry only if the state changes.
        async fn resume_probed_account(
            &self,
            workspace: WorkspaceId,
            id: AccountId,
            reason: String,
            audit_entry: AuditEntry,
        ) -> Result<(), StoreError>;

        /// Stores the state of the account's phone number at Meta.
        async fn update_account_number(
            &self,
            workspace: WorkspaceId,
            id: AccountId,
            number: &PhoneNumberInfo,
            now: Timestamp,
        ) -> Result<(), StoreError>;

        /// Stores the expiry of an account's access token. Emits an event when the expiry is near, once for each notice
        /// period.
        async fn update_account_token_expiry(
            &self,
            workspace: WorkspaceId,
            id: AccountId,
            expires_at: Option<Timestamp>,
            now: Timestamp,
        ) -> Result<(), StoreError>;

        /// Deletes an account, but not its messages. Queued messages prevent the deletion unless it `is_forced`. If the
        /// account was the default, the oldest other account of its kind becomes the default.
        async fn delete_account(
            &self,
            workspace: WorkspaceId,
            id: AccountId,
            is_forced: bool,
            audit_entry: AuditEntry,
        ) -> Result<DeleteAccountResult, StoreError>;
    }
}

/// Workspaces, accounts, webhook endpoints and API keys at one revision.
#[derive(Clone, Debug, Default)]
pub struct Directory {
    /// Revision that was read.
    pub revision: Revision,
    /// Names of the workspaces.
    pub workspaces: BTreeMap<WorkspaceId, String>,
    /// Accounts with their secrets, oldest first.
    pub accounts: Vec<Arc<AccountRecord>>,
    /// Webhook endpoints with their secrets, oldest first.
    pub webhooks: Vec<Arc<WebhookEndpoint>>,
    /// API keys by digest, including expired and revoked keys.
    pub keys: BTreeMap<KeyDigest, Arc<ApiKey>>,
}

impl Directory {
    /// Returns the API key with this digest.
    pub fn key(&self, digest: &KeyDigest) -> Option<&Arc<ApiKey>> {
        self.keys.get(digest)
    }

    /// Returns the workspace with this name.
    pub fn workspace(&self, name: &str) -> Option<WorkspaceId> {
        self.workspaces.iter().find(|(_, other)| *other == name).map(|(id, _)| *id)
    }

    /// Returns the accounts of a workspace, oldest first.
    pub fn accounts_of(&self, workspace: WorkspaceId) -> impl Iterator<Item = &Arc<AccountRecord>> {
        self.accounts.iter().filter(move |record| record.account.workspace == workspace)
    }

    /// Returns the account of a workspace with this id or name.
    pub fn account(&self, workspace: WorkspaceId, id_or_name: &str) -> Option<&Arc<AccountRecord>> {
        let id = id_or_name.parse::<AccountId>().ok();
        self.accounts_of(workspace)
            .find(|record| Some(record.account.id) == id)
            .or_else(|| self.accounts_of(workspace).find(|record| record.account.name == id_or_name))
    }

    /// Returns the webhook endpoints of a workspace, oldest first.
    pub fn webhooks_of(&self, workspace: WorkspaceId) -> impl Iterator<Item = &Arc<WebhookEndpoint>> {
        self.webhooks.iter().filter(move |record| record.workspace == workspace)
    }

    /// Returns the webhook endpoint of a workspace with this id.
    pub fn webhook(&self, workspace: WorkspaceId, id: WebhookId) -> Option<&Arc<WebhookEndpoint>> {
        self.webhooks_of(workspace).find(|record| record.id == id)
    }

    /// Returns the default account of a workspace. The only account of a workspace is its default.
    pub fn default_account(&self, workspace: WorkspaceId) -> Option<&Arc<AccountRecord>> {
        if let Some(default) = self.accounts_of(workspace).find(|record| record.account.is_default) {
            return Some(default);
        }
        let mut accounts = self.accounts_of(workspace);
        let only = accounts.next()?;
        accounts.next().is_none().then_some(only)
    }
}

/// Numbers that increase with each change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Revision {
    /// Number for workspaces, accounts, webhook endpoints and API keys.
    pub directory: i64,
    /// Number for templates.
    pub templates: i64,
}

/// Account with its decrypted secrets.
#[derive(Clone, Debug)]
pub struct AccountRecord {
    /// Account.
    pub account: Account,
    /// Access token for calls to Meta.
    pub access_token: SecretString,
    /// App secret, which verifies the signature of Meta's webhooks.
    pub app_secret: Option<SecretString>,
    /// Replaced app secret, and the time until which it verifies webhooks.
    pub old_app_secret: Option<(SecretString, Timestamp)>,
    /// SHA-256 digest of the verify token, with which Meta verifies the callback URL.
    pub verify_token_digest: Option<[u8; 32]>,
    /// Time of the next probe, if the account is suspended and probed.
    pub probe_at: Option<Timestamp>,
    /// Time at which the last suspension of the account ended.
    pub resumed_at: Option<Timestamp>,
}

/// Suspension of an account after Meta refused it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountSuspension {
    /// Reason, with advice.
    pub reason: String,
    /// `true` if one queued message at a time is sent to find out if Meta accepts the account again.
    pub is_probed: bool,
}

impl AccountRecord {
    /// Returns the credentials for calls to Meta.
    pub fn credentials(&self) -> AccountCredentials {
        AccountCredentials { account: self.account.clone(), access_token: self.access_token.clone() }
    }
}

/// Account to insert.
#[derive(Clone, Debug)]
pub struct NewAccount {
    /// Account with its secrets.
    pub record: AccountRecord,
    /// Time of creation.
    pub created_at: Timestamp,
}

/// Changes of an account; `None` leaves a value unchanged.
#[derive(Clone, Debug, Default)]
pub struct AccountChanges {
    /// Name.
    pub name: Option<String>,
    /// Access token for calls to Meta.
    pub access_token: Option<SecretString>,
    /// App secret, which verifies the signature of Meta's webhooks.
    pub app_secret: Patch<SecretString>,
    /// Time until which the replaced app secret verifies webhooks; `None` discards it at once.
    pub old_app_secret_until: Option<Timestamp>,
    /// SHA-256 digest of the verify token, with which Meta verifies the callback URL.
    pub verify_token_digest: Patch<[u8; 32]>,
    /// `true` if sends without an account use this account.
    pub is_default: Option<bool>,
    /// `true` if the gateway downloads the links of media messages and uploads the files to Meta; cleared follows the
    /// configuration.
    pub fetches_links: Patch<bool>,
    /// Reason of a suspension that ends with this change, if the account is still suspended for this reason.
    pub lifts_suspension: Option<String>,
}

/// Result of the deletion of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeleteAccountResult {
    /// The account was deleted.
    Deleted,
    /// The account does not exist.
    NotFound,
    /// This number of queued messages prevents the deletion.
    HasQueuedMessages(u32),
}
