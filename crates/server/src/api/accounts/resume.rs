//! Resume an account.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use engine::messages::admission::choose_account;
use engine::{Deps, accounts};

use crate::api::accounts::serialize::show_one;
use crate::api::error::ApiError;
use crate::api::request_body;
use crate::api::request_context::{Audited, IdOrName};

/// Lets a held account send again.
pub(crate) async fn resume_account(
    State(deps): State<Arc<Deps>>,
    Audited(caller, audit): Audited,
    IdOrName(id): IdOrName,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    request_body::nothing(&deps, &headers, body).await?;
    let record = choose_account(&deps, &caller, Some(&id))?;
    accounts::resume(&deps, &audit, &record.account).await?;
    let resumed = deps.directory.current().account(caller.workspace(), &id).cloned();
    show_one(&deps, &caller, &resumed.unwrap_or(record), StatusCode::OK).await
}
