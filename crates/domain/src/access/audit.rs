//! The audit log: actor, action, target, time and address of each change.
//!
//! **Invariant:** no secret is in an entry. The details name the fields that were set, never a password, key or token.

use std::net::IpAddr;

use jiff::Timestamp;

use crate::id::{AuditEntryId, WorkspaceId};
use crate::json::{Object, Value};
use crate::text_enum;

text_enum! {
    /// Action that was recorded.
    pub enum AuditAction {
        /// An API key was created.
        KeyCreated = "api_key.create",
        /// An API key was replaced by a new one.
        KeyRotated = "api_key.rotate",
        /// An API key was revoked.
        KeyRevoked = "api_key.revoke",
        /// A user was created.
        UserAdded = "user.create",
        /// A user was updated.
        UserChanged = "user.update",
        /// A user was deleted.
        UserRemoved = "user.delete",
        /// A user logged in.
        UserLoggedIn = "user.login",
        /// An account was created.
        AccountAdded = "account.create",
        /// An account was updated.
        AccountChanged = "account.update",
        /// An account was deleted.
        AccountRemoved = "account.delete",
        /// An account was suspended after Meta refused it.
        AccountHeld = "account.hold",
        /// An account was resumed.
        AccountResumed = "account.resume",
        /// The app was subscribed to an account's webhooks.
        AccountSubscribed = "account.subscribe",
        /// An account's number was registered.
        AccountRegistered = "account.register",
        /// The business profile of an account was updated.
        ProfileChanged = "account.profile",
        /// A template was submitted to Meta.
        TemplateAdded = "template.create",
        /// A template was updated.
        TemplateChanged = "template.update",
        /// A template was deleted.
        TemplateRemoved = "template.delete",
        /// Templates were synchronized with Meta.
        TemplatesSynced = "template.sync",
        /// A webhook endpoint was created.
        WebhookAdded = "webhook.create",
        /// A webhook endpoint was updated.
        WebhookChanged = "webhook.update",
        /// A webhook endpoint got a new secret.
        WebhookSecretRotated = "webhook.rotate_secret",
        /// A webhook endpoint was deleted.
        WebhookRemoved = "webhook.delete",
        /// A replay of past events to a webhook endpoint was requested.
        WebhookReplayed = "webhook.replay",
        /// A test event was sent to a webhook endpoint.
        WebhookTested = "webhook.test",
        /// The redelivery of one event was requested.
        DeliveryRepeated = "webhook.redeliver",
        /// A waiting delivery was skipped.
        DeliverySkipped = "webhook.skip",
        /// A user resolved a message whose outcome was unknown.
        MessageResolved = "message.resolve",
        /// The send time of a queued message was changed.
        MessageRescheduled = "message.reschedule",
        /// A file was deleted.
        MediaRemoved = "media.delete",
        /// A contact was created.
        ContactAdded = "contact.create",
        /// A contact was updated.
        ContactChanged = "contact.update",
        /// A contact was erased.
        ContactErased = "contact.delete",
        /// Several contacts were created or updated in one call.
        ContactsPut = "contact.bulk",
        /// Rows of a table of contacts were imported.
        ContactsImported = "contact.import",
        /// A workspace was created.
        WorkspaceAdded = "workspace.create",
    }
}

text_enum! {
    /// Kind of the object that was changed.
    pub enum AuditTargetKind {
        /// An API key.
        Key = "api_key",
        /// A user.
        User = "user",
        /// An account.
        Account = "account",
        /// A WhatsApp Business Account, by Meta's id.
        Waba = "waba",
        /// A template.
        Template = "template",
        /// A webhook endpoint.
        Webhook = "webhook",
        /// A contact, identified by its id and never by its name or number.
        Contact = "contact",
        /// A message, by our id.
        Message = "message",
        /// A file, by our id.
        Media = "media",
        /// A workspace.
        Workspace = "workspace",
    }
}

text_enum! {
    /// Kind of an actor.
    pub enum ActorKind {
        /// A user who is logged in.
        User = "user",
        /// A program with an API key.
        Key = "api_key",
        /// A user of the command line.
        CommandLine = "command_line",
        /// The gateway itself.
        Gateway = "gateway",
    }
}

/// Actor of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    /// Kind of the actor.
    pub kind: ActorKind,
    /// Id of the user or API key.
    pub id: Option<String>,
    /// Display name of the actor.
    pub name: String,
}

/// Object that was changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditTarget {
    /// Kind of the object.
    pub kind: AuditTargetKind,
    /// Id of the object, ours or Meta's.
    pub id: String,
    /// Display name of the object.
    pub name: Option<String>,
}

impl AuditTarget {
    /// Creates a target with an id and a name.
    pub fn named(kind: AuditTargetKind, id: &impl ToString, name: impl Into<String>) -> Self {
        Self { kind, id: id.to_string(), name: Some(name.into()) }
    }
}

/// Entry of the audit log.
#[derive(Clone, Debug, PartialEq)]
pub struct AuditEntry {
    /// Id of the entry.
    pub id: AuditEntryId,
    /// Workspace.
    pub workspace: WorkspaceId,
    /// Time of the action.
    pub at: Timestamp,
    /// Actor.
    pub actor: Actor,
    /// Action.
    pub action: AuditAction,
    /// Object that was changed.
    pub subject: AuditTarget,
    /// IP address of the client.
    pub client: Option<IpAddr>,
    /// `X-Request-Id` of the call.
    pub request_id: Option<String>,
    /// Further facts.
    pub details: Object,
}

impl AuditEntry {
    /// Adds a detail.
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.details.insert(name, value);
        self
    }
}
