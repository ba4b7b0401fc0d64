//! List and get messages.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::Response;
use domain::id::ContactId;
use domain::messages::direction::Direction;
use domain::messages::status::MessageStatus;
use engine::Deps;
use engine::access::api_key::Caller;
use engine::messages::send;
use engine::ports::MessageFilter;

use crate::api::error::{ApiError, Code};
use crate::api::field::{parsed, time};
use crate::api::messages::message_key::key_of;
use crate::api::messages::serialize::{serialize_message, serialize_message_detail};
use crate::api::request_context::{Authorized, IdOrName};
use crate::api::{pagination, request_body, response};

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
            from: time(fields.optional("since")),
            to: time(fields.optional("until")),
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
    Ok(pagination::page("messages", page, found, serialize_message))
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
    Ok(response::success(StatusCode::OK, &serialize_message_detail(story)))
}
