//! Response to an accepted message.

use crate::api::openapi::schema::Schema;
use crate::api::openapi::schema::{optional, required};
use crate::api::serialize::time;
use axum::http::StatusCode;
use domain::json::Value;
use engine::messages::outcome::{SendProgress, SendReceipt};
use engine::ports::Recipient;
use serde::Serialize;

/// Data of the response to an accepted message.
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
    #[serde(skip_serializing_if = "Option::is_none")]
    send_at: Option<Value>,
}

impl<'a> SendResponse<'a> {
    /// Returns the HTTP status and the data of the response.
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
        let body = Self {
            message_id,
            status,
            id,
            to,
            recipient,
            whatsapp_account_id: sent.account.to_string(),
            client_reference: sent.client_reference.as_deref(),
            sent_as: sent.sent_as.as_str(),
            send_at: sent.send_at.map(time),
        };
        (http, body)
    }
}

/// Returns the named schema of the response.
pub(crate) fn schemas() -> Vec<(&'static str, Schema)> {
    vec![("SentMessage", sent_message_schema())]
}

fn sent_message_schema() -> Schema {
    Schema::object([
        required(
            "message_id",
            Schema::string(1..).about("Meta's message ID; Waypost's ID until Meta's is known."),
        ),
        required("status", Schema::enumeration(["sent", "queued", "unknown"])),
        required("id", Schema::uuid().about("Waypost's ID.")),
        required("to", Schema::string(1..).or_null()),
        required("recipient", Schema::string(1..).or_null()),
        required("whatsapp_account_id", Schema::uuid()),
        required("client_reference", Schema::string(1..).or_null()),
        required(
            "sent_as",
            Schema::enumeration(["message", "template"]).about("`template`: the fallback template was sent."),
        ),
        optional("send_at", Schema::time().about("Time at which a scheduled message is sent.")),
    ])
}
