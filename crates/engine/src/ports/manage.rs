//! What is set at Meta by hand, and what the store keeps of that.

use async_trait::async_trait;
use domain::access::audit::AuditEntry;
use domain::id::{AccountId, WorkspaceId};
use domain::json::Object;
use domain::templates::{TemplateCategory, TemplateStatus};
use jiff::Timestamp;
use secrecy::SecretString;

use super::{AccountCredentials, StoreError, UpstreamError};

/// The service that carries messages, as its administrators use it: Meta's Graph API.
#[async_trait]
pub trait UpstreamAdmin: Send + Sync {
    /// Subscribes the token's app to the webhooks of the account's WhatsApp Business Account.
    async fn subscribe_app(&self, line: &AccountCredentials) -> Result<(), UpstreamError>;

    /// Registers the number with its PIN, six digits; sets the PIN if it has none.
    async fn register_phone_number(
        &self,
        line: &AccountCredentials,
        pin: &SecretString,
    ) -> Result<(), UpstreamError>;

    /// The number's business profile, in Meta's names.
    async fn get_business_profile(&self, line: &AccountCredentials) -> Result<Object, UpstreamError>;

    /// Changes the business profile: what is not named stays, an empty text clears.
    async fn update_business_profile(
        &self,
        line: &AccountCredentials,
        change: &Object,
    ) -> Result<(), UpstreamError>;

    /// Submits a template; `body` is the request as JSON text.
    async fn create_template(
        &self,
        line: &AccountCredentials,
        body: String,
    ) -> Result<CreatedTemplate, UpstreamError>;

    /// Changes a template of this id of Meta's; it goes through the review again.
    async fn edit_template(
        &self,
        line: &AccountCredentials,
        meta_id: &str,
        body: String,
    ) -> Result<(), UpstreamError>;

    /// Deletes the template of this name and Meta's id; without the id, the name in every language.
    async fn delete_template(
        &self,
        line: &AccountCredentials,
        name: &str,
        meta_id: Option<&str>,
    ) -> Result<(), UpstreamError>;

    /// Calls a callback of ours as Meta checks one: whether it echoes the challenge, or why it does not.
    async fn verify_callback(&self, callback: &CallbackVerification) -> Result<(), String>;
}

/// A callback to be tried.
#[derive(Clone, Debug)]
pub struct CallbackVerification {
    /// Its URL.
    pub url: String,
    /// The word that it knows.
    pub verify_token: String,
    /// What it shall echo.
    pub challenge: String,
}

/// What Meta answered to a template that was submitted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreatedTemplate {
    /// Meta's id, digits.
    pub meta_id: String,
    /// The state that it starts in.
    pub status: TemplateStatus,
    /// The category that Meta gives it: not always the one that was asked for.
    pub category: Option<TemplateCategory>,
}

/// What is watched of accounts, and forgotten of templates.
#[async_trait]
pub trait Registry: Send + Sync {
    /// Writes down when an account's access token ends, and tells it when the end is near: each notice once.
    async fn update_account_token_expiry(
        &self,
        workspace: WorkspaceId,
        id: AccountId,
        expires_at: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<(), StoreError>;

    /// Forgets templates that were deleted at Meta: one language of a name, or all.
    async fn delete_templates(
        &self,
        workspace: WorkspaceId,
        waba_id: &str,
        (name, language): (&str, Option<&str>),
        act: AuditEntry,
    ) -> Result<(), StoreError>;

    /// Writes down an act that was done at Meta alone.
    async fn insert_audit_entry(&self, act: AuditEntry) -> Result<(), StoreError>;
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
