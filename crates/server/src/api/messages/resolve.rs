//! UnknownResolution a message whose outcome is unknown.

use crate::api::error::Code;
use crate::api::messages::message_key::MESSAGE_ID;
use crate::api::messages::serialize::MESSAGE_EXAMPLE;
use crate::api::openapi::example::MESSAGE;
use crate::api::openapi::operation::Operation;
use crate::api::openapi::schema::Schema;
use domain::check::Fields;
use domain::check::RequestSchema;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use engine::Deps;
use engine::messages::actions;
use engine::messages::actions::UnknownResolution;

use crate::api::error::ApiError;
use crate::api::messages::message_key::key_of;
use crate::api::messages::serialize::serialize_message;
use crate::api::request_context::{Audited, IdOrName};
use crate::api::{request_body, response};

/// Resolves a message whose outcome is unknown: sends the message once more, or fails the message.
pub(crate) async fn resolve_message(
    State(deps): State<Arc<Deps>>,
    Audited(caller, audit): Audited,
    IdOrName(id): IdOrName,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let object = request_body::json(&headers, body).await?;
    let action = request_body::read(&object, read_resolution)?;
    let action = action.ok_or_else(|| ApiError::invalid_at("/action", "is required"))?;
    let message = actions::resolve_message(&deps, &caller, &audit, &key_of(&id), action).await?;
    Ok(response::success(StatusCode::OK, &serialize_message(message)))
}

/// Reads the body of a resolution.
pub(crate) fn read_resolution(fields: &Fields<'_, '_>) -> Option<UnknownResolution> {
    fields
        .required("action")
        .about("`resend`: send the message again, once. `fail`: set the message to `failed`.")
        .choice(&[("resend", UnknownResolution::Resend), ("fail", UnknownResolution::Fail)])
}

/// Describes the operation of this file.
pub(crate) fn operations() -> Vec<Operation> {
    vec![
        Operation::new(
            "resolve_message",
            "Resolve a message with an unknown outcome",
            "For a message with the status `unknown`: Waypost cannot tell if Meta accepted \
             it.",
        )
        .id(MESSAGE_ID, MESSAGE)
        .errors([Code::MessageNotFound])
        .responds(200, "The message.", Schema::reference("Message"), MESSAGE_EXAMPLE)
        .body(RequestSchema::of(read_resolution), [("fail", r#"{"action":"fail"}"#)])
        .errors([
            Code::NotResolvable,
            Code::AccountNotFound,
            Code::AccountDisconnected,
            Code::QueueFull,
        ]),
    ]
}
