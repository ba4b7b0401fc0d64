//! The audit log: who did what to what, when and from where.
//!
//! **Invariant:** no secret is in an act; its details name what was set, never a password, key or token.

use std::net::IpAddr;

use jiff::Timestamp;

use crate::id::{AuditEntryId, WorkspaceId};
use crate::json::{Object, Value};
use crate::text_enum;

text_enum! {
    /// What was done.
    pub enum AuditAction {
        /// A key was made.
        KeyCreated = "api_key.create",
        /// A key was replaced by a new one.
        KeyRotated = "api_key.rotate",
        /// A key was taken back.
        KeyRevoked = "api_key.revoke",
        /// A user was added.
        UserAdded = "user.create",
        /// A user was changed.
        UserChanged = "user.update",
        /// A user was removed.
        UserRemoved = "user.delete",
        /// A user logged in.
        UserLoggedIn = "user.login",
        /// An account was added.
        AccountAdded = "account.create",
        /// An account was changed.
        AccountChanged = "account.update",
        /// An account was removed.
        AccountRemoved = "account.delete",
        /// An account was stopped, after Meta refused it.
        AccountHeld = "account.hold",
        /// An account may send again.
        AccountResumed = "account.resume",
        /// The app was subscribed to an account's webhooks.
        AccountSubscribed = "account.subscribe",
        /// An account's number was registered.
        AccountRegistered = "account.register",
        /// An account's business profile was changed.
        ProfileChanged = "account.profile",
        /// A template was submitted.
        TemplateAdded = "template.create",
        /// A template was changed.
        TemplateChanged = "template.update",
        /// A template was deleted.
        TemplateRemoved = "template.delete",
        /// Templates were brought up to date with Meta's list.
        TemplatesSynced = "template.sync",
        /// A webhook was made.
        WebhookAdded = "webhook.create",
        /// A webhook was changed.
        WebhookChanged = "webhook.update",
        /// A webhook got a new secret.
        WebhookSecretRotated = "webhook.rotate_secret",
        /// A webhook was removed.
        WebhookRemoved = "webhook.delete",
        /// A webhook's past events were asked for again.
        WebhookReplayed = "webhook.replay",
        /// A webhook was tried with a test event.
        WebhookTested = "webhook.test",
        /// One delivery of a webhook was asked for again.
        DeliveryRepeated = "webhook.redeliver",
        /// Somebody decided what becomes of a message whose outcome is unknown.
        MessageResolved = "message.resolve",
        /// A contact was added.
        ContactAdded = "contact.create",
        /// A contact was changed.
        ContactChanged = "contact.update",
        /// A contact was erased.
        ContactErased = "contact.delete",
        /// Many contacts were added or changed in one call.
        ContactsPut = "contact.bulk",
        /// Some rows of a table of contacts were taken in.
        ContactsImported = "contact.import",
        /// A workspace was added.
        WorkspaceAdded = "workspace.create",
    }
}

text_enum! {
    /// What kind of thing it was done to.
    pub enum AuditTargetKind {
        /// A key of the API.
        Key = "api_key",
        /// A user.
        User = "user",
        /// An account.
        Account = "account",
        /// A WhatsApp Business Account, by Meta's id.
        Waba = "waba",
        /// A template.
        Template = "template",
        /// A webhook.
        Webhook = "webhook",
        /// A contact: never by its name or number.
        Contact = "contact",
        /// A message, by our id.
        Message = "message",
        /// A workspace.
        Workspace = "workspace",
    }
}

text_enum! {
    /// What kind of actor it was.
    pub enum ActorKind {
        /// Somebody who had logged in.
        User = "user",
        /// A program with a key.
        Key = "api_key",
        /// Somebody at the command line.
        CommandLine = "command_line",
        /// The gateway itself.
        Gateway = "gateway",
    }
}

/// Who did it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    /// What kind.
    pub kind: ActorKind,
    /// The id, of a user or a key.
    pub id: Option<String>,
    /// What people call it.
    pub name: String,
}

/// What it was done to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditTarget {
    /// What kind.
    pub kind: AuditTargetKind,
    /// Its id, ours or Meta's.
    pub id: String,
    /// What people call it.
    pub name: Option<String>,
}

impl AuditTarget {
    /// A thing with an id and a name.
    pub fn named(kind: AuditTargetKind, id: &impl ToString, name: impl Into<String>) -> Self {
        Self { kind, id: id.to_string(), name: Some(name.into()) }
    }
}

/// An entry of the log.
#[derive(Clone, Debug, PartialEq)]
pub struct AuditEntry {
    /// Its id.
    pub id: AuditEntryId,
    /// The tenant.
    pub workspace: WorkspaceId,
    /// When.
    pub at: Timestamp,
    /// Who.
    pub actor: Actor,
    /// What.
    pub action: AuditAction,
    /// To what.
    pub subject: AuditTarget,
    /// From where: the client's address.
    pub client: Option<IpAddr>,
    /// The `X-Request-Id` of the call.
    pub request_id: Option<String>,
    /// What else is worth knowing.
    pub details: Object,
}

impl AuditEntry {
    /// Adds a detail.
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.details.insert(name, value);
        self
    }
}
