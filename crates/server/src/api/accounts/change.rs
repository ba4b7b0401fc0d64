//! Accounts: made, changed, removed.
//!
//! **Invariant:** a secret that came in goes to the use case and nowhere else, least of all into a reason.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use domain::check::{Fields, Item, Patch};
use engine::access::api_key::Caller;
use engine::accounts::{AddAccount, ChangeAccount};
use engine::messages::send::choose_account;
use engine::ports::{AccountRecord, DeleteAccountResult, StoreError, StoreErrorKind};
use engine::{Deps, accounts};
use secrecy::SecretString;

use crate::api::accounts::records::show_one;
use crate::api::request_context::{Audited, IdOrName};
use crate::api::{ApiError, Code, request_body};

/// The longest name, in characters.
pub(crate) const MAX_NAME: usize = 100;
/// The longest of Meta's ids.
pub(crate) const MAX_ID: usize = 32;
/// The longest secret; Meta's tokens are some hundred characters.
pub(crate) const MAX_SECRET: usize = 2_000;

/// Makes an account.
pub(crate) async fn create_account(
    State(deps): State<Arc<Deps>>,
    Audited(caller, by): Audited,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let object = request_body::json(&deps, &headers, body).await?;
    let new = request_body::read(&object, |fields| read_new(fields, &caller))?;
    let new = new.ok_or_else(|| ApiError::invalid_at("", "the account is incomplete"))?;
    may_make(&caller, new.is_sandbox)?;
    may_take_default(&deps, &caller, new.is_default)?;
    refuse_taken(&deps, &caller, (&new.name, Some(&new.phone_number_id)), None)?;
    let added = accounts::add(&deps, &by, new).await.map_err(|error| or_taken(error, None))?;
    let directory = deps.directory.current();
    let record =
        directory.account(caller.workspace(), &added.id.to_string()).ok_or_else(|| gone(&added.name))?;
    show_one(&deps, &caller, record, StatusCode::CREATED).await
}

/// Changes the fields given. A new access token that works lifts a hold that was for the old one.
pub(crate) async fn update_account(
    State(deps): State<Arc<Deps>>,
    Audited(caller, by): Audited,
    IdOrName(id): IdOrName,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let object = request_body::json(&deps, &headers, body).await?;
    let record = choose_account(&deps, &caller, Some(&id))?;
    let changes = request_body::read(&object, |fields| read_changes(fields, &record))?;
    may_take_default(&deps, &caller, changes.is_default == Some(true))?;
    if let Some(name) = &changes.name {
        refuse_taken(&deps, &caller, (name, None), Some(&record))?;
    }
    let changed = accounts::change(&deps, &by, &record, changes).await?;
    show_one(&deps, &caller, &changed, StatusCode::OK).await
}

/// Removes an account, unless messages wait in its queue; `force` cancels them.
pub(crate) async fn delete_account(
    State(deps): State<Arc<Deps>>,
    Audited(caller, by): Audited,
    IdOrName(id): IdOrName,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let query = request_body::query(query.as_deref())?;
    let is_forced =
        request_body::read(&query, |fields| fields.optional("force").boolean_or_text().unwrap_or(false))?;
    let record = choose_account(&deps, &caller, Some(&id))?;
    match accounts::remove(&deps, &by, &record.account, is_forced).await? {
        DeleteAccountResult::Deleted => Ok(StatusCode::NO_CONTENT.into_response()),
        DeleteAccountResult::NotFound => Err(gone(&id)),
        DeleteAccountResult::HasQueuedMessages(n_waiting) => {
            let message = format!(
                "{n_waiting} messages wait in the queue of this account: let them leave, or remove it with \
                 `?force=true`, which cancels them."
            );
            Err(ApiError::new(Code::AccountBusy, message).with("waiting", i64::from(n_waiting)))
        }
    }
}

fn gone(id: &str) -> ApiError {
    ApiError::new(Code::AccountNotFound, format!("There is no account `{id}`."))
}

/// Whether the caller could use what it wants to make.
fn may_make(caller: &Caller, is_sandbox: bool) -> Result<(), ApiError> {
    let why = match (caller.is_test(), is_sandbox) {
        (true, false) => "A test key (`wp_test_…`) may make sandbox accounts only.",
        (false, true) if caller.key_id().is_some() => {
            "A sandbox account is made with a test key (`wp_test_…`)."
        }
        _ if caller.names_accounts() => "This API key is for certain accounts: it could not use another.",
        (true, true) | (false, _) => return Ok(()),
    };
    Err(ApiError::new(Code::Forbidden, why))
}

/// A test key leaves the default where it is while that is a live account: sends for customers go there.
fn may_take_default(deps: &Deps, caller: &Caller, wants_default: bool) -> Result<(), ApiError> {
    let directory = deps.directory.current();
    let default = directory.accounts_of(caller.workspace()).find(|record| record.account.is_default);
    if wants_default && caller.is_test() && default.is_some_and(|record| !record.account.is_sandbox) {
        let message = "The default is a live account: a test key (`wp_test_…`) cannot take that from it.";
        return Err(ApiError::new(Code::Forbidden, message));
    }
    Ok(())
}

