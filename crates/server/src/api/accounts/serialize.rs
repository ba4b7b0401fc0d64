//! JSON of accounts in responses.

use axum::http::StatusCode;
use axum::response::Response;
use domain::accounts::account::Account;
use domain::json::Value;
use engine::access::caller::Caller;
use engine::ports::AccountRecord;
use engine::{Deps, accounts};

use crate::api::error::ApiError;
use crate::api::response;
use crate::api::response::object;
use crate::api::serialize::optional;

/// An account, without its secrets.
pub(crate) fn serialize_account(account: &Account, n_reached: u32) -> Value {
    let limit = object([
        ("tier", optional(account.messaging_limit_tier.as_deref())),
        ("used_24h", i64::from(n_reached).into()),
    ]);
    object([
        ("id", account.id.to_string().into()),
        ("name", account.name.as_str().into()),
        ("phone_number_id", account.phone_number_id.as_str().into()),
        ("waba_id", account.waba_id.as_str().into()),
        ("display_phone_number", optional(account.display_phone_number.as_deref())),
        ("quality_rating", optional(account.quality_rating.as_deref())),
        ("messaging_limit", limit),
        ("status", account.status.as_str().into()),
        ("status_reason", optional(account.status_reason.as_deref())),
        ("default", account.is_default.into()),
        ("sandbox", account.is_sandbox.into()),
        ("fetch_media", account.fetches_links.map_or(Value::Null, Value::from)),
    ])
}

pub(crate) async fn show_one(
    deps: &Deps,
    caller: &Caller,
    record: &AccountRecord,
    status: StatusCode,
) -> Result<Response, ApiError> {
    let reached = accounts::messaging_limit_usage(deps, caller.workspace()).await?;
    let n_reached = reached.get(&record.account.waba_id).copied().unwrap_or(0);
    Ok(response::success(status, &serialize_account(&record.account, n_reached)))
}
