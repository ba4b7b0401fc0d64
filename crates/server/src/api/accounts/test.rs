//! Test an account.

use crate::api::accounts::serialize::ACCOUNT_ID;
use crate::api::error::Code;
use crate::api::openapi::example::ACCOUNT;
use crate::api::openapi::operation::Operation;
use crate::api::openapi::schema::Schema;
use crate::api::openapi::schema::required;
use engine::accounts::ACCOUNT_CHECKS;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use domain::json::Value;
use engine::accounts::AccountCheck;
use engine::messages::admission::choose_account;
use engine::{Deps, accounts};

use crate::api::error::ApiError;
use crate::api::request_context::{Authorized, IdOrName};
use crate::api::response::object;
use crate::api::{request_body, response};

/// Tests an account. Each check has its own result.
pub(crate) async fn test_account(
    State(deps): State<Arc<Deps>>,
    Authorized(caller): Authorized,
    IdOrName(id): IdOrName,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    request_body::empty(&headers, body).await?;
    let record = choose_account(&deps, &caller, Some(&id))?;
    let checks = accounts::test_account(&deps, &record).await?;
    let is_ok = checks.iter().all(|check| check.is_ok);
    let checks = checks.into_iter().map(serialize_check).collect();
    let data = object([
        ("id", record.account.id.to_string().into()),
        ("ok", is_ok.into()),
        ("checks", Value::Array(checks)),
    ]);
    Ok(response::success(StatusCode::OK, &data))
}

fn serialize_check(check: AccountCheck) -> Value {
    object([("name", check.name.into()), ("ok", check.is_ok.into()), ("finding", check.finding.into())])
}

/// Describes the operation of this file.
pub(crate) fn operations() -> Vec<Operation> {
    let check = Schema::object([
        required("name", Schema::enumeration(ACCOUNT_CHECKS)),
        required("ok", Schema::boolean()),
        required("finding", Schema::string(1..).about("Result of the check, with advice.")),
    ]);
    vec![
        Operation::new(
            "test_account",
            "Test an account",
            "Checks the access token, its expiry and its permissions, the phone number and \
             its quality, the webhook subscription and the callback URL. Each check is a separate entry of \
             `checks`.",
        )
        .id(ACCOUNT_ID, ACCOUNT)
        .errors([Code::AccountNotFound])
        .empty_body()
        .responds(
            200,
            "Results of the checks.",
            Schema::object([
                required("id", Schema::uuid()),
                required("ok", Schema::boolean().about("`true` if every check succeeded.")),
                required("checks", Schema::array(check, 1..)),
            ]),
            TEST_ACCOUNT_RESPONSE,
        ),
    ]
}

const TEST_ACCOUNT_RESPONSE: &str = r#"{"id":"01a2b3c4-0000-7000-8000-000000000002","ok":false,"checks":[
    {"name":"token","ok":true,"finding":"valid, never expires"},
    {"name":"webhook","ok":false,"finding":"no app is subscribed to this WhatsApp Business Account, therefore Meta sends no webhooks: subscribe your app"}]}"#;
