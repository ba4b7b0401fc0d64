//! Values that the ports of messages take and return.

use super::lease::LeaseToken;
use super::media::StoredMedia;
use super::recipient::Recipient;
use super::storage::ListOrder;
use bytes::Bytes;
use domain::id::{AccountId, BatchId, ContactId, KeyId, MediaId, MessageId, OwnerId, WorkerId, WorkspaceId};
use domain::messages::admission::{AdmissionRequest, Rejection, SentAs};
use domain::messages::direction::Direction;
use domain::messages::outcome::AcceptedMessage;
use domain::messages::search::SearchQuery;
use domain::messages::status::MessageStatus;
use domain::messages::status_report::Pricing;
use domain::meta_error::MetaError;
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Message to insert.
#[derive(Clone, Debug)]
pub struct NewMessage {
    /// Identifier of the message, which is also its reference at Meta.
    pub id: MessageId,
    /// Identifier of the workspace.
    pub workspace: WorkspaceId,
    /// Identifier of the account that sends the message.
    pub account: AccountId,
    /// API key of the request; `None` for a session.
    pub key: Option<KeyId>,
    /// Batch with which the message was accepted.
    pub batch: Option<BatchId>,
    /// Recipient of the message.
    pub recipient: Recipient,
    /// Identifier of the contact that is created if the recipient is not known.
    pub contact: ContactId,
    /// Type of the message, as in the API.
    pub kind: &'static str,
    /// Object that the type names, as JSON text in Meta's format.
    pub content: Arc<str>,
    /// Request for the decision about admission, which is made in the transaction.
    pub admission: AdmissionRequest,
    /// Wamid of the message that the message replies to.
    pub context_wamid: Option<String>,
    /// Hash for Meta's check of the recipient's identity.
    pub recipient_identity_key_hash: Option<String>,
    /// Reference that the caller chose for the message.
    pub client_reference: Option<String>,
    /// Template that is sent instead if the customer service window is closed, as JSON text in Meta's format.
    pub fallback: Option<Arc<str>>,
    /// Reaction to an unknown outcome.
    pub on_unknown: OnUnknown,
    /// Scheduled time that the caller requested.
    pub send_at: Option<Timestamp>,
    /// Schedule of the message.
    pub schedule: SendSchedule,
    /// Time at which the message expires if it was not sent.
    pub expires_at: Option<Timestamp>,
    /// Idempotency key of the request.
    pub idempotency: Option<NewIdempotencyRecord>,
    /// Worker that leases the message.
    pub worker: WorkerId,
    /// Token of the lease.
    pub token: LeaseToken,
    /// Current time.
    pub now: Timestamp,
}

domain::text_enum! {
    /// Reaction to an unknown outcome of a send.
    #[derive(Default)]
    pub enum OnUnknown {
        /// Wait until Meta reports a status.
        #[default]
        Hold = "hold",
        /// Send the message again, once. The recipient may get the message twice.
        Resend = "resend",
    }
}

/// Schedule of a new message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendSchedule {
    /// Sent immediately: inserted as `sending`, leased by its sender.
    Immediate,
    /// Sent after a short wait for its send slot: inserted as `queued`, leased by its sender.
    Paced,
    /// Sent from the queue, not before `due_at`, in the order of `order_at` among the messages of the contact.
    Queued {
        /// Earliest time of the send.
        due_at: Timestamp,
        /// Position among the messages of the contact.
        order_at: Timestamp,
    },
}

/// Idempotency record to insert with a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewIdempotencyRecord {
    /// Owner of the key.
    pub owner: OwnerId,
    /// Key, as the caller wrote it.
    pub key: String,
    /// SHA-256 of the path and the body of the request.
    pub digest: [u8; 32],
    /// Time at which the record expires.
    pub expires_at: Timestamp,
    /// Response, if the response is known already.
    pub response: Option<CachedResponse>,
}

/// Response that is cached for repeated requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CachedResponse {
    /// HTTP status.
    pub status: u16,
    /// Body of the response.
    pub body: Bytes,
}

