//! Values that the ports of messages take and return.

use bytes::Bytes;
use domain::contacts::bsuid::Bsuid;
use domain::contacts::phone::PhoneNumber;
use domain::id::{AccountId, ContactId, KeyId, MessageId, OwnerId, WorkerId, WorkspaceId};
use domain::messages::admission::{AdmissionRequest, Rejection, SentAs};
use domain::messages::direction::Direction;
use domain::messages::outcome::AcceptedMessage;
use domain::messages::status::MessageStatus;
use domain::messages::status_report::Pricing;
use domain::meta_error::MetaError;
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Whom a message goes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recipient {
    /// A phone number.
    Phone(PhoneNumber),
    /// A business-scoped user id.
    Bsuid(Bsuid),
}

/// A message to accept.
#[derive(Clone, Debug)]
pub struct NewMessage {
    /// Its id, and Meta's reference to it.
    pub id: MessageId,
    /// The tenant.
    pub workspace: WorkspaceId,
    /// The sender.
    pub account: AccountId,
    /// The key that asked.
    pub key: Option<KeyId>,
    /// Whom it goes to.
    pub recipient: Recipient,
    /// The id of the contact, should the recipient be new.
    pub contact: ContactId,
    /// Its `type`.
    pub kind: &'static str,
    /// The object named by the type, as JSON text in Meta's form.
    pub content: Arc<str>,
    /// Request for the decision about admission, which is made in the transaction.
    pub admission: AdmissionRequest,
    /// The message that it answers.
    pub context_wamid: Option<String>,
    /// Meta's identity check.
    pub recipient_identity_key_hash: Option<String>,
    /// The caller's own reference.
    pub client_reference: Option<String>,
    /// The template to send instead, should the window be closed: JSON text of the object named by `template`.
    pub fallback: Option<Arc<str>>,
    /// What to do when the outcome is not known.
    pub on_unknown: OnUnknown,
    /// When it shall leave.
    pub schedule: SendSchedule,
    /// Not after this time.
    pub expires_at: Option<Timestamp>,
    /// The caller's key for repeated requests.
    pub idempotency: Option<NewIdempotencyRecord>,
    /// The process that hands it over.
    pub worker: WorkerId,
    /// The secret of the claim.
    pub token: LeaseToken,
    /// Now.
    pub now: Timestamp,
}

/// What to do when the outcome of a send is not known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnUnknown {
    /// Wait for Meta's report.
    #[default]
    Hold,
    /// Send it again, once, at the risk that it arrives twice.
    Resend,
}

impl OnUnknown {
    /// The word used in the API and the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hold => "hold",
            Self::Resend => "resend",
        }
    }
}

impl std::str::FromStr for OnUnknown {
    type Err = domain::text_enum::UnknownVariant;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "hold" => Ok(Self::Hold),
            "resend" => Ok(Self::Resend),
            _ => Err(domain::text_enum::UnknownVariant),
        }
    }
}

/// When a message shall leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendSchedule {
    /// At once: it is inserted as `sending`, held by its sender.
    Immediate,
    /// After a short wait for its turn: it is inserted as `queued`, held by its sender.
    Paced,
    /// From the queue, not before `due_at`, in the order of `order_at` among the contact's messages.
    Queued {
        /// Not before this time.
        due_at: Timestamp,
        /// Its place in the contact's queue.
        order_at: Timestamp,
    },
}

/// A caller's key for repeated requests, to be kept with the message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewIdempotencyRecord {
    /// Whose it is.
    pub owner: OwnerId,
    /// The key, as the caller wrote it.
    pub key: String,
    /// SHA-256 of the request: path and body.
    pub digest: [u8; 32],
    /// Kept until then.
    pub expires_at: Timestamp,
    /// The answer, where it is known already.
    pub answer: Option<CachedResponse>,
}

/// An answer that is kept for repeated requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CachedResponse {
    /// The HTTP status.
    pub status: u16,
    /// The body.
    pub body: Bytes,
}

/// A key for repeated requests that is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdempotencyRecord {
    /// SHA-256 of the first request.
    pub digest: [u8; 32],
    /// The message that the first request made.
    pub message: MessageId,
    /// The first answer; `None` while the first request runs, or if its process died.
    pub answer: Option<CachedResponse>,
}

