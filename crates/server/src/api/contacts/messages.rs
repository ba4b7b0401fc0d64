//! List the messages of a contact.

use crate::api::contacts::lookup::CONTACT_ID;
use crate::api::error::Code;
use crate::api::messages::list::contact_filters;
use crate::api::messages::serialize::MESSAGE_EXAMPLE;
use crate::api::openapi::example::CONTACT;
use crate::api::openapi::operation::Operation;
use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::response::Response;
use engine::Deps;

use crate::api::contacts::lookup::find;
use crate::api::error::ApiError;
use crate::api::request_context::{Authorized, IdOrName};

/// Lists the messages of a contact, newest first.
pub(crate) async fn list_contact_messages(
    State(deps): State<Arc<Deps>>,
    Authorized(caller): Authorized,
    IdOrName(id): IdOrName,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let contact = find(&deps, &caller, &id).await?;
    crate::api::messages::list::list_filtered(&deps, &caller, query.as_deref(), Some(contact.id)).await
}

/// Describes the operation of this file.
pub(crate) fn operations() -> Vec<Operation> {
    vec![
        contact_filters(
            Operation::new(
                "list_contact_messages",
                "List the messages of a contact",
                "Lists messages of all accounts that the caller may see, newest first.",
            )
            .id(CONTACT_ID, CONTACT)
            .errors([Code::ContactNotFound]),
        )
        .responds_page("messages", "Message", MESSAGE_EXAMPLE)
        .errors([Code::AccountNotFound]),
    ]
}
