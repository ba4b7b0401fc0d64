//! Results of a send.

use domain::accounts::account::Account;
use domain::check::Violation;
use domain::id::{AccountId, MessageId};
use domain::messages::admission::SentAs;
use domain::messages::window::Window;
use domain::meta_error::MetaError;
use domain::templates::{TemplateMismatch, TemplateStatus};
use jiff::Timestamp;

use crate::media::MediaCheckError;
use crate::ports::{IdempotencyRecord, NewMessage, Recipient, SendSchedule, StoreError};

/// Result of a send.
pub type SendResult = Result<SendReceipt, SendError>;

/// Receipt of an accepted message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SendReceipt {
    /// Identifier of the message.
    pub id: MessageId,
    /// Progress of the message.
    pub progress: SendProgress,
    /// Recipient of the message.
    pub recipient: Recipient,
    /// Account that sends the message.
    pub account: AccountId,
    /// Reference that the caller chose for the message.
    pub client_reference: Option<String>,
    /// Form in which the message is sent.
    pub sent_as: SentAs,
    /// Scheduled time that the caller requested.
    pub send_at: Option<Timestamp>,
    /// Earliest time at which a queued message is sent.
    pub due_at: Option<Timestamp>,
}

impl SendReceipt {
    /// Creates the receipt of a message that is stored with this progress.
    pub(crate) fn of(new: &NewMessage, progress: SendProgress, sent_as: SentAs) -> Self {
        Self {
            id: new.id,
            progress,
            recipient: new.recipient.clone(),
            account: new.account,
            client_reference: new.client_reference.clone(),
            sent_as,
            send_at: new.send_at,
            due_at: match new.schedule {
                SendSchedule::Queued { due_at, .. } => Some(due_at),
                SendSchedule::Immediate | SendSchedule::Paced => None,
            },
        }
    }
}

/// Progress of an accepted message when its caller gets the response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SendProgress {
    /// Meta accepted the message.
    Sent {
        /// Meta's ID of the message.
        wamid: String,
    },
    /// The outcome is unknown.
    Unknown,
    /// The message is in the queue.
    Queued,
}

/// Error of a send. Each error guarantees that the message was not sent.
#[derive(Debug)]
pub enum SendError {
    /// The account does not exist, or there is no default account.
    AccountNotFound(Option<String>),
    /// The API key has no access to the account.
    AccountForbidden {
        /// `true` if the account is a sandbox account.
        is_sandbox: bool,
        /// `true` if the API key is a test key.
        is_test_key: bool,
    },
    /// The account is suspended or disconnected.
    AccountSuspended {
        /// Account of the message.
        account: Box<Account>,
        /// Meta's error, if Meta refused this message.
        error: Option<Box<MetaError>>,
    },
    /// The contact does not exist.
    ContactNotFound,
    /// The message that the message replies to is not known to Meta.
    ContextNotFound,
    /// Meta sends authentication templates to phone numbers only (131062).
    PhoneNumberRequired(Box<TemplateRef>),
    /// The template does not exist.
    TemplateNotFound(Box<MissingTemplate>),
    /// The template cannot be sent in its state.
    TemplateNotSendable {
        /// Template of the message.
        template: Box<TemplateRef>,
        /// State of the template.
        status: TemplateStatus,
    },
    /// The parameters do not match the template.
    TemplateParameters {
        /// Template of the message.
        template: Box<TemplateRef>,
        /// Parameters that do not match.
        mismatches: Vec<TemplateMismatch>,
    },
    /// Files of the message are missing, not supported, or cannot be downloaded.
    Media(Vec<Violation>),
    /// The customer service window is closed.
    OutsideWindow(Window),
    /// The recipient has opted out of marketing.
    OptedOut,
    /// Meta limits marketing messages to the recipient (131049).
    MarketingLimited {
        /// End of the limitation.
        until: Timestamp,
    },
    /// The next send slot is too late for a synchronous send.
    Pacing {
        /// Time of the next send slot.
        slot_at: Timestamp,
        /// Seconds after which a synchronous send would wait for the slot.
        retry_after: u32,
    },
    /// The queue of the account is full.
    QueueFull,
    /// The idempotency key was used before.
    IdempotencyKeyUsed(Box<IdempotencyRecord>),
    /// Meta refused the message permanently.
    Refused(Box<MetaError>),
    /// Meta limits the rate.
    MetaRateLimited {
        /// Seconds to wait.
        retry_after: u32,
        /// Meta's error, if the response had one.
        error: Option<Box<MetaError>>,
    },
    /// Meta is unreachable, or has an outage.
    MetaUnavailable(Option<Box<MetaError>>),
    /// The store failed.
    Store(StoreError),
}

/// Reference to a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateRef {
    /// Name of the template.
    pub name: String,
    /// Language code of the template.
    pub language: String,
    /// Name of the account.
    pub account: String,
}

/// Template that does not exist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MissingTemplate {
    /// Template of the message.
    pub template: TemplateRef,
    /// Languages in which a template with this name exists.
    pub languages: Vec<String>,
    /// Similar names of other templates of the WhatsApp Business Account.
    pub similar_names: Vec<String>,
}

impl From<StoreError> for SendError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<MediaCheckError> for SendError {
    fn from(error: MediaCheckError) -> Self {
        match error {
            MediaCheckError::Unusable(violations) => Self::Media(violations),
            MediaCheckError::Store(error) => Self::Store(error),
        }
    }
}
