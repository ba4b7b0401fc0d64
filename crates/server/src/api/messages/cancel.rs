//! Cancel a queued message.

use crate::api::messages::message_key::MESSAGE_ID;
use crate::api::messages::serialize::MESSAGE_EXAMPLE;
use crate::api::openapi::example::MESSAGE;
use crate::api::openapi::operation::Operation;
use crate::api::openapi::schema::Schema;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use engine::Deps;
use engine::messages::actions;
use engine::messages::actions::MessageActionError;

use crate::api::error::{ApiError, Code};
use crate::api::messages::message_key::key_of;
use crate::api::messages::serialize::serialize_message;
use crate::api::request_context::{Authorized, IdOrName};
use crate::api::{request_body, response};

/// Cancels a queued message.
pub(crate) async fn cancel_message(
    State(deps): State<Arc<Deps>>,
    Authorized(caller): Authorized,
    IdOrName(id): IdOrName,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    request_body::empty(&headers, body).await?;
    match actions::cancel_message(&deps, &caller, &key_of(&id)).await {
        Ok(message) => Ok(response::success(StatusCode::OK, &serialize_message(message))),
        Err(MessageActionError::NotPossible(status)) => {
            let message = format!("The message cannot be canceled: its status is `{status}`.");
            Err(ApiError::new(Code::NotCancelable, message).with("status", status.as_str()))
        }
        Err(error) => Err(error.into()),
    }
}

/// Describes the operation of this file.
pub(crate) fn operations() -> Vec<Operation> {
    vec![
        Operation::new(
            "cancel_message",
            "Cancel a queued message",
            "Cancels a message that waits in the queue.",
        )
        .id(MESSAGE_ID, MESSAGE)
        .errors([Code::MessageNotFound])
        .responds(200, "The message.", Schema::reference("Message"), MESSAGE_EXAMPLE)
        .empty_body()
        .errors([Code::NotCancelable]),
    ]
}
