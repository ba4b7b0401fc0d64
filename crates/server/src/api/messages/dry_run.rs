//! Response to a dry run.

use crate::api::openapi::schema::Schema;
use crate::api::openapi::schema::required;
use domain::json::Value;
use engine::messages::dry_run::{DryRun, DryRunCheck, DryRunCheckName};

use crate::api::error::ApiError;
use crate::api::response::object;

/// JSON of the result of a dry run.
pub(crate) fn serialize_dry_run(dry_run: DryRun) -> Value {
    let would_send = dry_run.would_send();
    let request =
        dry_run.request.and_then(|body| serde_json::from_slice::<Value>(&body).ok()).unwrap_or(Value::Null);
    let checks = dry_run.checks.into_iter().map(serialize_check).collect();
    object([("would_send", would_send.into()), ("request", request), ("checks", Value::Array(checks))])
}

fn serialize_check(check: DryRunCheck) -> Value {
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

/// Returns the named schema of the response.
pub(crate) fn schemas() -> Vec<(&'static str, Schema)> {
    vec![("DryRun", dry_run_schema())]
}

fn dry_run_schema() -> Schema {
    let check = Schema::object([
        required("name", Schema::enumeration(DryRunCheckName::ALL.iter().map(|name| name.as_str()))),
        required("ok", Schema::boolean()),
        required("code", Schema::string(1..).or_null()),
        required("reason", Schema::string(1..).or_null()),
        required("details", Schema::reference("ErrorDetails").or_null()),
    ]);
    Schema::object([
        required("would_send", Schema::boolean()),
        required("request", Schema::any().about("Body that would be sent to Meta.")),
        required("checks", Schema::array(check, 1..)),
    ])
}
