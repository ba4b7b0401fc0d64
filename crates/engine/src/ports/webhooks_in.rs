//! Webhook payloads that Meta sends: changes, their routes, and the archive of payloads.

use super::port_macro::port;
use super::storage::StoreError;
use bytes::Bytes;
use domain::contacts::opt_out::OptOutSignal;
use domain::id::{AccountId, ContactId, MediaId, MessageId, WorkspaceId};
use domain::meta_error::MetaError;
use domain::webhooks_in::update::WebhookUpdate;
use jiff::Timestamp;

port! {
    storage webhook_payloads_port;

    /// Webhook payloads from Meta: applied once, and archived.
    pub trait WebhookPayloads {
        /// Archives a payload and applies its changes, in one transaction.
        async fn ingest_payload(&self, payload: WebhookPayload) -> Result<IngestSummary, StoreError>;

        /// Returns archived payloads in the order of receipt. Payloads that were archived without a signature are left out.
        async fn list_payloads(&self, query: &ArchiveQuery) -> Result<Vec<ArchivedPayload>, StoreError>;
    }
}

/// One change that a webhook payload reports: one message, one status, one template update.
///
/// The decoder makes one `WebhookChange` of each element that Meta lists. It is the unit of routing, storage and redrive.
#[derive(Clone, Debug, PartialEq)]
pub struct WebhookChange {
    /// Meta's id of the WhatsApp Business Account.
    pub waba_id: Option<String>,
    /// Meta's id of the phone number, if the change names one.
    pub phone_number_id: Option<String>,
    /// Meta's name of the webhook field, such as `messages`; empty if the body names none.
    pub field: String,
    /// Time of the event according to Meta, if the envelope has one.
    pub time: Option<Timestamp>,
    /// Decoded content; [`WebhookUpdate::Other`] if decoding failed.
    pub update: WebhookUpdate,
    /// Byte range in the body: index of the first byte, number of bytes.
    pub span: (u32, u32),
    /// Reason why the change could not be decoded.
    pub undecodable: Option<String>,
}

/// A change with the account that it concerns.
#[derive(Clone, Debug)]
pub struct RoutedChange {
    /// The change itself.
    pub change: WebhookChange,
    /// Account that the change concerns; `None` if no account whose app secret signed the payload matches.
    pub route: Option<ChangeRoute>,
    /// Ids for the rows that the change may create.
    pub ids: PreallocatedIds,
    /// Opt-out or opt-in that a customer's message contains.
    pub opt_out_signal: Option<OptOutSignal>,
}

/// Workspace, WhatsApp Business Account and account that a change concerns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangeRoute {
    /// The workspace.
    pub workspace: WorkspaceId,
    /// Meta's id of the WhatsApp Business Account.
    pub waba_id: String,
    /// The account, if the change names a phone number.
    pub account: Option<AccountId>,
}

/// Ids for the rows that a change may create.
#[derive(Clone, Copy, Debug)]
pub struct PreallocatedIds {
    /// Id for an inbound message.
    pub message: MessageId,
    /// Id for a contact.
    pub contact: ContactId,
    /// Id for a media file.
    pub media: MediaId,
}

/// A webhook payload, decoded and routed.
#[derive(Clone, Debug)]
pub struct WebhookPayload {
    /// Request body as received.
    pub body: Bytes,
    /// Its changes, in the order of the body.
    pub changes: Vec<RoutedChange>,
    /// Evidence that Meta sent the payload.
    pub signature: PayloadSignature,
    /// Archive entry, if the payload is redriven from the archive.
    pub archived: Option<ArchiveEntry>,
    /// Current time.
    pub now: Timestamp,
}

/// Evidence that Meta sent a payload.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PayloadSignature {
    /// Signature header as received.
    pub header: Option<Bytes>,
    /// Accounts whose app secret verified the signature on receipt.
    pub signers: Vec<AccountId>,
}

/// Position and time of receipt of an archived payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ArchiveEntry {
    /// Sequence number in the archive.
    pub seq: i64,
    /// Time of receipt.
    pub received_at: Timestamp,
}

/// A payload read from the archive.
#[derive(Clone, Debug)]
pub struct ArchivedPayload {
    /// Position and time of receipt.
    pub entry: ArchiveEntry,
    /// Request body as received.
    pub body: Bytes,
    /// Evidence that Meta sent the payload.
    pub signature: PayloadSignature,
}

/// Filter and page for reading the archive.
#[derive(Clone, Copy, Debug)]
pub struct ArchiveQuery {
    /// Earliest time of receipt.
    pub since: Timestamp,
    /// Only payloads with a change that was not applied for this reason.
    pub reason: Option<UnappliedReason>,
    /// Only payloads after this sequence number.
    pub after: i64,
    /// Maximum number of payloads to return.
    pub limit: u32,
}

domain::text_enum! {
    /// Reason why an archived change was not applied.
    pub enum UnappliedReason {
        /// No account matched, or the secret of the matching account did not sign the payload.
        Unrouted = "unrouted",
        /// The change could not be decoded.
        Undecodable = "undecodable",
    }
}

/// Result of storing a payload: number of changes by result, and the follow-up work.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IngestSummary {
    /// Changes that were applied.
    pub applied: u32,
    /// Changes that had been received before.
    pub duplicates: u32,
    /// Statuses of unknown messages, stored until the message is known.
    pub pending_statuses: u32,
    /// Changes for which no account matched; they are archived.
    pub unrouted: u32,
    /// Changes that could not be decoded; they are archived.
    pub undecodable: u32,
    /// `true` if a template changed.
    pub has_template_changes: bool,
    /// `true` if a media file is to be downloaded.
    pub has_media: bool,
    /// `true` if an account changed.
    pub has_account_changes: bool,
    /// `true` if a template's text changed. The webhook carries the text only: list Meta's templates for the rest.
    pub has_template_text_changes: bool,
    /// Errors of failed messages that concern the whole account.
    pub account_errors: Vec<ReportedAccountError>,
}

/// Error of a failed message that concerns the whole account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportedAccountError {
    /// Workspace of the account.
    pub workspace: WorkspaceId,
    /// Account that Meta refuses.
    pub account: AccountId,
    /// Meta's error.
    pub error: MetaError,
}
