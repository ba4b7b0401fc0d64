//! Response to an accepted message.

use axum::http::StatusCode;
use engine::messages::outcome::{SendProgress, SendReceipt};
use engine::ports::Recipient;
use serde::Serialize;

/// What is answered to a message that was accepted.
#[derive(Serialize)]
pub(crate) struct SendResponse<'a> {
    message_id: String,
    status: &'static str,
    id: String,
    to: Option<String>,
    recipient: Option<&'a str>,
    whatsapp_account_id: String,
    client_reference: Option<&'a str>,
    sent_as: &'static str,
}

impl<'a> SendResponse<'a> {
    /// The answer with its HTTP status.
    pub(crate) fn of(sent: &'a SendReceipt) -> (StatusCode, Self) {
        let (to, recipient) = match &sent.recipient {
            Recipient::Phone(number) => (Some(number.to_string()), None),
            Recipient::Bsuid(user) => (None, Some(user.as_str())),
        };
        let id = sent.id.to_string();
        let (http, status, message_id) = match &sent.progress {
            SendProgress::Sent { wamid } => (StatusCode::OK, "sent", wamid.clone()),
            SendProgress::Unknown => (StatusCode::ACCEPTED, "unknown", id.clone()),
            SendProgress::Queued => (StatusCode::ACCEPTED, "queued", id.clone()),
        };
        let answer = Self {
            message_id,
            status,
            id,
            to,
            recipient,
            whatsapp_account_id: sent.account.to_string(),
            client_reference: sent.client_reference.as_deref(),
            sent_as: sent.sent_as.as_str(),
        };
        (http, answer)
    }
}
