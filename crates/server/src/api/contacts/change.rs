//! Create, update and delete contacts.

use domain::check::Fields;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use domain::contacts::contact::ContactChange;
use engine::ports::{ContactTarget, UpsertContactResult};
use engine::{Deps, contacts};

use crate::api::contacts::lookup::{find, not_found, refuse_bound};
use crate::api::contacts::outcome::done;
use crate::api::contacts::serialize::serialize_contact;
use crate::api::error::ApiError;
use crate::api::request_context::{Audited, IdOrName};
use crate::api::{request_body, response};

/// Makes a contact; with `?upsert=true` changes the one that has the number or user id.
pub(crate) async fn create_contact(
    State(deps): State<Arc<Deps>>,
    Audited(caller, audit): Audited,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let query = request_body::query(query.as_deref())?;
    let is_upsert = request_body::read(&query, read_upsert)?;
    let object = request_body::json(&deps, &headers, body).await?;
    let change = request_body::read(&object, ContactChange::read_new)?;
    refuse_bound(&deps, &caller)?;
    let target = if is_upsert == Some(true) { ContactTarget::Matching } else { ContactTarget::New };
    let end = contacts::upsert_contact(&deps, &audit, caller.workspace(), target, change).await?;
    let (status, contact) = done(end)?;
    Ok(response::success(status, &serialize_contact(contact)))
}

/// Changes the fields given.
pub(crate) async fn update_contact(
    State(deps): State<Arc<Deps>>,
    Audited(caller, audit): Audited,
    IdOrName(id): IdOrName,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let target = ContactTarget::Existing(find(&deps, &caller, &id).await?.id);
    let object = request_body::json(&deps, &headers, body).await?;
    let change = request_body::read(&object, ContactChange::read)?;
    refuse_bound(&deps, &caller)?;
    let end = contacts::upsert_contact(&deps, &audit, caller.workspace(), target, change).await?;
    if end == UpsertContactResult::NotFound {
        return Err(not_found(&id));
    }
    let (status, contact) = done(end)?;
    Ok(response::success(status, &serialize_contact(contact)))
}

/// Erases a contact for good.
pub(crate) async fn delete_contact(
    State(deps): State<Arc<Deps>>,
    Audited(caller, audit): Audited,
    IdOrName(id): IdOrName,
) -> Result<Response, ApiError> {
    let found = find(&deps, &caller, &id).await?;
    refuse_bound(&deps, &caller)?;
    if contacts::erase_contact(&deps, &audit, caller.workspace(), found.id).await? {
        Ok(StatusCode::NO_CONTENT.into_response())
    } else {
        Err(not_found(&id))
    }
}

/// Reads the query of a new contact.
pub(crate) fn read_upsert(fields: &Fields<'_, '_>) -> Option<bool> {
    let upsert = fields
        .optional("upsert")
        .about("`true`: updates the contact that has the phone number or user ID, if there is one.");
    upsert.boolean_or_text()
}
