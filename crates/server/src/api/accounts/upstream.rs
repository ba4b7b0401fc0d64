//! What is asked and set at Meta of an account: a test, its subscription, its registration, its profile.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use domain::accounts::profile;
use domain::json::Value;
use engine::accounts::Check;
use engine::accounts::number;
use engine::messages::send::choose_account;
use engine::{Deps, accounts};
use secrecy::SecretString;

use crate::api::accounts::records::show_one;
use crate::api::request_context::{Audited, Authorized, IdOrName};
use crate::api::response;
use crate::api::response::object;
use crate::api::{ApiError, request_body};

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

/// Subscribes the token's app to the account's webhooks.
pub(crate) async fn subscribe_account(
    State(deps): State<Arc<Deps>>,
    Audited(caller, by): Audited,
    IdOrName(id): IdOrName,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    request_body::nothing(&deps, &headers, body).await?;
    let record = choose_account(&deps, &caller, Some(&id))?;
    let apps = number::subscribe(&deps, &by, &record).await?;
    let data = object([
        ("id", record.account.id.to_string().into()),
        ("subscribed_apps", Value::Array(apps.into_iter().map(Value::from).collect())),
    ]);
    Ok(response::success(StatusCode::OK, &data))
}

/// Registers the number with its PIN.
pub(crate) async fn register_account(
    State(deps): State<Arc<Deps>>,
    Audited(caller, by): Audited,
    IdOrName(id): IdOrName,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let object = request_body::json(&deps, &headers, body).await?;
    let record = choose_account(&deps, &caller, Some(&id))?;
    let pin = request_body::read(&object, |fields| {
        let is_pin = |text: &str| text.len() == 6 && text.bytes().all(|byte| byte.is_ascii_digit());
        let pin = fields.required("pin").string_that(is_pin, "must be 6 digits, as a string");
        SecretString::from(pin.unwrap_or_default())
    })?;
    number::register(&deps, &by, &record, &pin).await?;
    let registered = deps.directory.current().account(caller.workspace(), &id).cloned();
    show_one(&deps, &caller, &registered.unwrap_or(record), StatusCode::OK).await
}

/// The business profile, as customers see it.
pub(crate) async fn get_profile(
    State(deps): State<Arc<Deps>>,
    Authorized(caller): Authorized,
    IdOrName(id): IdOrName,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    request_body::no_query(query.as_deref())?;
    let record = choose_account(&deps, &caller, Some(&id))?;
    Ok(response::success(StatusCode::OK, &number::profile(&deps, &record).await?))
}

/// Changes the fields given of the business profile.
pub(crate) async fn update_profile(
    State(deps): State<Arc<Deps>>,
    Audited(caller, by): Audited,
    IdOrName(id): IdOrName,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let object = request_body::json(&deps, &headers, body).await?;
    let record = choose_account(&deps, &caller, Some(&id))?;
    let change = request_body::read(&object, profile::read_change)?;
    Ok(response::success(StatusCode::OK, &number::set_profile(&deps, &by, &record, &change).await?))
}
