//! Contacts: listed, made, changed, erased.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use domain::check::Fields;
use domain::contacts::contact::{ContactChange, MAX_CUSTOM_FIELDS, MAX_STAGE, MAX_TAG};
use domain::contacts::phone::PhoneNumber;
use domain::id::AccountId;
use domain::json::{Object, Value};
use domain::messages::window::Window;
use engine::access::api_key::Caller;
use engine::messages::send::choose_account;
use engine::ports::{AccountRecord, Contact, ContactFilter, ContactTarget, UpsertContactResult};
use engine::{Deps, contacts};
use jiff::Timestamp;

use crate::api::messages::records;
use crate::api::request_context::{Audited, Authorized, IdOrName};
use crate::api::response::object;
use crate::api::{ApiError, Code, pagination, request_body, response, serialize};

/// Lists contacts, newest first.
pub(crate) async fn list_contacts(
    State(deps): State<Arc<Deps>>,
    Authorized(caller): Authorized,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let query = request_body::query(query.as_deref())?;
    let (filter, page) = request_body::read(&query, |fields| {
        (read_filter(&deps, &caller, fields), pagination::page_request("contacts", fields))
    })?;
    let found = deps.contacts.list_contacts(caller.workspace(), &filter, page).await?;
    Ok(pagination::page("contacts", page, found, serialize::contact))
}

/// Reads which contacts are asked for.
pub(crate) fn read_filter(deps: &Deps, caller: &Caller, fields: &Fields<'_, '_>) -> ContactFilter {
    let number = fields.optional("phone_number");
    let wa_ids = number.string(..).and_then(|text| match PhoneNumber::parse(text) {
        Ok(number) => {
            let spellings = std::iter::once(number.clone()).chain(number.variants());
            Some(spellings.map(|number| number.digits().to_owned()).collect())
        }
        Err(error) => {
            number.refuse(error.to_string());
            None
        }
    });
    let text = |name, longest| fields.optional(name).string(1..=longest).map(str::to_owned);
    let view = contacts::view(deps, caller);
    ContactFilter {
        accounts: view.accounts,
        has_unplaced: view.has_unplaced,
        wa_ids,
        tag: text("tag", MAX_TAG),
        stage: text("stage", MAX_STAGE),
        has_opted_out: fields.optional("opted_out").boolean_or_text(),
        search: text("search", 200),
    }
}

/// One contact.
pub(crate) async fn get_contact(
    State(deps): State<Arc<Deps>>,
    Authorized(caller): Authorized,
    IdOrName(id): IdOrName,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    request_body::no_query(query.as_deref())?;
    let contact = find(&deps, &caller, &id).await?;
    Ok(response::success(StatusCode::OK, &serialize::contact(contact)))
}

/// Makes a contact; with `?upsert=true` changes the one that has the number or user id.
pub(crate) async fn create_contact(
    State(deps): State<Arc<Deps>>,
    Audited(caller, by): Audited,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let query = request_body::query(query.as_deref())?;
    let is_upsert = request_body::read(&query, |fields| fields.optional("upsert").boolean_or_text())?;
    let object = request_body::json(&deps, &headers, body).await?;
    let change = request_body::read(&object, |fields| {
        let change = ContactChange::read(fields);
        change.check_new(fields);
        change
    })?;
    refuse_bound(&deps, &caller)?;
    let target = if is_upsert == Some(true) { ContactTarget::Matching } else { ContactTarget::New };
    let end = contacts::put(&deps, &by, caller.workspace(), target, change).await?;
    let (status, contact) = done(end)?;
    Ok(response::success(status, &serialize::contact(contact)))
}

/// Changes the fields given.
pub(crate) async fn update_contact(
    State(deps): State<Arc<Deps>>,
    Audited(caller, by): Audited,
    IdOrName(id): IdOrName,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let target = ContactTarget::Existing(find(&deps, &caller, &id).await?.id);
    let object = request_body::json(&deps, &headers, body).await?;
    let change = request_body::read(&object, ContactChange::read)?;
    refuse_bound(&deps, &caller)?;
    let end = contacts::put(&deps, &by, caller.workspace(), target, change).await?;
    if end == UpsertContactResult::NotFound {
        return Err(not_found(&id));
    }
    let (status, contact) = done(end)?;
    Ok(response::success(status, &serialize::contact(contact)))
}

/// Erases a contact for good.
pub(crate) async fn delete_contact(
    State(deps): State<Arc<Deps>>,
    Audited(caller, by): Audited,
    IdOrName(id): IdOrName,
) -> Result<Response, ApiError> {
    let found = find(&deps, &caller, &id).await?;
    refuse_bound(&deps, &caller)?;
    if contacts::erase(&deps, &by, caller.workspace(), found.id).await? {
        Ok(StatusCode::NO_CONTENT.into_response())
    } else {
        Err(not_found(&id))
    }
}

/// Lists a contact's messages, newest first.
pub(crate) async fn list_contact_messages(
    State(deps): State<Arc<Deps>>,
    Authorized(caller): Authorized,
    IdOrName(id): IdOrName,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let contact = find(&deps, &caller, &id).await?;
    records::list_some(&deps, &caller, query.as_deref(), Some(contact.id)).await
}

