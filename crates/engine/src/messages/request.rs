//! Request to send a message.

use domain::contacts::bsuid::Bsuid;
use domain::contacts::phone::PhoneNumber;
use domain::id::{BatchId, ContactId};
use domain::messages::content::Content;
use domain::messages::retry::QUEUE_RETRY_PERIOD;
use jiff::{SignedDuration, Timestamp};

use crate::ports::OnUnknown;

/// Request to send a message, with a valid shape.
#[derive(Clone, Debug)]
pub struct SendRequest {
    /// Address of the recipient.
    pub to: RecipientAddress,
    /// Content of the message.
    pub content: Content,
    /// Identifier or name of the account; `None` for the default account.
    pub account: Option<String>,
    /// Wamid, or Waypost's ID, of the message that the message replies to.
    pub context_wamid: Option<String>,
    /// Batch with which the message is accepted.
    pub batch: Option<BatchId>,
    /// Reference that the caller chose for the message.
    pub client_reference: Option<String>,
    /// Hash for Meta's check of the recipient's identity.
    pub recipient_identity_key_hash: Option<String>,
    /// Time and mode of the send.
    pub timing: SendTiming,
    /// Time after the scheduled time at which an unsent message expires.
    pub valid_for: Option<SignedDuration>,
    /// Template that is sent instead if the customer service window is closed.
    pub fallback: Option<Content>,
    /// Reaction to an unknown outcome.
    pub on_unknown: OnUnknown,
}

impl SendRequest {
    /// Returns the time until which the message may need its files: the message is retried for a day, or as long as the
    /// message is valid.
    pub(crate) fn media_needed_until(&self, now: Timestamp) -> Timestamp {
        let span = self.valid_for.unwrap_or(QUEUE_RETRY_PERIOD).max(QUEUE_RETRY_PERIOD);
        self.timing.leaves_at(now).saturating_add(span).unwrap_or(Timestamp::MAX)
    }
}

/// Address of a recipient, as the caller writes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecipientAddress {
    /// Phone number.
    Phone(PhoneNumber),
    /// Business-scoped user ID.
    User(Bsuid),
    /// Contact of the workspace.
    Contact(ContactId),
}

/// Time and mode of a send.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SendTiming {
    /// Sent immediately, while the caller waits for Meta's answer.
    #[default]
    Sync,
    /// Sent from the queue, not before the scheduled time.
    Queue(Option<Timestamp>),
    /// Sent from the queue as an item of a batch, within the rate limit of the API key, not before the scheduled time.
    Batch {
        /// Index of the item in the batch, from 0.
        index: u32,
        /// Scheduled time.
        send_at: Option<Timestamp>,
    },
}

impl SendTiming {
    /// Returns the scheduled time that the caller requested.
    pub(crate) fn send_at(self) -> Option<Timestamp> {
        match self {
            Self::Sync => None,
            Self::Queue(send_at) | Self::Batch { send_at, .. } => send_at,
        }
    }

    /// Returns the earliest time at which a message that is accepted at `now` is sent.
    pub(crate) fn leaves_at(self, now: Timestamp) -> Timestamp {
        self.send_at().map_or(now, |at| at.max(now))
    }
}
