//! Test an account.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use domain::json::Value;
use engine::accounts::Check;
use engine::messages::admission::choose_account;
use engine::{Deps, accounts};

use crate::api::error::ApiError;
use crate::api::request_context::{Authorized, IdOrName};
use crate::api::response::object;
use crate::api::{request_body, response};

/// Tries an account: each thing its own line.
pub(crate) async fn test_account(
    State(deps): State<Arc<Deps>>,
    Authorized(caller): Authorized,
    IdOrName(id): IdOrName,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    request_body::nothing(&deps, &headers, body).await?;
    let record = choose_account(&deps, &caller, Some(&id))?;
    let checks = accounts::test(&deps, &record).await?;
    let is_ok = checks.iter().all(|check| check.is_ok);
    let checks = checks.into_iter().map(show_check).collect();
    let data = object([
        ("id", record.account.id.to_string().into()),
        ("ok", is_ok.into()),
        ("checks", Value::Array(checks)),
    ]);
    Ok(response::success(StatusCode::OK, &data))
}

fn show_check(check: Check) -> Value {
    object([("name", check.name.into()), ("ok", check.is_ok.into()), ("finding", check.finding.into())])
}