/// A contact's window at an account: the one named, or the default one; and at every account that the key may see.
pub(crate) async fn get_contact_window(
    State(deps): State<Arc<Deps>>,
    Authorized(caller): Authorized,
    IdOrName(id): IdOrName,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let query = request_body::query(query.as_deref())?;
    let account =
        request_body::read(&query, |fields| fields.optional("account").string(1..=200).map(str::to_owned))?;
    let contact = find(&deps, &caller, &id).await?;
    let directory = deps.directory.current();
    let accounts: Vec<&Arc<AccountRecord>> = directory
        .accounts_of(caller.workspace())
        .filter(|record| caller.may_see(&deps, record.account.id))
        .collect();
    let one = match account {
        Some(name) => Some(choose_account(&deps, &caller, Some(&name))?),
        None => {
            let default = accounts.iter().find(|record| record.account.is_default);
            default.or(accounts.first()).map(|record| Arc::clone(record))
        }
    };
    let known = deps.contacts.list_contact_windows(caller.workspace(), contact.id).await?;
    let now = deps.now();
    let window = |account: AccountId| {
        let found = known.iter().find(|(other, _)| *other == account);
        show_window(account, found.map(|(_, window)| *window).unwrap_or_default(), now)
    };
    let mut shown = one.map_or_else(Object::new, |record| window(record.account.id));
    let all = accounts.iter().map(|record| Value::Object(window(record.account.id))).collect();
    shown.insert("windows", Value::Array(all));
    Ok(response::success(StatusCode::OK, &shown))
}

fn show_window(account: AccountId, window: Window, now: Timestamp) -> Object {
    let time = |at: Option<Timestamp>| at.map_or(Value::Null, |at| at.to_string().into());
    let mut shown = Object::new();
    shown.insert("account", account.to_string());
    shown.insert("is_open", window.is_open(now));
    shown.insert("last_inbound_at", time(window.last_inbound_at));
    shown.insert("closes_at", time(window.closes_at()));
    shown
}

fn not_found(id: &str) -> ApiError {
    ApiError::new(Code::ContactNotFound, format!("There is no contact `{id}`."))
}

/// A contact that the caller may see.
async fn find(deps: &Deps, caller: &Caller, id: &str) -> Result<Contact, ApiError> {
    let parsed = id.parse().map_err(|_| not_found(id))?;
    let found = contacts::find(deps, caller, parsed).await?.ok_or_else(|| not_found(id))?;
    found.ok_or_else(ApiError::forbidden_account)
}

/// Refuses a key that must not change people: they may be others' business.
pub(crate) fn refuse_bound(deps: &Deps, caller: &Caller) -> Result<(), ApiError> {
    if caller.is_of_whole_workspace(deps) {
        return Ok(());
    }
    Err(ApiError::new(
        Code::Forbidden,
        "Contacts belong to the whole workspace: this API key may use some of its accounts only, and changes none.",
    ))
}

/// The contact as it is, and whether it is new; or why nothing was written.
pub(crate) fn done(end: UpsertContactResult) -> Result<(StatusCode, Contact), ApiError> {
    match end {
        UpsertContactResult::Created(contact) => Ok((StatusCode::CREATED, contact)),
        UpsertContactResult::Updated(contact) | UpsertContactResult::Unchanged(contact) => {
            Ok((StatusCode::OK, contact))
        }
        UpsertContactResult::Conflict(id) => {
            let message = "There is a contact with this number or user id already.";
            Err(ApiError::new(Code::ContactExists, message).with("contact_id", id.to_string()))
        }
        UpsertContactResult::NotFound => {
            Err(ApiError::new(Code::ContactNotFound, "There is no such contact."))
        }
        UpsertContactResult::NoIdentifier => Err(ApiError::invalid_at(
            "/phone_number",
            "cannot be cleared: the contact would have neither number nor user id",
        )),
        UpsertContactResult::TooManyFields(n) => Err(ApiError::invalid_at(
            "/custom_fields",
            format!("must have at most {MAX_CUSTOM_FIELDS} members, would have {n}"),
        )),
    }
}

/// What became of a contact, in a word.
pub(crate) fn word(end: &UpsertContactResult) -> &'static str {
    match end {
        UpsertContactResult::Created(_) => "created",
        UpsertContactResult::Updated(_) => "updated",
        UpsertContactResult::Unchanged(_) => "unchanged",
        UpsertContactResult::Conflict(_)
        | UpsertContactResult::NotFound
        | UpsertContactResult::NoIdentifier
        | UpsertContactResult::TooManyFields(_) => "failed",
    }
}

/// One contact of a list: what became of it, or why nothing did.
pub(crate) fn result(index: usize, end: Result<(&'static str, Contact), ApiError>) -> Value {
    let index = Value::from(i64::try_from(index).unwrap_or(i64::MAX));
    match end {
        Ok((word, contact)) => {
            object([("index", index), ("id", contact.id.to_string().into()), ("status", word.into())])
        }
        Err(error) => {
            let mut shown = Object::new();
            shown.insert("index", index);
            shown.insert("code", error.code().as_str());
            shown.insert("message", error.message());
            let details = error.details();
            shown.insert("errors", details.get("errors").cloned().unwrap_or_else(|| Vec::new().into()));
            if let Some(id) = details.get("contact_id") {
                shown.insert("contact_id", id.clone());
            }
            Value::Object(shown)
        }
    }
}
