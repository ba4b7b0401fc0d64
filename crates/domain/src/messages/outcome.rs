//! Outcome of a call that sends a message.

use crate::meta_error::{MetaError, MetaErrorClass};

/// Outcome of one attempt. It is not an error type: an unknown outcome is a regular outcome.
#[derive(Clone, Debug, PartialEq)]
pub enum SendOutcome {
    /// Meta accepted the message.
    Accepted(AcceptedMessage),
    /// Meta responded with an `error` object and did not accept the message.
    Refused(MetaError),
    /// The request was refused before it reached Meta (3xx or 4xx without an `error` object).
    Stopped {
        /// HTTP status of the response.
        http_status: u16,
        /// Seconds to wait, if the response has a number.
        retry_after: Option<u32>,
    },
    /// The request was not sent: there was no connection, or the connection returned it.
    NotSent {
        /// Reason for the log.
        reason: String,
    },
    /// The request may or may not have reached Meta.
    Unknown {
        /// Reason for the log.
        reason: String,
    },
}

impl SendOutcome {
    /// Returns `true` if the outcome shows that Meta accepts messages of the account: Meta accepted the message, or
    /// refused it for a reason of the message.
    pub fn shows_working_account(&self) -> bool {
        match self {
            Self::Accepted(_) => true,
            Self::Refused(error) => match error.class() {
                MetaErrorClass::PauseTemplate
                | MetaErrorClass::OptOut
                | MetaErrorClass::LimitMarketing
                | MetaErrorClass::WindowClosed
                | MetaErrorClass::RetryLater
                | MetaErrorClass::Permanent => true,
                MetaErrorClass::Retry
                | MetaErrorClass::ThrottleNumber
                | MetaErrorClass::ThrottlePair
                | MetaErrorClass::ThrottleSpam
                | MetaErrorClass::SuspendAccount => false,
            },
            Self::Stopped { .. } | Self::NotSent { .. } | Self::Unknown { .. } => false,
        }
    }
}

/// Meta's response to an accepted message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AcceptedMessage {
    /// Meta's id of the message.
    pub wamid: String,
    /// Recipient's number as Meta knows it: digits. `None` if the message was sent to a user id.
    pub wa_id: Option<String>,
    /// Recipient's business-scoped user id, if the message was sent to it.
    pub user_id: Option<String>,
    /// `accepted`, `held_for_quality_assessment` or `paused`; templates only.
    pub message_status: Option<String>,
}
