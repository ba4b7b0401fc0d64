//! JSON of accounts in responses.

use crate::api::accounts::request::FETCH_MEDIA;
use crate::api::openapi::schema::Schema;
use crate::api::openapi::schema::required;
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
use crate::api::serialize::or_null;

/// JSON of an account without its secrets.
pub(crate) fn serialize_account(account: &Account, n_recipients: u32) -> Value {
    let limit = object([
        ("tier", or_null(account.messaging_limit_tier.as_deref())),
        ("used_24h", i64::from(n_recipients).into()),
    ]);
    object([
        ("id", account.id.to_string().into()),
        ("name", account.name.as_str().into()),
        ("phone_number_id", account.phone_number_id.as_str().into()),
        ("waba_id", account.waba_id.as_str().into()),
        ("display_phone_number", or_null(account.display_phone_number.as_deref())),
        ("quality_rating", or_null(account.quality_rating.as_deref())),
        ("messaging_limit", limit),
        ("status", account.status.as_str().into()),
        ("status_reason", or_null(account.status_reason.as_deref())),
        ("default", account.is_default.into()),
        ("sandbox", account.is_sandbox.into()),
        ("fetch_media", account.fetches_links.map_or(Value::Null, Value::from)),
    ])
}

/// Returns the response with one account.
pub(crate) async fn account_response(
    deps: &Deps,
    caller: &Caller,
    record: &AccountRecord,
    status: StatusCode,
) -> Result<Response, ApiError> {
    let recipients = accounts::messaging_limit_usage(deps, caller.workspace()).await?;
    let n_recipients = recipients.get(&record.account.waba_id).copied().unwrap_or(0);
    Ok(response::success(status, &serialize_account(&record.account, n_recipients)))
}

/// Returns the named schemas of accounts.
pub(crate) fn schemas() -> Vec<(&'static str, Schema)> {
    let limit = Schema::object([
        required("tier", Schema::string(1..).or_null().about("Meta's messaging limit, such as `TIER_2K`.")),
        required(
            "used_24h",
            Schema::integer(0..).about(
                "Number of recipients of a first message of a conversation \
             in the last 24 hours.",
            ),
        ),
    ]);
    let account = Schema::object([
        required("id", Schema::uuid()),
        required("name", Schema::string(1..)),
        required("phone_number_id", Schema::string(1..)),
        required("waba_id", Schema::string(1..)),
        required("display_phone_number", Schema::string(1..).or_null()),
        required(
            "quality_rating",
            Schema::string(1..).or_null().about("`GREEN`, `YELLOW`, `RED`, `NA` or `UNKNOWN`."),
        ),
        required("messaging_limit", limit),
        required("status", Schema::enumeration(["connected", "held", "disconnected"])),
        required("status_reason", Schema::string(1..).or_null().about("Reason for the hold.")),
        required("default", Schema::boolean().about("`true`: sends that name no account use this account.")),
        required(
            "sandbox",
            Schema::boolean().about("`true`: the account uses the simulator instead of Meta."),
        ),
        required("fetch_media", Schema::boolean().or_null().about(FETCH_MEDIA)),
    ]);
    let some = || Schema::string(..).or_null();
    let profile = Schema::object([
        required("about", some()),
        required("address", some()),
        required("description", some()),
        required("email", some()),
        required("websites", Schema::array(Schema::string(..), ..).or_null()),
        required("vertical", some()),
        required("profile_picture_url", some()),
    ])
    .about("The names are Meta's. A field that is not set is `null` or empty.");
    vec![("Account", account), ("BusinessProfile", profile)]
}

/// Description of the id of an account in a path.
pub(crate) const ACCOUNT_ID: &str = "ID or name of the account.";

pub(crate) const ACCOUNT_EXAMPLE: &str = r#"{"id":"01a2b3c4-0000-7000-8000-000000000002","name":"sandbox","phone_number_id":"555010000000301",
    "waba_id":"555010000000201","display_phone_number":"+1 555-010-9999","quality_rating":"GREEN",
    "messaging_limit":{"tier":"TIER_100K","used_24h":3},"status":"connected","status_reason":null,"default":true,
    "sandbox":true,"fetch_media":null}"#;
