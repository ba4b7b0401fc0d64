//! Mark an inbound message as read.

use crate::api::error::Code;
use crate::api::messages::message_key::MESSAGE_ID;
use crate::api::openapi::example::WAMID;
use crate::api::openapi::operation::Operation;
use crate::api::openapi::schema::Schema;
use crate::api::openapi::schema::required;
use domain::check::Fields;
use domain::check::RequestSchema;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use engine::Deps;
use engine::messages::mark_read;

use crate::api::error::ApiError;
use crate::api::messages::message_key::key_of;
use crate::api::request_context::{Authorized, IdOrName};
use crate::api::{request_body, response, serialize};

/// Marks an inbound message as read.
pub(crate) async fn mark_message_read(
    State(deps): State<Arc<Deps>>,
    Authorized(caller): Authorized,
    IdOrName(id): IdOrName,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let object = request_body::object(&request_body::bytes(&headers, body).await?, true)?;
    let is_typing = request_body::read(&object, read_typing)?;
    let read_at =
        mark_read::mark_message_read(&deps, &caller, &key_of(&id), is_typing.unwrap_or(false)).await?;
    let data = response::object([
        ("message_id", id.into()),
        ("status", "read".into()),
        ("read_at", serialize::time(read_at)),
    ]);
    Ok(response::success(StatusCode::OK, &data))
}

/// Reads the body of a mark as read: `true` if the customer is to see a typing indicator.
pub(crate) fn read_typing(fields: &Fields<'_, '_>) -> Option<bool> {
    fields
        .optional("typing_indicator")
        .about("`true`: the customer also sees a typing indicator, for at most 25 seconds.")
        .boolean()
}

/// Describes the operation of this file.
pub(crate) fn operations() -> Vec<Operation> {
    vec![
        Operation::new(
            "mark_message_read",
            "Mark a message as read",
            "The customer sees blue check marks on this message and on all earlier messages of the conversation. These messages get \
             `read_at`, and `GET /api/messages?unread=true` lists them no more.",
        )
        .id(MESSAGE_ID, WAMID)
        .optional_body(RequestSchema::of(read_typing), r#"{"typing_indicator":true}"#)
        .responds(
            200,
            "The message is marked as read.",
            Schema::object([
                required("message_id", Schema::string(1..)),
                required("status", Schema::constant("read")),
                required("read_at", Schema::time().about("Time at which the message was first marked as read.")),
            ]),
            MARK_MESSAGE_READ_RESPONSE,
        )
        .errors([
            Code::MessageNotFound,
            Code::MetaError,
            Code::AccountNotFound,
            Code::MetaRateLimited,
            Code::MetaUnavailable,
            Code::AccountDisconnected,
        ]),
    ]
}

const MARK_MESSAGE_READ_RESPONSE: &str = r#"{"message_id":"wamid.HBgLMTU1NTAxMDAwMDEVAgASGBQzQTYwOTU1MkZCMTlDMkQzMDlCQQA=","status":"read",
    "read_at":"2026-05-29T10:30:00.000Z"}"#;