/// Proves that a message is still held by who claimed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseToken(pub i64);

/// A message held for handing over.
#[derive(Clone, Copy, Debug)]
pub struct Lease {
    /// The tenant.
    pub workspace: WorkspaceId,
    /// The message.
    pub message: MessageId,
    /// The sender.
    pub account: AccountId,
    /// The attempt, from 1.
    pub attempt: u32,
    /// The proof.
    pub token: LeaseToken,
}

/// What became of a request to accept.
#[derive(Clone, Debug, PartialEq)]
pub enum InsertMessageResult {
    /// On disk.
    Accepted {
        /// What will be sent.
        sent_as: SentAs,
    },
    /// Nothing was written: the caller's key was used before.
    KeyAlreadyUsed(IdempotencyRecord),
    /// The message was not stored, because it must not be sent.
    Rejected(Rejection),
}

/// A message of the queue, claimed for handing over.
#[derive(Clone, Debug)]
pub struct LeasedMessage {
    /// The claim.
    pub lease: Lease,
    /// Whom it goes to.
    pub recipient: Recipient,
    /// Its `type`.
    pub kind: String,
    /// The object named by the type, as JSON text in Meta's form.
    pub content: Arc<str>,
    /// The message that it answers.
    pub context_wamid: Option<String>,
    /// Meta's identity check.
    pub recipient_identity_key_hash: Option<String>,
    /// What to do when the outcome is not known.
    pub on_unknown: OnUnknown,
    /// Not after this time.
    pub expires_at: Option<Timestamp>,
    /// When it was accepted.
    pub accepted_at: Timestamp,
}

/// Which messages of the queue to claim.
#[derive(Clone, Debug)]
pub struct LeaseRequest {
    /// The tenant.
    pub workspace: WorkspaceId,
    /// The sender.
    pub account: AccountId,
    /// The process that hands them over.
    pub worker: WorkerId,
    /// Secrets of the claims: one for each message at most.
    pub tokens: Vec<LeaseToken>,
    /// Recipients, by digits or user id, to whom nothing may leave before a time.
    pub waiting: BTreeMap<String, Timestamp>,
    /// Now.
    pub now: Timestamp,
}

/// A message that left for Meta.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecentSend {
    /// The sender.
    pub account: AccountId,
    /// The recipient: digits or user id.
    pub recipient: String,
    /// About when.
    pub at: Timestamp,
}

/// What a round of claiming found.
#[derive(Clone, Debug, Default)]
pub struct LeaseBatch {
    /// The messages to hand over; each is `sending` by now.
    pub leased: Vec<LeasedMessage>,
    /// How many were settled instead: their window had closed.
    pub n_finished: u32,
}

/// What became of a wish to cancel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CancelMessageResult {
    /// It will not be sent.
    Canceled,
    /// It is too late for that.
    TooLate(MessageStatus),
    /// There is no such message.
    NotFound,
}

/// How a handing-over ended, decided.
#[derive(Clone, Debug, PartialEq)]
pub enum AttemptResult {
    /// Meta took it.
    Sent(AcceptedMessage),
    /// It will not be sent.
    Failed(MessageFailure),
    /// Nobody knows.
    Unknown {
        /// Why.
        reason: String,
    },
    /// Meta did not take it; it waits for another attempt.
    Retry {
        /// Not before this time.
        due_at: Timestamp,
        /// Whether its sender keeps holding it.
        keeps_lease: bool,
        /// What Meta said.
        error: Option<MetaError>,
    },
}

/// Why a message failed.
#[derive(Clone, Debug, PartialEq)]
pub struct MessageFailure {
    /// Our code, such as `meta_error`.
    pub code: &'static str,
    /// Meta's error, if it was Meta's.
    pub meta: Option<MetaError>,
}

/// Whether a settlement was the claim's to make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeaseCheck {
    /// It was.
    Valid,
    /// Another holds or has settled the message.
    Lost,
}

/// How a message is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MessageKey {
    /// By our id.
    Id(MessageId),
    /// By Meta's id.
    Wamid(String),
}

