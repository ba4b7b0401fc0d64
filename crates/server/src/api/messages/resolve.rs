//! UnknownResolution a message whose outcome is unknown.

use domain::check::Fields;
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

/// Ends the uncertainty about a message: sends it again, once, or gives it up.
pub(crate) async fn resolve_message(
    State(deps): State<Arc<Deps>>,
    Audited(caller, audit): Audited,
    IdOrName(id): IdOrName,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let object = request_body::json(&deps, &headers, body).await?;
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