/// Idempotency record of an earlier request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdempotencyRecord {
    /// SHA-256 of the path and the body of the first request.
    pub digest: [u8; 32],
    /// Message of the first request.
    pub message: MessageId,
    /// Response to the first request; `None` if the request is running, or its process died.
    pub response: Option<CachedResponse>,
}

/// Worker that leases a message, and the token of its lease.
#[derive(Clone, Copy, Debug)]
pub struct LeaseHolder {
    /// Worker that leases the message.
    pub worker: WorkerId,
    /// Token of the lease.
    pub token: LeaseToken,
}

/// Lease of a message.
#[derive(Clone, Copy, Debug)]
pub struct Lease {
    /// Identifier of the workspace.
    pub workspace: WorkspaceId,
    /// Identifier of the message.
    pub message: MessageId,
    /// Identifier of the account that sends the message.
    pub account: AccountId,
    /// Number of the attempt, from 1.
    pub attempt: u32,
    /// Token of the lease.
    pub token: LeaseToken,
}

/// Result of the insertion of a message.
#[derive(Clone, Debug, PartialEq)]
pub enum InsertMessageResult {
    /// The message is stored.
    Accepted {
        /// Form in which the message is sent.
        sent_as: SentAs,
    },
    /// The message was not stored, because the idempotency key was used before.
    KeyAlreadyUsed(IdempotencyRecord),
    /// The message was not stored, because it must not be sent.
    Rejected(Rejection),
}

/// Leased message.
#[derive(Clone, Debug)]
pub struct LeasedMessage {
    /// Lease of the message.
    pub lease: Lease,
    /// Recipient of the message.
    pub recipient: Recipient,
    /// Type of the message, as in the API.
    pub kind: String,
    /// Object that the type names, as JSON text in Meta's format.
    pub content: Arc<str>,
    /// Wamid of the message that the message replies to.
    pub context_wamid: Option<String>,
    /// Hash for Meta's check of the recipient's identity.
    pub recipient_identity_key_hash: Option<String>,
    /// Reaction to an unknown outcome.
    pub on_unknown: OnUnknown,
    /// Time at which the message expires if it was not sent.
    pub expires_at: Option<Timestamp>,
    /// Time of the first failed download, if the last attempt could not download a file of the message.
    pub media_failing_since: Option<Timestamp>,
    /// Time at which the message was accepted, or the requested send time if that is later.
    pub due_since: Timestamp,
}

/// Request to lease due messages.
#[derive(Clone, Debug)]
pub struct LeaseRequest {
    /// Identifier of the workspace.
    pub workspace: WorkspaceId,
    /// Identifier of the account that sends the message.
    pub account: AccountId,
    /// Worker that leases the messages.
    pub worker: WorkerId,
    /// Tokens of the leases: their number is the maximum number of messages.
    pub tokens: Vec<LeaseToken>,
    /// Recipients that must wait longer, by [`Recipient::key`], each with the end of its wait.
    pub throttled_recipients: BTreeMap<String, Timestamp>,
    /// `true` if the message is the probe of a suspended account. Nothing is leased then unless the probe is due, and the
    /// next probe is scheduled with the lease.
    pub is_probe: bool,
    /// Current time.
    pub now: Timestamp,
}

/// Message that was sent recently.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecentSend {
    /// Identifier of the account that sends the message.
    pub account: AccountId,
    /// Recipient, as [`Recipient::key`].
    pub recipient: String,
    /// Approximate time of the send.
    pub at: Timestamp,
}

/// Result of leasing due messages.
#[derive(Clone, Debug, Default)]
pub struct LeaseBatch {
    /// Leased messages; each has the status `sending`.
    pub leased: Vec<LeasedMessage>,
    /// Number of due messages that failed because the admission rejected them.
    pub n_finished: u32,
}

