//! Resume an account.

use crate::api::accounts::serialize::ACCOUNT_EXAMPLE;
use crate::api::accounts::serialize::ACCOUNT_ID;
use crate::api::error::Code;
use crate::api::openapi::example::ACCOUNT;
use crate::api::openapi::operation::Operation;
use crate::api::openapi::schema::Schema;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use engine::messages::admission::choose_account;
use engine::{Deps, accounts};

use crate::api::accounts::serialize::account_response;
use crate::api::error::ApiError;
use crate::api::request_body;
use crate::api::request_context::{Audited, IdOrName};

/// Ends the hold of an account.
pub(crate) async fn resume_account(
    State(deps): State<Arc<Deps>>,
    Audited(caller, audit): Audited,
    IdOrName(id): IdOrName,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    request_body::empty(&headers, body).await?;
    let record = choose_account(&deps, &caller, Some(&id))?;
    accounts::resume_account(&deps, &audit, &record.account).await?;
    let resumed = deps.directory.current().account(caller.workspace(), &id).cloned();
    account_response(&deps, &caller, &resumed.unwrap_or(record), StatusCode::OK).await
}

/// Describes the operation of this file.
pub(crate) fn operations() -> Vec<Operation> {
    vec![
        Operation::new(
            "resume_account",
            "Resume a held account",
            "Waypost holds an account when Meta refuses the account or its access token. \
             After this call, its queued messages are sent.",
        )
        .id(ACCOUNT_ID, ACCOUNT)
        .errors([Code::AccountNotFound])
        .responds(200, "The account.", Schema::reference("Account"), ACCOUNT_EXAMPLE)
        .empty_body(),
    ]
}
