//! Accounts.

mod change;
mod number;

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use engine::access::api_key::Caller;
use engine::messages::send::choose_account;
use engine::ports::AccountRecord;
use engine::{Deps, accounts};

use super::visit::{Acting, Allowed, Named};
use super::{ApiError, answer, body, list, show};

pub(in crate::api) use change::{MAX_ID, MAX_NAME, MAX_SECRET};
pub(crate) use change::{create_account, delete_account, or_taken, update_account};
pub(crate) use number::{get_profile, register_account, subscribe_account, test_account, update_profile};

/// Lists accounts, oldest first.
pub(crate) async fn list_accounts(
    State(deps): State<Arc<Deps>>,
    Allowed(caller): Allowed,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let query = body::query(query.as_deref())?;
    let (search, page) = body::read(&query, |fields| {
        (
            fields.optional("search").string(1..=200).map(str::to_lowercase),
            list::page_request("accounts", fields),
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
    Ok(list::page("accounts", page, list::cut(&found, page), |record| {
        show::account(&record.account, n_reached(record))
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
    Allowed(caller): Allowed,
    Named(id): Named,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    body::no_query(query.as_deref())?;
    let record = choose_account(&deps, &caller, Some(&id))?;
    show_one(&deps, &caller, &record, StatusCode::OK).await
}

/// Lets a held account send again.
pub(crate) async fn resume_account(
    State(deps): State<Arc<Deps>>,
    Acting(caller, by): Acting,
    Named(id): Named,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    body::nothing(&deps, &headers, body).await?;
    let record = choose_account(&deps, &caller, Some(&id))?;
    accounts::resume(&deps, &by, &record.account).await?;
    let resumed = deps.directory.current().account(caller.workspace(), &id).cloned();
    show_one(&deps, &caller, &resumed.unwrap_or(record), StatusCode::OK).await
}

async fn show_one(
    deps: &Deps,
    caller: &Caller,
    record: &AccountRecord,
    status: StatusCode,
) -> Result<Response, ApiError> {
    let reached = accounts::reached(deps, caller.workspace()).await?;
    let n_reached = reached.get(&record.account.waba_id).copied().unwrap_or(0);
    Ok(answer::success(status, &show::account(&record.account, n_reached)))
}