fn refuse_taken(
    deps: &Deps,
    caller: &Caller,
    (name, number): (&str, Option<&String>),
    own: Option<&AccountRecord>,
) -> Result<(), ApiError> {
    let directory = deps.directory.current();
    let is_other = |record: &&Arc<AccountRecord>| own.is_none_or(|own| own.account.id != record.account.id);
    let mut others = directory.accounts_of(caller.workspace()).filter(is_other);
    if others.any(|record| record.account.name == name) {
        return Err(taken(Some("name")));
    }
    // A number belongs to one account, whoever owns it.
    let is_taken =
        |number: &String| directory.accounts.iter().any(|one| one.account.phone_number_id == *number);
    if number.is_some_and(is_taken) {
        return Err(taken(Some("phone_number_id")));
    }
    Ok(())
}

fn taken(field: Option<&str>) -> ApiError {
    let message = match field {
        Some("name") => "There is an account with this name.",
        Some(_) => "There is an account with this phone number id.",
        None => "There is an account with this name or phone number id.",
    };
    let error = ApiError::new(Code::AccountExists, message);
    match field {
        Some(field) => error.with("field", field),
        None => error,
    }
}

/// A conflict that only the store saw: somebody was faster.
pub(crate) fn or_taken(error: StoreError, field: Option<&str>) -> ApiError {
    match error.kind() {
        StoreErrorKind::Conflict => taken(field),
        StoreErrorKind::Unavailable | StoreErrorKind::Corrupt | StoreErrorKind::Bug => error.into(),
    }
}

fn read_new(fields: &Fields<'_, '_>, caller: &Caller) -> Option<AddAccount> {
    let name = read_name(&fields.required("name"));
    let phone_number_id = read_id(&fields.required("phone_number_id"));
    let waba_id = read_id(&fields.required("waba_id"));
    let access_token = read_secret(&fields.required("access_token"));
    let app_secret = read_secret(&fields.optional("app_secret"));
    let verify_token = read_secret(&fields.optional("verify_token"));
    let is_default = fields.optional("default").boolean().unwrap_or(false);
    // What a test key makes is a sandbox account, unless it says otherwise, which is refused.
    let is_sandbox = fields.optional("sandbox").boolean().unwrap_or(caller.is_test());
    let fetches_links = fields.optional("fetch_media").boolean();
    Some(AddAccount {
        workspace: caller.workspace(),
        name: name?,
        phone_number_id: phone_number_id?,
        waba_id: waba_id?,
        access_token: access_token?,
        app_secret,
        verify_token,
        is_default,
        is_sandbox,
        fetches_links,
    })
}

fn read_changes(fields: &Fields<'_, '_>, record: &AccountRecord) -> ChangeAccount {
    let account = &record.account;
    for (name, known) in [("phone_number_id", &account.phone_number_id), ("waba_id", &account.waba_id)] {
        let item = fields.optional(name);
        if item.string(..).is_some_and(|given| given != known) {
            item.refuse("cannot be changed: messages and windows belong to it; add another account");
        }
    }
    let sandbox = fields.optional("sandbox");
    if sandbox.boolean().is_some_and(|given| given != account.is_sandbox) {
        sandbox.refuse("cannot be changed: add another account");
    }
    let needed = |name| match fields.change(name) {
        Patch::Unchanged => None,
        Patch::Clear => {
            fields.optional(name).refuse("cannot be null");
            None
        }
        Patch::Set(item) => Some(item),
    };
    ChangeAccount {
        name: needed("name").and_then(|item| read_name(&item)),
        access_token: needed("access_token").and_then(|item| read_secret(&item)),
        app_secret: fields.change("app_secret").and_then(|item| read_secret(&item)),
        keep_old_for: accounts::KEEP_OLD_FOR,
        verify_token: fields.change("verify_token").and_then(|item| read_secret(&item)),
        is_default: needed("default").and_then(|item| item.boolean()),
        fetches_links: fields.change("fetch_media").and_then(|item| item.boolean()),
    }
}

fn read_name(item: &Item<'_, '_>) -> Option<String> {
    let text = item.string(1..=MAX_NAME)?;
    if text.trim() != text || text.is_empty() {
        item.refuse("must not begin or end with a space");
        return None;
    }
    if text.chars().any(char::is_control) {
        item.refuse("must not hold control characters");
        return None;
    }
    Some(text.to_owned())
}

fn read_id(item: &Item<'_, '_>) -> Option<String> {
    let text = item.string(1..=MAX_ID)?;
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        item.refuse("must be digits: Meta's id, not the phone number");
        return None;
    }
    Some(text.to_owned())
}

fn read_secret(item: &Item<'_, '_>) -> Option<SecretString> {
    let text = item.string(1..=MAX_SECRET)?;
    if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        item.refuse("must be visible ASCII characters without spaces");
        return None;
    }
    Some(text.into())
}
