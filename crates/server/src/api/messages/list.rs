//! List and get messages.

use crate::api::messages::message_key::MESSAGE_ID;
use crate::api::messages::serialize::MESSAGE_DETAIL_EXAMPLE;
use crate::api::messages::serialize::MESSAGE_EXAMPLE;
use crate::api::openapi::example::MESSAGE;
use crate::api::openapi::operation::Operation;
use crate::api::openapi::schema::Schema;
use domain::check::RequestSchema;
use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::Response;
use domain::id::ContactId;
use engine::Deps;
use engine::access::caller::Caller;
use engine::messages::admission::choose_account;

use crate::api::error::{ApiError, Code};
use crate::api::messages::list_filter::read_filter;
use crate::api::messages::message_key::key_of;
use crate::api::messages::serialize::{serialize_message, serialize_message_detail};
use crate::api::request_context::{Authorized, IdOrName};
use crate::api::{request_body, response};

/// Lists messages, newest first.
pub(crate) async fn list_messages(
    State(deps): State<Arc<Deps>>,
    Authorized(caller): Authorized,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    list_filtered(&deps, &caller, query.as_deref(), None).await
}

/// Lists the messages of one contact, or of the contact that the query names.
pub(crate) async fn list_filtered(
    deps: &Deps,
    caller: &Caller,
    query: Option<&str>,
    contact: Option<ContactId>,
) -> Result<Response, ApiError> {
    let query = request_body::query(query)?;
    let (mut filter, account, page) = request_body::read(&query, |fields| read_filter(fields, contact))?;
    let page = page.open(deps, caller)?;
    filter.accounts = caller.visible_accounts(deps);
    if let Some(account) = account {
        filter.account = Some(match choose_account(deps, caller, Some(&account)) {
            Ok(record) => record.account.id,
            // A deleted account can still have messages.
            Err(error) => account.parse().map_err(|_| error)?,
        });
    }
    let found = page.read(deps.messages.list_messages(caller.workspace(), &filter, page.request())).await?;
    page.respond(found, serialize_message)
}

/// Returns one message with its timeline.
pub(crate) async fn get_message(
    State(deps): State<Arc<Deps>>,
    Authorized(caller): Authorized,
    IdOrName(id): IdOrName,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    request_body::reject_query(query.as_deref())?;
    let detail = deps.messages.get_message(caller.workspace(), &key_of(&id)).await?;
    let detail =
        detail.ok_or_else(|| ApiError::new(Code::MessageNotFound, "There is no message with this id."))?;
    if !caller.can_see_account(&deps, detail.message.account) {
        return Err(ApiError::forbidden_account());
    }
    Ok(response::success(StatusCode::OK, &serialize_message_detail(detail)))
}

/// Describes the operations of this file.
pub(crate) fn operations() -> Vec<Operation> {
    vec![
        Operation::new(
            "list_messages",
            "List messages",
            "Newest first, or oldest first with `order=asc`. `search` finds whole words, and the beginning of its last word; \
             all words must occur.",
        )
            .query(RequestSchema::of_query(|fields| read_filter(fields, None)))
            .responds_page("messages", "Message", MESSAGE_EXAMPLE)
            .errors([Code::AccountNotFound]),
        Operation::new(
            "get_message",
            "Get a message",
            "Returns the message with its timeline and Meta's original data.",
        )
        .id(MESSAGE_ID, MESSAGE)
        .responds(200, "The message.", Schema::reference("MessageDetail"), MESSAGE_DETAIL_EXAMPLE)
        .errors([Code::MessageNotFound]),
    ]
}

/// Adds the filters of the messages of one contact.
pub(crate) fn contact_filters(operation: Operation) -> Operation {
    let some_contact = ContactId::from_parts(0, &[0; 10]);
    operation.query(RequestSchema::of_query(|fields| read_filter(fields, Some(some_contact))))
}
