//! List and get messages.

use domain::check::Fields;
use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::Response;
use domain::id::ContactId;
use domain::messages::direction::Direction;
use domain::messages::status::MessageStatus;
use engine::Deps;
use engine::access::api_key::Caller;
use engine::messages::admission::choose_account;
use engine::ports::{MessageFilter, PageRequest};

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
    let (mut filter, account, page) = request_body::read(&query, |fields| read_filter(fields, contact))?;
    filter.accounts = caller.visible(deps);
    if let Some(account) = account {
        filter.account = Some(match choose_account(deps, caller, Some(&account)) {
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
    let detail = deps.messages.get_message(caller.workspace(), &key_of(&id)).await?;
    let detail =
        detail.ok_or_else(|| ApiError::new(Code::MessageNotFound, "There is no message with this id."))?;
    if !caller.may_see(&deps, detail.message.account) {
        return Err(ApiError::forbidden_account());
    }
    Ok(response::success(StatusCode::OK, &serialize_message_detail(detail)))
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
        from: time(fields.optional("since").about("Earliest time, inclusive.")),
        to: time(fields.optional("until").about("Latest time, exclusive.")),
        search: text("search", "Words of the text, a phone number, or a reference."),
    };
    (filter, text("account", "ID or name of an account."), pagination::page_request("messages", fields))
}