/// Result of a cancellation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CancelMessageResult {
    /// The message is canceled.
    Canceled,
    /// The message has another status and cannot be canceled.
    TooLate(MessageStatus),
    /// The message does not exist.
    NotFound,
}

/// Result of an attempt to send a message.
#[derive(Clone, Debug, PartialEq)]
pub enum AttemptResult {
    /// Meta accepted the message.
    Sent(AcceptedMessage),
    /// The message failed.
    Failed(MessageFailure),
    /// The outcome is unknown.
    Unknown {
        /// Reason for the log.
        reason: String,
    },
    /// Meta did not accept the message, and another attempt follows.
    Retry {
        /// Earliest time of the next attempt.
        due_at: Timestamp,
        /// `true` if the sender keeps the lease; `false` if the message returns to the queue.
        keeps_lease: bool,
        /// Meta's error.
        error: Option<MetaError>,
    },
    /// A file of the message cannot be downloaded, and another attempt follows. Later messages of the contact are sent
    /// meanwhile.
    RetryDownload {
        /// Earliest time of the next attempt.
        due_at: Timestamp,
        /// `true` if the sender keeps the lease; `false` if the message returns to the queue.
        keeps_lease: bool,
        /// Time of the first failed download.
        failing_since: Timestamp,
        /// Reason, as an error with Meta's code for a file that cannot be used.
        error: MetaError,
    },
}

/// Failure of a message.
#[derive(Clone, Debug, PartialEq)]
pub struct MessageFailure {
    /// Failure code of Waypost, such as `meta_error`.
    pub code: &'static str,
    /// Meta's error, if Meta refused the message.
    pub meta: Option<MetaError>,
}

/// Key by which a message is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MessageKey {
    /// Waypost's ID.
    Id(MessageId),
    /// Meta's ID.
    Wamid(String),
}

/// Stored message.
#[derive(Clone, Debug)]
pub struct StoredMessage {
    /// Identifier of the message.
    pub id: MessageId,
    /// Account that sent or received the message.
    pub account: AccountId,
    /// Contact of the message.
    pub contact: ContactId,
    /// Batch with which the message was accepted.
    pub batch: Option<BatchId>,
    /// Direction of the message.
    pub direction: Direction,
    /// Type of the message, as in the API.
    pub kind: String,
    /// Status of the message.
    pub status: MessageStatus,
    /// Meta's ID of the message.
    pub wamid: Option<String>,
    /// Number of the contact, digits.
    pub wa_id: Option<String>,
    /// Business-scoped user ID of the contact.
    pub user_id: Option<String>,
    /// Reference that the caller chose for the message.
    pub client_reference: Option<String>,
    /// Object that the type names, as JSON text.
    pub content: Option<String>,
    /// Wamid of the message that the message replies to.
    pub context_wamid: Option<String>,
    /// Failure code of Waypost.
    pub failure_code: Option<String>,
    /// Meta's error.
    pub error: Option<MetaError>,
    /// Pricing that Meta reported.
    pub pricing: Option<Pricing>,
    /// Form in which the message was sent.
    pub sent_as: SentAs,
    /// `true` if the message was accepted into the queue.
    pub is_queued_mode: bool,
    /// `true` if the message was sent with the WhatsApp Business app, and Meta reported it.
    pub is_echo: bool,
    /// Send time that the caller requested.
    pub send_at: Option<Timestamp>,
    /// Time at which an inbound message was marked as read.
    pub read_at: Option<Timestamp>,
    /// Time at which a queued message is due.
    pub due_at: Option<Timestamp>,
    /// Limit for which a queued message waits.
    pub waiting_for: Option<WaitingFor>,
    /// Time at which the message expires if it was not sent.
    pub expires_at: Option<Timestamp>,
    /// File of a message that Meta reported.
    pub media: Option<MediaId>,
    /// Time at which Waypost accepted an outbound message; Meta's time of an inbound message.
    pub created_at: Timestamp,
    /// Time of the last change.
    pub updated_at: Timestamp,
}

