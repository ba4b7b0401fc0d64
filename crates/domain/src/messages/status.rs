//! How a message can fare.

use crate::text_enum;

text_enum! {
    /// Where a message stands.
    ///
    /// The order of the variants is the order of http-api.md section 2: reports only move a message up, so that any order
    /// of the same reports ends the same. `Expired` and `Canceled` are final and reached from `Queued` only.
    pub enum MessageStatus {
        /// Accepted here, waiting for its turn.
        Queued = "queued",
        /// Being handed to Meta.
        Sending = "sending",
        /// The request may or may not have reached Meta.
        Unknown = "unknown",
        /// Meta took it.
        Sent = "sent",
        /// It will not arrive.
        Failed = "failed",
        /// It is on the customer's phone.
        Delivered = "delivered",
        /// The customer opened the chat.
        Read = "read",
        /// The customer played the voice message.
        Played = "played",
        /// Its time ran out before it was sent.
        Expired = "expired",
        /// The application took it back before it was sent.
        Canceled = "canceled",
        /// The customer's own message: it arrived here.
        Received = "received",
    }
}

impl MessageStatus {
    /// The status after a report of `reported`: never lower than before.
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

/// What a failure that is not Meta's means.
#[must_use]
pub fn failure_title(code: &str) -> &'static str {
    match code {
        "interrupted" => "The process ended before the message was sent.",
        "meta_unavailable" => "Meta could not be reached.",
        "meta_rate_limited" => "Meta wanted less.",
        "account_disconnected" => "The account was held.",
        "outside_window" => "The 24-hour window had closed when the message was to leave.",
        "media_failed" => "A file of the message could not be used.",
        "recipient_opted_out" => "The person had opted out of marketing when the message was to leave.",
        "given_up" => "Somebody gave it up: whether it arrived is not known.",
        "store_unavailable" => "The store took no writes.",
        _ => "The message was not sent.",
    }
}

/// A failure's code as one of a closed list: `other` for one that is not known.
#[must_use]
pub fn failure_code_label(code: &str) -> &'static str {
    [
        "meta_error",
        "interrupted",
        "meta_unavailable",
        "meta_rate_limited",
        "account_disconnected",
        "outside_window",
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
