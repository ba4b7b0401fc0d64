//! What the application may hear of.
//!
//! An event's data is written down once, in the transaction of the fact that it tells, and goes out as those bytes to
//! everybody who hears of it, as often as it goes out.
//!
//! **Invariant:** the JSON of the data structures here is a promise to the receivers: it is locked by `docs/events.md`.

mod data;

use crate::messages::status::MessageStatus;
use crate::text_enum;

pub use data::{
    AccountData, ContactData, ContextData, ErrorData, IncomingData, MessagingLimitData, OutboundData,
    TemplateData, WebhookData,
};

macro_rules! kinds {
    ($($(#[doc = $doc:literal])+ $name:ident = $word:literal;)*) => {
        text_enum! {
            /// The kinds of events.
            pub enum EventKind {
                $($(#[doc = $doc])+ $name = $word,)*
            }
        }

        impl EventKind {
            /// What `docs/events.md` says of it.
            #[must_use]
            pub const fn description(self) -> &'static str {
                match self {
                    $(Self::$name => concat!($($doc, "\n",)+),)*
                }
            }
        }
    };
}

kinds! {
    /// A customer wrote. An unknown type of message comes as `unsupported`.
    MessageIncoming = "message.incoming";
    /// A message was accepted into the queue.
    MessageQueued = "message.queued";
    /// Meta took the message.
    MessageSent = "message.sent";
    /// The message is on the customer's phone.
    MessageDelivered = "message.delivered";
    /// The customer opened the chat.
    MessageRead = "message.read";
    /// The customer played the voice message.
    MessagePlayed = "message.played";
    /// The message will not arrive; `error` says why.
    MessageFailed = "message.failed";
    /// The request may or may not have reached Meta. Meta's report settles it, or somebody does by hand.
    MessageUnknown = "message.unknown";
    /// The message's time ran out before it was sent.
    MessageExpired = "message.expired";
    /// The application took the message back before it was sent.
    MessageCanceled = "message.canceled";
    /// A person was met for the first time.
    ContactCreated = "contact.created";
    /// Something about a person changed; `changes` names what.
    ContactUpdated = "contact.updated";
    /// Meta changed a template: its status, category, quality or components; `change` says which.
    TemplateStatus = "template.status";
    /// Something about an account changed; `change` says what: whether it may send, its quality, its limit, or what
    /// else Meta told.
    AccountStatus = "account.status";
    /// A campaign has come to its end.
    CampaignCompleted = "campaign.completed";
    /// A transfer was made.
    TransferCreated = "transfer.created";
    /// An endpoint was switched off because it failed for too long, or said that it is gone.
    WebhookDisabled = "webhook.disabled";
    /// A test of an endpoint; only that endpoint gets it.
    WebhookTest = "webhook.test";
}

impl EventKind {
    /// The event that tells that a message reached this status; `None` for those that are not told.
    #[must_use]
    pub const fn of_status(status: MessageStatus) -> Option<Self> {
        match status {
            MessageStatus::Queued => Some(Self::MessageQueued),
            MessageStatus::Sent => Some(Self::MessageSent),
            MessageStatus::Delivered => Some(Self::MessageDelivered),
            MessageStatus::Read => Some(Self::MessageRead),
            MessageStatus::Played => Some(Self::MessagePlayed),
            MessageStatus::Failed => Some(Self::MessageFailed),
            MessageStatus::Unknown => Some(Self::MessageUnknown),
            MessageStatus::Expired => Some(Self::MessageExpired),
            MessageStatus::Canceled => Some(Self::MessageCanceled),
            MessageStatus::Received => Some(Self::MessageIncoming),
            MessageStatus::Sending => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text_enum::UnknownVariant;

    #[test]
    fn a_kind_reads_back_from_its_word() {
        for kind in EventKind::ALL {
            assert_eq!(kind.as_str().parse(), Ok(kind));
        }
        assert_eq!("message.gone".parse::<EventKind>(), Err(UnknownVariant));
    }

    #[test]
    fn every_status_but_the_handing_over_itself_is_told() {
        for status in MessageStatus::ALL {
            assert_eq!(EventKind::of_status(status).is_none(), status == MessageStatus::Sending);
        }
    }
}
