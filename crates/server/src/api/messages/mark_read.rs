//! Mark an inbound message as read.

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
use crate::api::{request_body, response};

/// Marks a customer's message as read.
pub(crate) async fn mark_message_read(
    State(deps): State<Arc<Deps>>,
    Authorized(caller): Authorized,
    IdOrName(id): IdOrName,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let object = request_body::object(&request_body::bytes(&deps, &headers, body).await?, true)?;
    let is_typing = request_body::read(&object, |fields| fields.optional("typing_indicator").boolean())?;
    mark_read::mark_read(&deps, &caller, &key_of(&id), is_typing.unwrap_or(false)).await?;
    let data = response::object([("message_id", id.into()), ("status", "read".into())]);
    Ok(response::success(StatusCode::OK, &data))
}
