//! Subscribe an account to webhooks, and register its phone number.

use domain::check::Fields;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use domain::json::Value;
use engine::Deps;
use engine::accounts::number;
use engine::messages::admission::choose_account;
use secrecy::SecretString;

use crate::api::accounts::serialize::show_one;
use crate::api::error::ApiError;
use crate::api::request_context::{Audited, IdOrName};
use crate::api::response::object;
use crate::api::{request_body, response};

/// Subscribes the token's app to the account's webhooks.
pub(crate) async fn subscribe_account(
    State(deps): State<Arc<Deps>>,
    Audited(caller, audit): Audited,
    IdOrName(id): IdOrName,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    request_body::nothing(&deps, &headers, body).await?;
    let record = choose_account(&deps, &caller, Some(&id))?;
    let apps = number::subscribe(&deps, &audit, &record).await?;
    let data = object([
        ("id", record.account.id.to_string().into()),
        ("subscribed_apps", Value::Array(apps.into_iter().map(Value::from).collect())),
    ]);
    Ok(response::success(StatusCode::OK, &data))
}

/// Registers the number with its PIN.
pub(crate) async fn register_account(
    State(deps): State<Arc<Deps>>,
    Audited(caller, audit): Audited,
    IdOrName(id): IdOrName,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let object = request_body::json(&deps, &headers, body).await?;
    let record = choose_account(&deps, &caller, Some(&id))?;
    let pin = request_body::read(&object, read_pin)?;
    number::register(&deps, &audit, &record, &pin).await?;
    let registered = deps.directory.current().account(caller.workspace(), &id).cloned();
    show_one(&deps, &caller, &registered.unwrap_or(record), StatusCode::OK).await
}

/// Reads the body of a registration.
pub(crate) fn read_pin(fields: &Fields<'_, '_>) -> SecretString {
    let is_pin = |text: &str| text.len() == 6 && text.bytes().all(|byte| byte.is_ascii_digit());
    let pin = fields.required("pin").about("Two-step verification PIN: six digits, as a string.");
    let pin = pin.pattern("^[0-9]{6}$").string_that(is_pin, "must be 6 digits, as a string");
    SecretString::from(pin.unwrap_or_default())
}
