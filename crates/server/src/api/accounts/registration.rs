//! Subscribe an account to webhooks, and register its phone number.

use crate::api::accounts::serialize::ACCOUNT_EXAMPLE;
use crate::api::accounts::serialize::ACCOUNT_ID;
use crate::api::error::Code;
use crate::api::error::META_ERRORS;
use crate::api::openapi::example::ACCOUNT;
use crate::api::openapi::operation::Operation;
use crate::api::openapi::schema::Schema;
use crate::api::openapi::schema::required;
use domain::check::Fields;
use domain::check::RequestSchema;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use domain::json::Value;
use engine::Deps;
use engine::accounts::phone_number;
use engine::messages::admission::choose_account;
use secrecy::SecretString;

use crate::api::accounts::serialize::account_response;
use crate::api::error::ApiError;
use crate::api::request_context::{Audited, IdOrName};
use crate::api::response::object;
use crate::api::{request_body, response};

/// Subscribes the app of the access token to the webhooks of the account.
pub(crate) async fn subscribe_account(
    State(deps): State<Arc<Deps>>,
    Audited(caller, audit): Audited,
    IdOrName(id): IdOrName,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    request_body::empty(&headers, body).await?;
    let record = choose_account(&deps, &caller, Some(&id))?;
    let apps = phone_number::subscribe_app(&deps, &audit, &record).await?;
    let data = object([
        ("id", record.account.id.to_string().into()),
        ("subscribed_apps", Value::Array(apps.into_iter().map(Value::from).collect())),
    ]);
    Ok(response::success(StatusCode::OK, &data))
}

/// Registers the phone number with its PIN.
pub(crate) async fn register_account(
    State(deps): State<Arc<Deps>>,
    Audited(caller, audit): Audited,
    IdOrName(id): IdOrName,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let object = request_body::json(&headers, body).await?;
    let record = choose_account(&deps, &caller, Some(&id))?;
    let pin = request_body::read(&object, read_pin)?;
    phone_number::register_phone_number(&deps, &audit, &record, &pin).await?;
    let registered = deps.directory.current().account(caller.workspace(), &id).cloned();
    account_response(&deps, &caller, &registered.unwrap_or(record), StatusCode::OK).await
}

/// Reads the body of a registration.
pub(crate) fn read_pin(fields: &Fields<'_, '_>) -> SecretString {
    let is_pin = |text: &str| text.len() == 6 && text.bytes().all(|byte| byte.is_ascii_digit());
    let pin = fields.required("pin").about("Two-step verification PIN: six digits, as a string.");
    let pin = pin.pattern("^[0-9]{6}$").string_that(is_pin, "must be 6 digits, as a string");
    SecretString::from(pin.unwrap_or_default())
}

/// Describes the operations of this file.
pub(crate) fn operations() -> Vec<Operation> {
    vec![
        Operation::new(
            "subscribe_account",
            "Subscribe to the webhooks of an account",
            "Subscribes the app of the access token to the WhatsApp Business Account.",
        )
        .id(ACCOUNT_ID, ACCOUNT)
        .errors([Code::AccountNotFound])
        .empty_body()
        .responds(
            200,
            "The app is subscribed.",
            Schema::object([
                required("id", Schema::uuid()),
                required(
                    "subscribed_apps",
                    Schema::array(Schema::string(..), ..).about("Names of the subscribed apps."),
                ),
            ]),
            SUBSCRIBE_ACCOUNT_RESPONSE,
        )
        .errors(META_ERRORS),
        Operation::new(
            "register_account",
            "Register a phone number",
            "Registers the phone number for the Cloud API. If the number has no two-step \
             verification PIN, Meta sets the given PIN; otherwise the given PIN must be the PIN of the number.",
        )
        .id(ACCOUNT_ID, ACCOUNT)
        .errors([Code::AccountNotFound])
        .body(RequestSchema::of(read_pin), [("pin", r#"{"pin":"123456"}"#)])
        .responds(200, "The account.", Schema::reference("Account"), ACCOUNT_EXAMPLE)
        .errors(META_ERRORS),
    ]
}

const SUBSCRIBE_ACCOUNT_RESPONSE: &str =
    r#"{"id":"01a2b3c4-0000-7000-8000-000000000002","subscribed_apps":["Shop messages"]}"#;
