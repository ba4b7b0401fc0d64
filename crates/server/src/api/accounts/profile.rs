//! The business profile of an account.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use domain::accounts::profile;
use engine::Deps;
use engine::accounts::number;
use engine::messages::admission::choose_account;

use crate::api::error::ApiError;
use crate::api::request_context::{Audited, Authorized, IdOrName};
use crate::api::{request_body, response};

/// The business profile, as customers see it.
pub(crate) async fn get_account_profile(
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
pub(crate) async fn update_account_profile(
    State(deps): State<Arc<Deps>>,
    Audited(caller, audit): Audited,
    IdOrName(id): IdOrName,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let object = request_body::json(&deps, &headers, body).await?;
    let record = choose_account(&deps, &caller, Some(&id))?;
    let change = request_body::read(&object, profile::read_change)?;
    Ok(response::success(StatusCode::OK, &number::set_profile(&deps, &audit, &record, &change).await?))
}
