//! Status of messages and failure codes.

use crate::text_enum;

text_enum! {
    /// Status of a message.
    ///
    /// The order of the variants is the order of the statuses: a report never moves a message back, so that any order
    /// of the same reports has the same result. `Expired` and `Canceled` are final and follow `Queued` only.
    pub enum MessageStatus {
        /// The message is in the queue.
        Queued = "queued",
        /// The message is being sent to Meta.
        Sending = "sending",
        /// Meta may or may not have received the request.
        Unknown = "unknown",
        /// Meta accepted the message.
        Sent = "sent",
        /// The message will not be delivered.
        Failed = "failed",
        /// The message is on the recipient's phone.
        Delivered = "delivered",
        /// The recipient opened the chat.
        Read = "read",
        /// The recipient played the voice message.
        Played = "played",
        /// The message expired before it was sent.
        Expired = "expired",
        /// The application canceled the message before it was sent.
        Canceled = "canceled",
        /// The message is from the customer and arrived.
        Received = "received",
    }
}

impl MessageStatus {
    /// Returns the status after a report of `reported`: never lower than before.
    #[must_use]
    pub fn after(self, reported: Self) -> Self {
        match self {
            Self::Expired | Self::Canceled | Self::Received => self,
            Self::Queued
            | Self::Sending
            | Self::Unknown
            | Self::Sent
            | Self::Failed
            | Self::Delivered
            | Self::Read
            | Self::Played => self.max(reported),
        }
    }
}

/// Returns the description of a failure code that is not Meta's.
#[must_use]
pub fn failure_title(code: &str) -> &'static str {
    match code {
        "interrupted" => "The process ended before the message was sent.",
        "meta_unavailable" => "Meta was not reachable.",
        "meta_rate_limited" => "Meta limited the rate of messages.",
        "account_disconnected" => "The account was suspended.",
        "outside_window" => "The customer service window was closed when the message was due.",
        "media_failed" => "A media file of the message could not be used.",
        "recipient_opted_out" => "The recipient had opted out of marketing when the message was due.",
        "given_up" => "A user gave up the message. It is not known if the message arrived.",
        "store_unavailable" => "The store was not available.",
        _ => "The message was not sent.",
    }
}

/// Returns a failure code from a closed list for metrics: `other` for an unknown code.
#[must_use]
pub fn failure_code_label(code: &str) -> &'static str {
    [
        "meta_error",
        "interrupted",
        "meta_unavailable",
        "meta_rate_limited",
        "account_disconnected",
        "outside_window",
        "media_failed",
        "given_up",
        "store_unavailable",
    ]
    .into_iter()
    .find(|known| *known == code)
    .unwrap_or("other")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::text_enum::UnknownVariant;

    #[test]
    fn a_status_reads_back_from_its_word() {
        for status in MessageStatus::ALL {
            assert_eq!(status.as_str().parse(), Ok(status));
        }
        assert_eq!("gone".parse::<MessageStatus>(), Err(UnknownVariant));
    }

    #[test]
    fn what_expired_or_was_canceled_stays_so() {
        assert_eq!(MessageStatus::Expired.after(MessageStatus::Read), MessageStatus::Expired);
        assert_eq!(MessageStatus::Canceled.after(MessageStatus::Sent), MessageStatus::Canceled);
    }

    fn reported() -> impl Strategy<Value = MessageStatus> {
        prop::sample::select(vec![
            MessageStatus::Sent,
            MessageStatus::Failed,
            MessageStatus::Delivered,
            MessageStatus::Read,
            MessageStatus::Played,
            MessageStatus::Unknown,
        ])
    }

    proptest! {
        #[test]
        fn any_order_of_the_same_reports_ends_the_same(
            (reports, shuffled) in prop::collection::vec(reported(), 0..8)
                .prop_flat_map(|reports| (Just(reports.clone()), Just(reports).prop_shuffle())),
        ) {
            let end = |reports: &[MessageStatus]| reports.iter().fold(MessageStatus::Sending, |status, report| status.after(*report));
            prop_assert_eq!(end(&reports), end(&shuffled));
            let twice: Vec<_> = reports.iter().chain(&shuffled).copied().collect();
            prop_assert_eq!(end(&reports), end(&twice));
        }
    }
}
