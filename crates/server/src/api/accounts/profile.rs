//! The business profile of an account.

use crate::api::accounts::serialize::ACCOUNT_ID;
use crate::api::error::Code;
use crate::api::error::META_ERRORS;
use crate::api::openapi::example::ACCOUNT;
use crate::api::openapi::operation::Operation;
use crate::api::openapi::schema::Schema;
use domain::check::RequestSchema;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use domain::accounts::profile;
use engine::Deps;
use engine::accounts::phone_number;
use engine::messages::admission::choose_account;

use crate::api::error::ApiError;
use crate::api::request_context::{Audited, Authorized, IdOrName};
use crate::api::{request_body, response};

/// Returns the business profile that customers see.
pub(crate) async fn get_account_profile(
    State(deps): State<Arc<Deps>>,
    Authorized(caller): Authorized,
    IdOrName(id): IdOrName,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    request_body::reject_query(query.as_deref())?;
    let record = choose_account(&deps, &caller, Some(&id))?;
    Ok(response::success(StatusCode::OK, &phone_number::get_business_profile(&deps, &record).await?))
}

/// Changes the given fields of the business profile.
pub(crate) async fn update_account_profile(
    State(deps): State<Arc<Deps>>,
    Audited(caller, audit): Audited,
    IdOrName(id): IdOrName,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let object = request_body::json(&headers, body).await?;
    let record = choose_account(&deps, &caller, Some(&id))?;
    let change = request_body::read(&object, profile::read_change)?;
    Ok(response::success(
        StatusCode::OK,
        &phone_number::update_business_profile(&deps, &audit, &record, &change).await?,
    ))
}

/// Describes the operations of this file.
pub(crate) fn operations() -> Vec<Operation> {
    vec![
        Operation::new(
            "get_account_profile",
            "Get the business profile",
            "Returns the profile that customers see.",
        )
        .id(ACCOUNT_ID, ACCOUNT)
        .errors([Code::AccountNotFound])
        .responds(200, "The business profile.", Schema::reference("BusinessProfile"), PROFILE_EXAMPLE)
        .errors(META_ERRORS),
        Operation::new(
            "update_account_profile",
            "Update the business profile",
            "Changes the given fields. `null` clears a field. `about` cannot be cleared.",
        )
        .id(ACCOUNT_ID, ACCOUNT)
        .errors([Code::AccountNotFound])
        .body(RequestSchema::of(profile::read_change), [("words", UPDATE_ACCOUNT_PROFILE_REQUEST)])
        .responds(200, "The business profile.", Schema::reference("BusinessProfile"), PROFILE_EXAMPLE)
        .errors(META_ERRORS),
    ]
}

const UPDATE_ACCOUNT_PROFILE_REQUEST: &str = r#"{"about":"Open 9 to 17","description":"Fine ferries since 1902.","websites":["https://harbour.example"],"vertical":"TRAVEL"}"#;

const PROFILE_EXAMPLE: &str = r#"{"about":"Open 9 to 17","address":"1 Quay","description":"Fine ferries since 1902.",
    "email":"desk@harbour.example","websites":["https://harbour.example"],"vertical":"TRAVEL",
    "profile_picture_url":null}"#;