/// Message with its timeline.
#[derive(Clone, Debug)]
pub struct MessageDetail {
    /// Stored message.
    pub message: StoredMessage,
    /// Entries of the timeline, in the order in which Waypost received them.
    pub timeline: Vec<TimelineEntry>,
    /// Payload of an inbound message, as Meta sent it.
    pub raw: Option<Bytes>,
    /// File of a message that Meta reported.
    pub media: Option<StoredMedia>,
}

/// Entry of a message's timeline.
#[derive(Clone, Debug, PartialEq)]
pub struct TimelineEntry {
    /// Status of the message.
    pub status: MessageStatus,
    /// Time of the change; Meta's time if Meta reported the change.
    pub at: Timestamp,
    /// Time at which Waypost received or made the change.
    pub received_at: Timestamp,
    /// `true` if Meta reported the change; `false` if Waypost made it.
    pub is_report: bool,
    /// Wamid of the status.
    pub wamid: Option<String>,
    /// `true` if the entry is about a duplicate of the message.
    pub is_duplicate: bool,
    /// Meta's error of a failure.
    pub error: Option<MetaError>,
    /// Pricing that Meta reported.
    pub pricing: Option<Pricing>,
}

/// Filter of a list of messages; `None` for all.
#[derive(Clone, Debug, Default)]
pub struct MessageFilter {
    /// Accounts that the caller has access to.
    pub accounts: Option<Vec<AccountId>>,
    /// ID of the message, Waypost's or Meta's.
    pub key: Option<MessageKey>,
    /// Contact of the messages.
    pub contact: Option<ContactRef>,
    /// Account of the messages.
    pub account: Option<AccountId>,
    /// Batch with which the messages were accepted.
    pub batch: Option<BatchId>,
    /// Statuses of the messages; empty for all.
    pub statuses: Vec<MessageStatus>,
    /// Type of the messages.
    pub kind: Option<String>,
    /// Direction of the messages.
    pub direction: Option<Direction>,
    /// Reference that the caller chose.
    pub client_reference: Option<String>,
    /// Earliest time of acceptance.
    pub from: Option<Timestamp>,
    /// Time before which the messages were accepted.
    pub to: Option<Timestamp>,
    /// Earliest time of the last change.
    pub updated_since: Option<Timestamp>,
    /// `true`: messages that wait for a requested send time. `false`: all others.
    pub is_scheduled: Option<bool>,
    /// `true`: inbound messages that were not marked as read. `false`: inbound messages that were.
    pub is_unread: Option<bool>,
    /// Words of the message, or of the name or number of its contact.
    pub search: Option<SearchQuery>,
    /// Order of the list.
    pub order: ListOrder,
}

/// Reference to a contact in a filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ContactRef {
    /// Waypost's ID.
    Id(ContactId),
    /// Spellings of a phone number, digits.
    Numbers(Vec<String>),
}

/// Request to change the send time of a queued message.
#[derive(Clone, Copy, Debug)]
pub struct RescheduleRequest {
    /// Identifier of the workspace.
    pub workspace: WorkspaceId,
    /// Identifier of the message.
    pub message: MessageId,
    /// New send time that the caller requested.
    pub send_at: Timestamp,
    /// Earliest time of the send.
    pub due_at: Timestamp,
    /// Current time.
    pub now: Timestamp,
}

/// Result of a change of the send time.
#[derive(Clone, Debug, PartialEq)]
pub enum RescheduleResult {
    /// The send time is changed.
    Rescheduled,
    /// The message has another status, or is being sent.
    TooLate(MessageStatus),
    /// The message would not be sent at the new time.
    Rejected(Rejection),
    /// A file of the message is not available any more.
    FileUnavailable(MediaId),
    /// The message does not exist.
    NotFound,
}

domain::text_enum! {
    /// Limit for which a queued message waits.
    pub enum WaitingFor {
        /// Meta's messaging limit: maximum number of recipients of templates in 24 hours.
        MessagingLimit = "messaging_limit",
    }
}
