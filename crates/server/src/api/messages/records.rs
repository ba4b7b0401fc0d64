//! Messages, read; a customer's message, marked as read.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use domain::check::Item;
use domain::id::ContactId;
use domain::json::Value;
use domain::messages::direction::Direction;
use domain::messages::status::MessageStatus;
use engine::Deps;
use engine::access::api_key::Caller;
use engine::messages::queue;
use engine::messages::queue::{ActError, Resolve};
use engine::messages::{mark_read, send};
use engine::ports::{MessageFilter, MessageKey};
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
    let (mut filter, account, page) = request_body::read(&query, |fields| {
        let statuses = MessageStatus::ALL.map(|status| (status.as_str(), status));
        let directions =
            [Direction::Inbound, Direction::Outbound].map(|direction| (direction.as_str(), direction));
        let text = |name| fields.optional(name).string(1..=512).map(str::to_owned);
        let filter = MessageFilter {
            accounts: caller.visible(deps),
            key: fields.optional("message_id").string(1..=512).map(key_of),
            contact: match contact {
                Some(_) => contact,
                None => parsed(fields.optional("contact"), "must be the id of a contact"),
            },
            account: None,
            status: fields.optional("status").choice(&statuses),
            kind: text("type"),
            direction: fields.optional("direction").choice(&directions),
            client_reference: text("client_reference"),
            from: time(fields.optional("from")),
            to: time(fields.optional("to")),
            search: text("search"),
        };
        (filter, text("account"), pagination::page_request("messages", fields))
    })?;
    if let Some(account) = account {
        filter.account = Some(match send::choose_account(deps, caller, Some(&account)) {
            Ok(record) => record.account.id,
            // An account that is gone has left its messages here.
            Err(error) => account.parse().map_err(|_| error)?,
        });
    }
    let found = deps.messages.list_messages(caller.workspace(), &filter, page).await?;
    Ok(pagination::page("messages", page, found, serialize::message))
}

/// One message with its story.
pub(crate) async fn get_message(
    State(deps): State<Arc<Deps>>,
    Authorized(caller): Authorized,
    IdOrName(id): IdOrName,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    request_body::no_query(query.as_deref())?;
    let story = deps.messages.get_message(caller.workspace(), &key_of(&id)).await?;
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
    let is_typing = request_body::read(&object, |fields| fields.optional("typing_indicator").boolean())?;
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
    let action = request_body::read(&object, |fields| {
        fields.required("action").choice(&[("resend", Resolve::Resend), ("fail", Resolve::Fail)])
    })?;
    let action = action.ok_or_else(|| ApiError::invalid_at("/action", "is required"))?;
    let message = queue::resolve(&deps, (&caller, &by), &key_of(&id), action).await?;
    Ok(response::success(StatusCode::OK, &serialize::message(message)))
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
    parsed(item, "must be a time such as 2026-05-29T10:30:00Z (RFC 3339)")
}
