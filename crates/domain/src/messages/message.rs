//! How a message can fare.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;

use crate::meta_error::MetaError;

/// Where a message stands.
///
/// The order of the variants is the order of http-api.md section 2: reports only move a message up, so that any order
/// of the same reports ends the same. `Expired` and `Canceled` are final and reached from `Queued` only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MessageStatus {
    /// Accepted here, waiting for its turn.
    Queued,
    /// Being handed to Meta.
    Sending,
    /// The request may or may not have reached Meta.
    Unknown,
    /// Meta took it.
    Sent,
    /// It will not arrive.
    Failed,
    /// It is on the customer's phone.
    Delivered,
    /// The customer opened the chat.
    Read,
    /// The customer played the voice message.
    Played,
    /// Its time ran out before it was sent.
    Expired,
    /// The application took it back before it was sent.
    Canceled,
    /// The customer's own message: it arrived here.
    Received,
}

impl MessageStatus {
    /// Every status, in order.
    pub const ALL: [Self; 11] = [
        Self::Queued,
        Self::Sending,
        Self::Unknown,
        Self::Sent,
        Self::Failed,
        Self::Delivered,
        Self::Read,
        Self::Played,
        Self::Expired,
        Self::Canceled,
        Self::Received,
    ];

    /// The word used in the API and the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Sending => "sending",
            Self::Unknown => "unknown",
            Self::Sent => "sent",
            Self::Failed => "failed",
            Self::Delivered => "delivered",
            Self::Read => "read",
            Self::Played => "played",
            Self::Expired => "expired",
            Self::Canceled => "canceled",
            Self::Received => "received",
        }
    }

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
pub fn failure_word(code: &str) -> &'static str {
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

/// A word that is none of the known ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not one of the known words")]
pub struct UnknownVariant;

impl FromStr for MessageStatus {
    type Err = UnknownVariant;

    fn from_str(text: &str) -> Result<Self, UnknownVariant> {
        Self::ALL.into_iter().find(|status| status.as_str() == text).ok_or(UnknownVariant)
    }
}

impl fmt::Display for MessageStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Who wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// The customer, to us.
    Inbound,
    /// We, to the customer.
    Outbound,
}

impl Direction {
    /// The word used in the API and the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Inbound => "inbound",
            Self::Outbound => "outbound",
        }
    }
}

impl FromStr for Direction {
    type Err = UnknownVariant;

    fn from_str(text: &str) -> Result<Self, UnknownVariant> {
        match text {
            "inbound" => Ok(Self::Inbound),
            "outbound" => Ok(Self::Outbound),
            _ => Err(UnknownVariant),
        }
    }
}

/// What a message that we sent costs, as Meta reports it (reference C.5).
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Pricing {
    /// Whether it is billed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub billable: Option<bool>,
    /// `PMP` or `CBP`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pricing_model: Option<String>,
    /// `regular`, `free_customer_service` or `free_entry_point`.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// `marketing`, `utility`, `authentication`, `service`, …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub category: Option<String>,
}

/// One report of Meta's about a message that we sent (reference C.5).
#[derive(Clone, Debug, PartialEq)]
pub struct StatusReport {
    /// Meta's id of the message.
    pub wamid: String,
    /// What happened; only `Sent`, `Failed`, `Delivered`, `Read` and `Played` are reported.
    pub status: MessageStatus,
    /// When, by Meta's time.
    pub at: Timestamp,
    /// What we put in `biz_opaque_callback_data`.
    pub reference: Option<AttemptReference>,
    /// The customer's `wa_id`, digits.
    pub recipient: Option<String>,
    /// The customer's business-scoped user id.
    pub user_id: Option<String>,
    /// Why it failed.
    pub error: Option<MetaError>,
    /// What it costs.
    pub pricing: Option<Pricing>,
}

/// The reference that goes out with an attempt: `<id>` for the first, `<id>:<n>` for the n-th.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AttemptReference {
    /// The message.
    pub message: crate::id::MessageId,
    /// The attempt, from 1.
    pub attempt: u32,
}

impl fmt::Display for AttemptReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.attempt <= 1 { self.message.fmt(f) } else { write!(f, "{}:{}", self.message, self.attempt) }
    }
}

impl FromStr for AttemptReference {
    type Err = crate::id::ParseIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let Some((id, attempt)) = text.split_once(':') else {
            return Ok(Self { message: text.parse()?, attempt: 1 });
        };
        let attempt = attempt.parse().map_err(|_| crate::id::ParseIdError)?;
        Ok(Self { message: id.parse()?, attempt })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::id::MessageId;

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

    #[test]
    fn a_reference_reads_back_from_its_text() {
        let message = MessageId::from_parts(1_000, &[3; 10]);
        for attempt in [1, 2, 17] {
            let reference = AttemptReference { message, attempt };
            assert_eq!(reference.to_string().parse(), Ok(reference));
        }
        assert_eq!(AttemptReference { message, attempt: 1 }.to_string(), message.to_string());
        assert!("someone else's".parse::<AttemptReference>().is_err());
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
