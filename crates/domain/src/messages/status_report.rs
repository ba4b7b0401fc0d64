//! Meta's reports about outbound messages (Meta: Webhooks, messages,
//! <https://developers.facebook.com/docs/whatsapp/cloud-api/webhooks/reference/messages>).

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;

use crate::id::{MessageId, ParseIdError};
use crate::messages::status::MessageStatus;
use crate::meta_error::MetaError;

/// Pricing of an outbound message, as Meta reports it.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Pricing {
    /// `true` if the message is billed.
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

/// Report of Meta about an outbound message.
#[derive(Clone, Debug, PartialEq)]
pub struct StatusReport {
    /// Meta's id of the message.
    pub wamid: String,
    /// Reported status: `Sent`, `Failed`, `Delivered`, `Read` or `Played`.
    pub status: MessageStatus,
    /// Time of the status, from Meta.
    pub at: Timestamp,
    /// Our reference, from `biz_opaque_callback_data`.
    pub reference: Option<AttemptReference>,
    /// `wa_id` of the recipient, digits.
    pub recipient: Option<String>,
    /// Business-scoped user id of the recipient.
    pub user_id: Option<String>,
    /// Reason of a failure.
    pub error: Option<MetaError>,
    /// Pricing.
    pub pricing: Option<Pricing>,
}

/// Reference of an attempt in `biz_opaque_callback_data`: `<id>` for the first attempt, `<id>:<n>` for the n-th.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AttemptReference {
    /// Id of the message.
    pub message: MessageId,
    /// Number of the attempt, from 1.
    pub attempt: u32,
}

impl fmt::Display for AttemptReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.attempt <= 1 { self.message.fmt(f) } else { write!(f, "{}:{}", self.message, self.attempt) }
    }
}

impl FromStr for AttemptReference {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let Some((id, attempt)) = text.split_once(':') else {
            return Ok(Self { message: text.parse()?, attempt: 1 });
        };
        let attempt = attempt.parse().map_err(|_| ParseIdError)?;
        Ok(Self { message: id.parse()?, attempt })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
