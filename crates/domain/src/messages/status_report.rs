//! Meta's reports about messages that we sent.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;

use crate::id::{MessageId, ParseIdError};
use crate::messages::status::MessageStatus;
use crate::meta_error::MetaError;

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
    pub message: MessageId,
    /// The attempt, from 1.
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
