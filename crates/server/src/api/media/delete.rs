//! Delete a file.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use engine::Deps;
use engine::media::{DeleteMediaError, delete_media as delete};

use crate::api::error::{ApiError, Code};
use crate::api::media::download::MEDIA_ID;
use crate::api::openapi::example::MEDIA;
use crate::api::openapi::operation::Operation;
use crate::api::request_body;
use crate::api::request_context::{Audited, IdOrName};

/// Deletes a file.
pub(crate) async fn delete_media(
    State(deps): State<Arc<Deps>>,
    Audited(caller, audit): Audited,
    IdOrName(id): IdOrName,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    request_body::reject_query(query.as_deref())?;
    let not_found = || ApiError::new(Code::MediaNotFound, "There is no file with this id.");
    let id = id.parse().map_err(|_| not_found())?;
    match delete(&deps, &caller, &audit, id).await {
        Ok(()) => Ok(StatusCode::NO_CONTENT.into_response()),
        Err(DeleteMediaError::NotFound) => Err(not_found()),
        Err(DeleteMediaError::InUse(message)) => {
            let text =
                format!("The message {message} is waiting and needs the file. Cancel the message first.");
            Err(ApiError::new(Code::MediaInUse, text).with("message_id", message.to_string()))
        }
        Err(DeleteMediaError::Store(error)) => Err(error.into()),
    }
}

/// Describes the operation of this file.
pub(crate) fn operations() -> Vec<Operation> {
    vec![
        Operation::new(
            "delete_media",
            "Delete a file",
            "Deletes the content of the file in Waypost. The file of an inbound message stays visible with the state \
             `failed`. Meta deletes its copy of an uploaded file after 30 days.",
        )
        .id(MEDIA_ID, MEDIA)
        .responds_empty(204, "The file is deleted.")
        .errors([Code::MediaNotFound, Code::MediaInUse]),
    ]
}
