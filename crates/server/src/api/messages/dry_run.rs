//! Response to a dry run.

use domain::json::Value;
use engine::messages::dry_run::{DryRun, DryRunCheck};

use crate::api::error::ApiError;
use crate::api::response::object;

pub(crate) fn show_rehearsal(rehearsal: DryRun) -> Value {
    let would_send = rehearsal.would_send();
    let request =
        rehearsal.request.and_then(|body| serde_json::from_slice::<Value>(&body).ok()).unwrap_or(Value::Null);
    let checks = rehearsal.checks.into_iter().map(show_check).collect();
    object([("would_send", would_send.into()), ("request", request), ("checks", Value::Array(checks))])
}

fn show_check(check: DryRunCheck) -> Value {
    let error = check.error.map(ApiError::from);
    let code = error.as_ref().map_or(Value::Null, |error| error.code().as_str().into());
    let reason = error.as_ref().map_or(Value::Null, |error| error.message().into());
    let details = error
        .as_ref()
        .filter(|error| !error.details().is_empty())
        .map_or(Value::Null, |error| Value::Object(error.details().clone()));
    object([
        ("name", check.name.as_str().into()),
        ("ok", error.is_none().into()),
        ("code", code),
        ("reason", reason),
        ("details", details),
    ])
}
