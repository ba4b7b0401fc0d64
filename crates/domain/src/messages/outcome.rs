//! How the handing-over of a message to Meta can end.

use crate::meta_error::MetaError;

/// The end of one attempt. There is no error: not knowing is one of the ends.
#[derive(Clone, Debug, PartialEq)]
pub enum SendOutcome {
    /// Meta took the message.
    Accepted(AcceptedMessage),
    /// Meta said no, in an `error` object: it did not take the message.
    Refused(MetaError),
    /// Something on the way said no (3xx or 4xx without an `error` object): Meta never saw the message.
    Stopped {
        /// The HTTP status of the refusal.
        http_status: u16,
        /// Seconds to wait, where the answer named them.
        retry_after: Option<u32>,
    },
    /// The request never left: no connection, or the connection handed it back.
    NotSent {
        /// Why, for a log line.
        reason: String,
    },
    /// The request may or may not have reached Meta.
    Unknown {
        /// Why, for a log line.
        reason: String,
    },
}

/// Meta's yes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AcceptedMessage {
    /// Meta's id of the message.
    pub wamid: String,
    /// The recipient's number as Meta knows it: digits. Absent when addressed by user id.
    pub wa_id: Option<String>,
    /// The recipient's business-scoped user id, when addressed by it.
    pub user_id: Option<String>,
    /// `accepted`, `held_for_quality_assessment` or `paused`; templates only.
    pub message_status: Option<String>,
}
