//! List and get accounts.

use crate::api::accounts::serialize::ACCOUNT_EXAMPLE;
use crate::api::accounts::serialize::ACCOUNT_ID;
use crate::api::error::Code;
use crate::api::openapi::example::ACCOUNT;
use crate::api::openapi::operation::Operation;
use crate::api::openapi::schema::Schema;
use domain::check::Fields;
use domain::check::RequestSchema;
use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::Response;
use engine::messages::admission::choose_account;
use engine::ports::AccountRecord;
use engine::{Deps, accounts};

use crate::api::accounts::serialize::{account_response, serialize_account};
use crate::api::error::ApiError;
use crate::api::pagination::PageQuery;
use crate::api::request_body;
use crate::api::request_context::{Authorized, IdOrName};

/// Reads the query of a list of accounts.
pub(crate) fn read_list(fields: &Fields<'_, '_>) -> (Option<String>, PageQuery) {
    let search = fields.optional("search").about("Part of the name or of the phone number.");
    (search.string(1..=200).map(str::to_lowercase), PageQuery::read("accounts", fields))
}

/// Lists accounts, oldest first.
pub(crate) async fn list_accounts(
    State(deps): State<Arc<Deps>>,
    Authorized(caller): Authorized,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let query = request_body::query(query.as_deref())?;
    let (search, page) = request_body::read(&query, read_list)?;
    let page = page.open(&deps, &caller)?;
    let directory = deps.directory.current();
    let found: Vec<_> = directory
        .accounts_of(caller.workspace())
        .filter(|record| caller.can_see_account(&deps, record.account.id))
        .filter(|record| search.as_ref().is_none_or(|search| matches(record, search)))
        .collect();
    let recipients = accounts::messaging_limit_usage(&deps, caller.workspace()).await?;
    let n_recipients = |record: &AccountRecord| recipients.get(&record.account.waba_id).copied().unwrap_or(0);
    page.respond(page.slice(&found), |record| serialize_account(&record.account, n_recipients(record)))
}

fn matches(record: &AccountRecord, search: &str) -> bool {
    let account = &record.account;
    let number = account.display_phone_number.as_deref().unwrap_or_default();
    account.name.to_lowercase().contains(search) || number.contains(search)
}

/// Returns one account by its id or name.
pub(crate) async fn get_account(
    State(deps): State<Arc<Deps>>,
    Authorized(caller): Authorized,
    IdOrName(id): IdOrName,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    request_body::reject_query(query.as_deref())?;
    let record = choose_account(&deps, &caller, Some(&id))?;
    account_response(&deps, &caller, &record, StatusCode::OK).await
}

/// Describes the operations of this file.
pub(crate) fn operations() -> Vec<Operation> {
    vec![
        Operation::new("list_accounts", "List accounts", "Oldest first.")
            .query(RequestSchema::of_query(read_list))
            .responds_page("accounts", "Account", ACCOUNT_EXAMPLE),
        Operation::new("get_account", "Get an account", "")
            .id(ACCOUNT_ID, ACCOUNT)
            .errors([Code::AccountNotFound])
            .responds(200, "The account.", Schema::reference("Account"), ACCOUNT_EXAMPLE),
    ]
}
