//! Cancel a queued message.

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

/// Takes a message back that waits in the queue.
pub(crate) async fn cancel_message(
    State(deps): State<Arc<Deps>>,
    Authorized(caller): Authorized,
    IdOrName(id): IdOrName,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    request_body::nothing(&deps, &headers, body).await?;
    match actions::cancel_message(&deps, &caller, &key_of(&id)).await {
        Ok(message) => Ok(response::success(StatusCode::OK, &serialize_message(message))),
        Err(MessageActionError::NotPossible(status)) => {
            let message = format!("The message cannot be canceled: its status is `{status}`.");
            Err(ApiError::new(Code::NotCancelable, message).with("status", status.as_str()))
        }
        Err(error) => Err(error.into()),
    }
}
