//! Messages, read; a customer's message, marked as read.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use domain::check::{Fields, Item};
use domain::id::ContactId;
use domain::json::Value;
use domain::messages::message::{Direction, MessageStatus};
use engine::Deps;
use engine::access::api_key::Caller;
use engine::messages::queue;
use engine::messages::queue::{ActError, Resolve};
use engine::messages::{mark_read, send};
use engine::ports::{MessageFilter, MessageKey, PageRequest};
use jiff::Timestamp;

use crate::api::request_context::{Audited, Authorized, IdOrName};
use crate::api::{ApiError, Code, pagination, request_body, response, serialize};

/// Lists messages, newest first.
pub(crate) async fn list_messages(
    State(deps): State<Arc<Deps>>,
    Authorized(caller): Authorized,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    list_some(&deps, &caller, query.as_deref(), None).await
}

/// Lists messages: of one person, or of whomever the query names.
pub(crate) async fn list_some(
    deps: &Deps,
    caller: &Caller,
    query: Option<&str>,
    contact: Option<ContactId>,
) -> Result<Response, ApiError> {
    let query = request_body::query(query)?;
    let (mut filter, account, page) = request_body::read(&query, |fields| read_filter(fields, contact))?;
    filter.accounts = caller.visible(deps);
    if let Some(account) = account {
        filter.account = Some(match send::choose_account(deps, caller, Some(&account)) {
            Ok(record) => record.account.id,
            // An account that is gone has left its messages here.
            Err(error) => account.parse().map_err(|_| error)?,
        });
    }
    let found = deps.messages.messages(caller.workspace(), &filter, page).await?;
    Ok(pagination::page("messages", page, found, serialize::message))
}

/// Filter of a list of messages, account and page.
type ListQuery = (MessageFilter, Option<String>, PageRequest);

/// Reads the query of a list of messages: of one contact, or of the contact that the query names.
pub(crate) fn read_filter(fields: &Fields<'_, '_>, contact: Option<ContactId>) -> ListQuery {
    let statuses = MessageStatus::ALL.map(|status| (status.as_str(), status));
    let directions =
        [Direction::Inbound, Direction::Outbound].map(|direction| (direction.as_str(), direction));
    let text = |name, about| fields.optional(name).about(about).string(1..=512).map(str::to_owned);
    let filter = MessageFilter {
        accounts: None,
        key: fields
            .optional("message_id")
            .about("ID of the message: Waypost's or Meta's.")
            .string(1..=512)
            .map(key_of),
        contact: match contact {
            Some(_) => contact,
            None => parsed(
                fields.optional("contact").about("ID of a contact.").format("uuid"),
                "must be the id of a contact",
            ),
        },
        account: None,
        status: fields.optional("status").about("Status of the message.").choice(&statuses),
        kind: text("type", "Type of the message."),
        direction: fields
            .optional("direction")
            .about("`inbound`: messages from customers. `outbound`: messages to customers.")
            .choice(&directions),
        client_reference: text("client_reference", "Your reference of the message."),
        from: time(fields.optional("from").about("Earliest time.")),
        to: time(fields.optional("to").about("Time before which the messages were created.")),
        search: text("search", "Words of the text, a phone number, or a reference."),
    };
    (filter, text("account", "ID or name of an account."), pagination::page_request("messages", fields))
}

/// One message with its story.
pub(crate) async fn get_message(
    State(deps): State<Arc<Deps>>,
    Authorized(caller): Authorized,
    IdOrName(id): IdOrName,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    request_body::no_query(query.as_deref())?;
    let story = deps.messages.message(caller.workspace(), &key_of(&id)).await?;
    let story =
        story.ok_or_else(|| ApiError::new(Code::MessageNotFound, "There is no message with this id."))?;
    if !caller.may_see(&deps, story.message.account) {
        return Err(ApiError::forbidden_account());
    }
    Ok(response::success(StatusCode::OK, &serialize::story(story)))
}

/// Marks a customer's message as read.
pub(crate) async fn read_message(
    State(deps): State<Arc<Deps>>,
    Authorized(caller): Authorized,
    IdOrName(id): IdOrName,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let object = request_body::object(&request_body::bytes(&deps, &headers, body).await?, true)?;
    let is_typing = request_body::read(&object, read_typing)?;
    mark_read::mark_read(&deps, &caller, &key_of(&id), is_typing.unwrap_or(false)).await?;
    let data = response::object([("message_id", id.into()), ("status", "read".into())]);
    Ok(response::success(StatusCode::OK, &data))
}

/// Takes a message back that waits in the queue.
pub(crate) async fn cancel_message(
    State(deps): State<Arc<Deps>>,
    Authorized(caller): Authorized,
    IdOrName(id): IdOrName,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    request_body::nothing(&deps, &headers, body).await?;
    match queue::cancel(&deps, &caller, &key_of(&id)).await {
        Ok(message) => Ok(response::success(StatusCode::OK, &serialize::message(message))),
        Err(ActError::NotPossible(status)) => {
            let message = format!("The message is {status}: it cannot be canceled any more.");
            Err(ApiError::new(Code::NotCancelable, message).with("status", status.as_str()))
        }
        Err(error) => Err(error.into()),
    }
}

/// Ends the uncertainty about a message: sends it again, once, or gives it up.
pub(crate) async fn resolve_message(
    State(deps): State<Arc<Deps>>,
    Audited(caller, by): Audited,
    IdOrName(id): IdOrName,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let object = request_body::json(&deps, &headers, body).await?;
    let action = request_body::read(&object, read_resolution)?;
    let action = action.ok_or_else(|| ApiError::invalid_at("/action", "is required"))?;
    let message = queue::resolve(&deps, (&caller, &by), &key_of(&id), action).await?;
    Ok(response::success(StatusCode::OK, &serialize::message(message)))
}

/// Reads the body of a mark as read: `true` if the customer is to see a typing indicator.
pub(crate) fn read_typing(fields: &Fields<'_, '_>) -> Option<bool> {
    fields
        .optional("typing_indicator")
        .about("`true`: the customer also sees a typing indicator, for at most 25 seconds.")
        .boolean()
}

/// Reads the body of a resolution.
pub(crate) fn read_resolution(fields: &Fields<'_, '_>) -> Option<Resolve> {
    fields
        .required("action")
        .about("`resend`: send the message again, once. `fail`: set the message to `failed`.")
        .choice(&[("resend", Resolve::Resend), ("fail", Resolve::Fail)])
}

/// An id of ours, or else one of Meta's.
fn key_of(id: &str) -> MessageKey {
    id.parse().map_or_else(|_| MessageKey::Wamid(id.to_owned()), MessageKey::Id)
}

/// A text that must parse.
pub(crate) fn parsed<T: std::str::FromStr>(item: Item<'_, '_>, reason: &str) -> Option<T> {
    let parsed = item.string(..)?.parse().ok();
    if parsed.is_none() {
        item.refuse(reason);
    }
    parsed
}

/// A time in a query.
pub(crate) fn time(item: Item<'_, '_>) -> Option<Timestamp> {
    // The usual way to say "open end" lies a day beyond the last time that can be counted.
    if item.value().and_then(Value::as_str).is_some_and(|text| text.starts_with("9999-12-3")) {
        return Some(Timestamp::MAX);
    }
    parsed(
        item.format("date-time").example("2026-05-29T10:30:00Z"),
        "must be a time such as 2026-05-29T10:30:00Z (RFC 3339)",
    )
}
