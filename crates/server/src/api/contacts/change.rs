//! Create, update and delete contacts.

use crate::api::contacts::lookup::CONTACT_ID;
use crate::api::contacts::serialize::CONTACT_EXAMPLE;
use crate::api::error::Code;
use crate::api::openapi::example::CONTACT;
use crate::api::openapi::operation::Operation;
use crate::api::openapi::schema::Schema;
use domain::check::Fields;
use domain::check::RequestSchema;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use domain::contacts::contact::ContactChange;
use engine::ports::{ContactTarget, UpsertContactResult};
use engine::{Deps, contacts};

use crate::api::contacts::lookup::{find, not_found, require_all_accounts};
use crate::api::contacts::outcome::stored_contact;
use crate::api::contacts::serialize::serialize_contact;
use crate::api::error::ApiError;
use crate::api::request_context::{Audited, IdOrName};
use crate::api::{request_body, response};

/// Creates a contact. With `?upsert=true`, updates the contact that has the phone number or user id.
pub(crate) async fn create_contact(
    State(deps): State<Arc<Deps>>,
    Audited(caller, audit): Audited,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let query = request_body::query(query.as_deref())?;
    let is_upsert = request_body::read(&query, read_upsert)?;
    let object = request_body::json(&headers, body).await?;
    let change = request_body::read(&object, ContactChange::read_new)?;
    require_all_accounts(&deps, &caller)?;
    let target = if is_upsert == Some(true) { ContactTarget::Matching } else { ContactTarget::New };
    let result = contacts::upsert_contact(&deps, &audit, caller.workspace(), target, change).await?;
    let (status, contact) = stored_contact(result)?;
    Ok(response::success(status, &serialize_contact(contact)))
}

/// Changes the given fields.
pub(crate) async fn update_contact(
    State(deps): State<Arc<Deps>>,
    Audited(caller, audit): Audited,
    IdOrName(id): IdOrName,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let target = ContactTarget::Existing(find(&deps, &caller, &id).await?.id);
    let object = request_body::json(&headers, body).await?;
    let change = request_body::read(&object, ContactChange::read)?;
    require_all_accounts(&deps, &caller)?;
    let result = contacts::upsert_contact(&deps, &audit, caller.workspace(), target, change).await?;
    if result == UpsertContactResult::NotFound {
        return Err(not_found(&id));
    }
    let (status, contact) = stored_contact(result)?;
    Ok(response::success(status, &serialize_contact(contact)))
}

/// Erases a contact permanently.
pub(crate) async fn delete_contact(
    State(deps): State<Arc<Deps>>,
    Audited(caller, audit): Audited,
    IdOrName(id): IdOrName,
) -> Result<Response, ApiError> {
    let found = find(&deps, &caller, &id).await?;
    require_all_accounts(&deps, &caller)?;
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

/// Describes the operations of this file.
pub(crate) fn operations() -> Vec<Operation> {
    vec![
        Operation::new(
            "create_contact",
            "Create a contact",
            "Adds a contact who has not written a message yet. Waypost creates a contact for every person who writes. A key that is limited to some accounts cannot change contacts.",
        )
        .query(RequestSchema::of_query(read_upsert))
        .body(RequestSchema::of(ContactChange::read_new), [("person", CREATE_CONTACT_REQUEST)])
        .responds(201, "The contact.", Schema::reference("Contact"), CONTACT_EXAMPLE)
        .responds(
            200,
            "With `upsert`: the contact existed and is updated.",
            Schema::reference("Contact"),
            CONTACT_EXAMPLE,
        )
        .errors([Code::ContactExists]),
        Operation::new(
            "update_contact",
            "Update a contact",
            "Changes the given fields. `null` clears a field. `tags` and `custom_fields` \
             replace the present values.",
        )
        .id(CONTACT_ID, CONTACT)
        .errors([Code::ContactNotFound])
        .body(
            RequestSchema::of(ContactChange::read),
            [("stage", r#"{"stage":"customer","tags":["vip","wholesale"]}"#)],
        )
        .responds(200, "The contact.", Schema::reference("Contact"), CONTACT_EXAMPLE)
        .errors([Code::ContactExists]),
        Operation::new(
            "delete_contact",
            "Erase a contact",
            "Erases the contact, the content of its messages and its files permanently. \
             Counts and statistics stay the same.",
        )
        .id(CONTACT_ID, CONTACT)
        .errors([Code::ContactNotFound])
        .responds_empty(204, "The contact is erased."),
    ]
}

const CREATE_CONTACT_REQUEST: &str = r#"{"phone_number":"+44 7700 900124","name":"Maya Osei","tags":["vip"],"stage":"lead","email":"maya@example.com",
    "custom_fields":{"loyalty_points":120,"city":"Leeds"}}"#;
