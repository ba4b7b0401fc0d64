//! Response to an accepted message.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use domain::access::rate_limiter::CallKind;
use domain::json::Value;
use engine::Deps;
use engine::messages::dry_run::{Rehearsal, Rehearsed};
use engine::messages::send::{Progress, Sent};
use engine::messages::{dry_run, send};
use engine::ports::Recipient;
use serde::Serialize;

use crate::api::error::ApiError;
use crate::api::messages::idempotency;
use crate::api::messages::send_request::{Kind, Read, read_request};
use crate::api::request_context::RequestContext;
use crate::api::response::object;
use crate::api::{request_body, response};

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
    pub(crate) fn of(sent: &'a Sent) -> (StatusCode, Self) {
        let (to, recipient) = match &sent.recipient {
            Recipient::Phone(number) => (Some(number.to_string()), None),
            Recipient::User(user) => (None, Some(user.as_str())),
        };
        let id = sent.id.to_string();
        let (http, status, message_id) = match &sent.progress {
            Progress::Sent { wamid } => (StatusCode::OK, "sent", wamid.clone()),
            Progress::Unknown => (StatusCode::ACCEPTED, "unknown", id.clone()),
            Progress::Queued => (StatusCode::ACCEPTED, "queued", id.clone()),
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
