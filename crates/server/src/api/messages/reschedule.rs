//! Change the send time of a queued message.

use crate::api::error::{ApiError, Code};
use crate::api::messages::message_key::MESSAGE_ID;
use crate::api::messages::message_key::key_of;
use crate::api::messages::send_request::{SEND_AT, read_send_at};
use crate::api::messages::serialize::MESSAGE_EXAMPLE;
use crate::api::messages::serialize::serialize_message;
use crate::api::openapi::example::MESSAGE;
use crate::api::openapi::operation::Operation;
use crate::api::openapi::schema::Schema;
use crate::api::request_context::{Audited, IdOrName};
use crate::api::{request_body, response};
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use domain::check::{Fields, RequestSchema};
use engine::Deps;
use engine::messages::actions;
use engine::messages::actions::MessageActionError;
use jiff::Timestamp;
use std::sync::Arc;

/// Changes the send time of a queued message.
pub(crate) async fn update_message(
    State(deps): State<Arc<Deps>>,
    Audited(caller, audit): Audited,
    IdOrName(id): IdOrName,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let object = request_body::json(&headers, body).await?;
    let now = deps.now();
    let send_at = request_body::read(&object, |fields| read_change(fields, now))?;
    let send_at = send_at.ok_or_else(|| ApiError::invalid_at("/send_at", "is required"))?;
    match actions::reschedule_message(&deps, &caller, &audit, &key_of(&id), send_at).await {
        Ok(message) => Ok(response::success(StatusCode::OK, &serialize_message(message))),
        Err(MessageActionError::NotPossible(status)) => {
            let message = format!("The message cannot be rescheduled: its status is `{status}`.");
            Err(ApiError::new(Code::NotReschedulable, message).with("status", status.as_str()))
        }
        Err(error) => Err(error.into()),
    }
}

/// Reads the body of a change.
fn read_change(fields: &Fields<'_, '_>, now: Timestamp) -> Option<Timestamp> {
    read_send_at(&fields.required("send_at").about(SEND_AT), now)
}

/// Describes the operation of this file.
pub(crate) fn operations() -> Vec<Operation> {
    vec![
        Operation::new(
            "update_message",
            "Reschedule a queued message",
            "Changes the time at which a queued message is sent. The message is checked as a new message is: the customer \
             service window must be open at the new time, or the message must have a fallback template. With `valid_for`, \
             the message expires the same time after the new send time. A message that is being sent or has left the queue \
             cannot be rescheduled.",
        )
        .id(MESSAGE_ID, MESSAGE)
        .body(
            RequestSchema::of(|fields| read_change(fields, Timestamp::UNIX_EPOCH)),
            [("later", r#"{"send_at":"2026-01-01T05:00:00.000Z"}"#)],
        )
        .responds(200, "The message.", Schema::reference("Message"), MESSAGE_EXAMPLE)
        .errors([
            Code::MessageNotFound,
            Code::AccountNotFound,
            Code::NotReschedulable,
            Code::OutsideWindow,
            Code::RecipientOptedOut,
            Code::RecipientMarketingLimited,
        ]),
    ]
}
