//! Accounts.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use engine::access::api_key::Caller;
use engine::messages::send::choose_account;
use engine::ports::AccountRecord;
use engine::{Deps, accounts};

use crate::api::request_context::{Audited, Authorized, IdOrName};
use crate::api::{ApiError, pagination, request_body, response, serialize};

/// Lists accounts, oldest first.
pub(crate) async fn list_accounts(
    State(deps): State<Arc<Deps>>,
    Authorized(caller): Authorized,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let query = request_body::query(query.as_deref())?;
    let (search, page) = request_body::read(&query, |fields| {
        (
            fields.optional("search").string(1..=200).map(str::to_lowercase),
            pagination::page_request("accounts", fields),
        )
    })?;
    let directory = deps.directory.current();
    let found: Vec<_> = directory
        .accounts_of(caller.workspace())
        .filter(|record| caller.may_see(&deps, record.account.id))
        .filter(|record| search.as_ref().is_none_or(|search| matches(record, search)))
        .collect();
    let reached = accounts::reached(&deps, caller.workspace()).await?;
    let n_reached = |record: &AccountRecord| reached.get(&record.account.waba_id).copied().unwrap_or(0);
    Ok(pagination::page("accounts", page, pagination::cut(&found, page), |record| {
        serialize::account(&record.account, n_reached(record))
    }))
}

fn matches(record: &AccountRecord, search: &str) -> bool {
    let account = &record.account;
    let number = account.display_phone_number.as_deref().unwrap_or_default();
    account.name.to_lowercase().contains(search) || number.contains(search)
}

/// One account, by id or name.
pub(crate) async fn get_account(
    State(deps): State<Arc<Deps>>,
    Authorized(caller): Authorized,
    IdOrName(id): IdOrName,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    request_body::no_query(query.as_deref())?;
    let record = choose_account(&deps, &caller, Some(&id))?;
    show_one(&deps, &caller, &record, StatusCode::OK).await
}

/// Lets a held account send again.
pub(crate) async fn resume_account(
    State(deps): State<Arc<Deps>>,
    Audited(caller, by): Audited,
    IdOrName(id): IdOrName,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    request_body::nothing(&deps, &headers, body).await?;
    let record = choose_account(&deps, &caller, Some(&id))?;
    accounts::resume(&deps, &by, &record.account).await?;
    let resumed = deps.directory.current().account(caller.workspace(), &id).cloned();
    show_one(&deps, &caller, &resumed.unwrap_or(record), StatusCode::OK).await
}

pub(crate) async fn show_one(
    deps: &Deps,
    caller: &Caller,
    record: &AccountRecord,
    status: StatusCode,
) -> Result<Response, ApiError> {
    let reached = accounts::reached(deps, caller.workspace()).await?;
    let n_reached = reached.get(&record.account.waba_id).copied().unwrap_or(0);
    Ok(response::success(status, &serialize::account(&record.account, n_reached)))
}
