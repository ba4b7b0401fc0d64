//! Response to a dry run.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use domain::access::rate_limiter::CallKind;
use domain::json::Value;
use engine::Deps;
use engine::messages::dry_run::{Rehearsal, Rehearsed};
use engine::messages::send::{Progress, Sent};
use engine::messages::{dry_run, send};
use engine::ports::Recipient;
use serde::Serialize;

use crate::api::error::ApiError;
use crate::api::messages::idempotency;
use crate::api::messages::send_request::{Kind, Read, read_request};
use crate::api::request_context::RequestContext;
use crate::api::response::object;
use crate::api::{request_body, response};

pub(crate) fn show_rehearsal(rehearsal: Rehearsal) -> Value {
    let would_send = rehearsal.would_send();
    let request =
        rehearsal.request.and_then(|body| serde_json::from_slice::<Value>(&body).ok()).unwrap_or(Value::Null);
    let checks = rehearsal.checks.into_iter().map(show_check).collect();
    object([("would_send", would_send.into()), ("request", request), ("checks", Value::Array(checks))])
}

fn show_check(check: Rehearsed) -> Value {
    let error = check.error.map(ApiError::from);
    let code = error.as_ref().map_or(Value::Null, |error| error.code().as_str().into());
    let reason = error.as_ref().map_or(Value::Null, |error| error.message().into());
    let details = error
        .as_ref()
        .filter(|error| !error.details().is_empty())
        .map_or(Value::Null, |error| Value::Object(error.details().clone()));
    object([
        ("name", check.name.into()),
        ("ok", error.is_none().into()),
        ("code", code),
        ("reason", reason),
        ("details", details),
    ])
}
