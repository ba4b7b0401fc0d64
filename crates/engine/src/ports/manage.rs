//! What is set at Meta by hand, and what the store keeps of that.

use async_trait::async_trait;
use domain::access::audit::AuditEntry;
use domain::id::{AccountId, WorkspaceId};
use domain::json::Object;
use domain::templates::{TemplateCategory, TemplateStatus};
use jiff::Timestamp;
use secrecy::SecretString;

use super::{Line, StoreError, UpstreamError};

/// The service that carries messages, as its administrators use it: Meta's Graph API.
#[async_trait]
pub trait Manage: Send + Sync {
    /// Subscribes the token's app to the webhooks of the account's WhatsApp Business Account.
    async fn subscribe(&self, line: &Line) -> Result<(), UpstreamError>;

    /// Registers the number with its PIN, six digits; sets the PIN if it has none.
    async fn register(&self, line: &Line, pin: &SecretString) -> Result<(), UpstreamError>;

    /// The number's business profile, in Meta's names.
    async fn profile(&self, line: &Line) -> Result<Object, UpstreamError>;

    /// Changes the business profile: what is not named stays, an empty text clears.
    async fn set_profile(&self, line: &Line, change: &Object) -> Result<(), UpstreamError>;

    /// Submits a template; `body` is the request as JSON text.
    async fn create_template(&self, line: &Line, body: String) -> Result<Submitted, UpstreamError>;

    /// Changes a template of this id of Meta's; it goes through the review again.
    async fn edit_template(&self, line: &Line, meta_id: &str, body: String) -> Result<(), UpstreamError>;

    /// Deletes the template of this name and Meta's id; without the id, the name in every language.
    async fn delete_template(
        &self,
        line: &Line,
        name: &str,
        meta_id: Option<&str>,
    ) -> Result<(), UpstreamError>;

    /// Calls a callback of ours as Meta checks one: whether it echoes the challenge, or why it does not.
    async fn probe_callback(&self, callback: &Callback) -> Result<(), String>;
}

/// A callback to be tried.
#[derive(Clone, Debug)]
pub struct Callback {
    /// Its URL.
    pub url: String,
    /// The word that it knows.
    pub verify_token: String,
    /// What it shall echo.
    pub challenge: String,
}

/// What Meta answered to a template that was submitted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Submitted {
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
    async fn account_token(
        &self,
        workspace: WorkspaceId,
        id: AccountId,
        expires_at: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<(), StoreError>;

    /// Forgets templates that were deleted at Meta: one language of a name, or all.
    async fn templates_forget(
        &self,
        workspace: WorkspaceId,
        waba_id: &str,
        (name, language): (&str, Option<&str>),
        act: AuditEntry,
    ) -> Result<(), StoreError>;

    /// Writes down an act that was done at Meta alone.
    async fn note(&self, act: AuditEntry) -> Result<(), StoreError>;
}

/// How the removal of an account ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Removal {
    /// It is gone.
    Removed,
    /// There is none.
    NotFound,
    /// So many messages wait in its queue.
    Busy(u32),
}
