//! List the messages of a contact.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::response::Response;
use engine::Deps;

use crate::api::contacts::lookup::find;
use crate::api::error::ApiError;
use crate::api::request_context::{Authorized, IdOrName};

/// Lists a contact's messages, newest first.
pub(crate) async fn list_contact_messages(
    State(deps): State<Arc<Deps>>,
    Authorized(caller): Authorized,
    IdOrName(id): IdOrName,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let contact = find(&deps, &caller, &id).await?;
    crate::api::messages::list::list_some(&deps, &caller, query.as_deref(), Some(contact.id)).await
}
