//! Kinds of events.

use crate::messages::status::MessageStatus;
use crate::text_enum;

macro_rules! kinds {
    ($($(#[doc = $doc:literal])+ $name:ident = $text:literal;)*) => {
        text_enum! {
            /// Type of an event.
            pub enum EventKind {
                $($(#[doc = $doc])+ $name = $text,)*
            }
        }

        impl EventKind {
            /// Returns the description in `docs/events.md`.
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
    /// A customer sent a message. A message of an unknown type has the type `unsupported`.
    MessageIncoming = "message.incoming";
    /// A message was accepted into the queue, or its file cannot be downloaded yet: `error` has the reason.
    MessageQueued = "message.queued";
    /// Meta accepted the message.
    MessageSent = "message.sent";
    /// The message was delivered to the customer's phone.
    MessageDelivered = "message.delivered";
    /// The customer opened the chat.
    MessageRead = "message.read";
    /// The customer played the voice message.
    MessagePlayed = "message.played";
    /// The message will not be delivered; `error` has the reason.
    MessageFailed = "message.failed";
    /// It is not known if Meta received the message. A status from Meta or a decision of a user resolves the message.
    MessageUnknown = "message.unknown";
    /// The message expired before it was sent.
    MessageExpired = "message.expired";
    /// The application canceled the message before it was sent.
    MessageCanceled = "message.canceled";
    /// A contact was created.
    ContactCreated = "contact.created";
    /// A contact changed; `changes` lists the changed fields.
    ContactUpdated = "contact.updated";
    /// Meta changed a template; `change` names the property: status, category, quality or components.
    TemplateStatus = "template.status";
    /// An account changed; `change` names the property: status, quality, limits, or another update of Meta.
    AccountStatus = "account.status";
    /// A webhook endpoint was disabled because it failed for too long or responded with 410 (gone).
    WebhookDisabled = "webhook.disabled";
    /// A test of a webhook endpoint.
    WebhookTest = "webhook.test";
}

impl EventKind {
    /// Returns the event for a status of a message; `None` if the status has no event.
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
    fn each_event_kind_is_parsed_from_its_text() {
        for kind in EventKind::ALL {
            assert_eq!(kind.as_str().parse(), Ok(kind));
        }
        assert_eq!("message.gone".parse::<EventKind>(), Err(UnknownVariant));
    }

    #[test]
    fn every_status_except_sending_has_an_event() {
        for status in MessageStatus::ALL {
            assert_eq!(EventKind::of_status(status).is_none(), status == MessageStatus::Sending);
        }
    }
}
