//! Accounts: made, changed, removed.
//!
//! **Invariant:** a secret that came in goes to the use case and nowhere else, least of all into a reason.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use engine::access::api_key::Caller;
use engine::messages::admission::choose_account;
use engine::ports::{AccountRecord, DeleteAccountResult};
use engine::{Deps, accounts};

use crate::api::accounts::request::{read_changes, read_deletion, read_new};
use crate::api::accounts::serialize::show_one;
use crate::api::error::{ApiError, Code};
use crate::api::request_body;
use crate::api::request_context::{Audited, IdOrName};

/// Makes an account.
pub(crate) async fn create_account(
    State(deps): State<Arc<Deps>>,
    Audited(caller, audit): Audited,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let object = request_body::json(&deps, &headers, body).await?;
    let new = request_body::read(&object, |fields| read_new(fields, caller.workspace(), caller.is_test()))?;
    let new = new.ok_or_else(|| ApiError::invalid_at("", "the account is incomplete"))?;
    may_make(&caller, new.is_sandbox)?;
    may_take_default(&deps, &caller, new.is_default)?;
    refuse_taken(&deps, &caller, (&new.name, Some(&new.phone_number_id)), None)?;
    let added =
        accounts::add(&deps, &audit, new).await.map_err(|error| ApiError::account_conflict(error, None))?;
    let directory = deps.directory.current();
    let record =
        directory.account(caller.workspace(), &added.id.to_string()).ok_or_else(|| gone(&added.name))?;
    show_one(&deps, &caller, record, StatusCode::CREATED).await
}

/// Changes the fields given. A new access token that works lifts a hold that was for the old one.
pub(crate) async fn update_account(
    State(deps): State<Arc<Deps>>,
    Audited(caller, audit): Audited,
    IdOrName(id): IdOrName,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let object = request_body::json(&deps, &headers, body).await?;
    let record = choose_account(&deps, &caller, Some(&id))?;
    let changes = request_body::read(&object, |fields| read_changes(fields, Some(&record)))?;
    may_take_default(&deps, &caller, changes.is_default == Some(true))?;
    if let Some(name) = &changes.name {
        refuse_taken(&deps, &caller, (name, None), Some(&record))?;
    }
    let changed = accounts::change(&deps, &audit, &record, changes).await?;
    show_one(&deps, &caller, &changed, StatusCode::OK).await
}

/// Removes an account, unless messages wait in its queue; `force` cancels them.
pub(crate) async fn delete_account(
    State(deps): State<Arc<Deps>>,
    Audited(caller, audit): Audited,
    IdOrName(id): IdOrName,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let query = request_body::query(query.as_deref())?;
    let is_forced = request_body::read(&query, read_deletion)?;
    let record = choose_account(&deps, &caller, Some(&id))?;
    match accounts::remove(&deps, &audit, &record.account, is_forced).await? {
        DeleteAccountResult::Deleted => Ok(StatusCode::NO_CONTENT.into_response()),
        DeleteAccountResult::NotFound => Err(gone(&id)),
        DeleteAccountResult::HasQueuedMessages(n_waiting) => {
            let message = format!(
                "The account has {n_waiting} queued messages. Wait until they are sent, or use `?force=true` to cancel them \
                 and delete the account."
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
        (true, false) => "A test key (`wp_test_…`) can create sandbox accounts only.",
        (false, true) if caller.key_id().is_some() => {
            "Sandbox accounts must be created with a test key (`wp_test_…`)."
        }
        _ if caller.names_accounts() => {
            "This API key is restricted to a list of accounts, so it cannot create accounts."
        }
        (true, true) | (false, _) => return Ok(()),
    };
    Err(ApiError::new(Code::Forbidden, why))
}

/// A test key leaves the default where it is while that is a live account: sends for customers go there.
fn may_take_default(deps: &Deps, caller: &Caller, wants_default: bool) -> Result<(), ApiError> {
    let directory = deps.directory.current();
    let default = directory.accounts_of(caller.workspace()).find(|record| record.account.is_default);
    if wants_default && caller.is_test() && default.is_some_and(|record| !record.account.is_sandbox) {
        let message = "The default account is a live account. A test key (`wp_test_…`) cannot replace it as the default.";
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
        return Err(ApiError::account_exists(Some("name")));
    }
    // A number belongs to one account, whoever owns it.
    let is_taken =
        |number: &String| directory.accounts.iter().any(|one| one.account.phone_number_id == *number);
    if number.is_some_and(is_taken) {
        return Err(ApiError::account_exists(Some("phone_number_id")));
    }
    Ok(())
}