/// A message that is kept.
#[derive(Clone, Debug)]
pub struct StoredMessage {
    /// Our id.
    pub id: MessageId,
    /// The sender or receiver of ours.
    pub account: AccountId,
    /// The person.
    pub contact: ContactId,
    /// Who wrote.
    pub direction: Direction,
    /// Its `type`.
    pub kind: String,
    /// Where it stands.
    pub status: MessageStatus,
    /// Meta's id of it.
    pub wamid: Option<String>,
    /// The person's number: digits.
    pub wa_id: Option<String>,
    /// The person's business-scoped user id.
    pub user_id: Option<String>,
    /// The caller's own reference.
    pub client_reference: Option<String>,
    /// The object named by the type, as JSON text.
    pub content: Option<String>,
    /// The message that it answers.
    pub context_wamid: Option<String>,
    /// Our code of the failure.
    pub failure_code: Option<String>,
    /// Meta's error.
    pub error: Option<MetaError>,
    /// What it costs.
    pub pricing: Option<Pricing>,
    /// Whether the message itself went out, or its fallback.
    pub sent_as: SentAs,
    /// Whether it went through the queue.
    pub is_queued_mode: bool,
    /// Whether it was written on a phone, and Meta told us.
    pub is_echo: bool,
    /// When it shall leave, while it waits.
    pub due_at: Option<Timestamp>,
    /// What it waits for beside its time and its turn.
    pub waiting_for: Option<WaitingFor>,
    /// Not after this time.
    pub expires_at: Option<Timestamp>,
    /// When we took it, or Meta's time of an inbound one.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// A message with its story.
#[derive(Clone, Debug)]
pub struct MessageDetail {
    /// The message.
    pub message: StoredMessage,
    /// What happened, in the order in which we heard of it.
    pub timeline: Vec<TimelineEntry>,
    /// What Meta sent: the bytes of an inbound message.
    pub raw: Option<Bytes>,
    /// The file of an inbound message.
    pub media: Option<super::StoredMedia>,
}

/// One thing that happened to a message.
#[derive(Clone, Debug, PartialEq)]
pub struct TimelineEntry {
    /// What.
    pub status: MessageStatus,
    /// When: by Meta's time where Meta reported it.
    pub at: Timestamp,
    /// When we heard of it.
    pub received_at: Timestamp,
    /// Whether Meta reported it, or we did it.
    pub is_report: bool,
    /// Meta's id of the message that it is about.
    pub wamid: Option<String>,
    /// Whether it is about a second copy of the message.
    pub is_duplicate: bool,
    /// Why it failed.
    pub error: Option<MetaError>,
    /// What it costs.
    pub pricing: Option<Pricing>,
}

/// Which messages to list; `None` is any.
#[derive(Clone, Debug, Default)]
pub struct MessageFilter {
    /// Of one of these accounts.
    pub accounts: Option<Vec<AccountId>>,
    /// With this id, ours or Meta's.
    pub key: Option<MessageKey>,
    /// Of this person.
    pub contact: Option<ContactId>,
    /// Of this account.
    pub account: Option<AccountId>,
    /// In this status.
    pub status: Option<MessageStatus>,
    /// Of this type.
    pub kind: Option<String>,
    /// In this direction.
    pub direction: Option<Direction>,
    /// With this reference.
    pub client_reference: Option<String>,
    /// Made at this time or later.
    pub from: Option<Timestamp>,
    /// Made before this time.
    pub to: Option<Timestamp>,
    /// With this in the person's name or number.
    pub search: Option<String>,
}

/// What a message of the queue waits for beside its time and its turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitingFor {
    /// Its template would reach one person more than Meta lets the account reach in 24 hours.
    MessagingLimit,
}

impl WaitingFor {
    /// The word used in the API and the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::MessagingLimit => "messaging_limit",
        }
    }
}

impl std::str::FromStr for WaitingFor {
    type Err = domain::text_enum::UnknownVariant;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "messaging_limit" => Ok(Self::MessagingLimit),
            _ => Err(domain::text_enum::UnknownVariant),
        }
    }
}
