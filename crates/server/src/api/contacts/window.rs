//! Customer service windows of a contact.

use crate::api::contacts::lookup::CONTACT_ID;
use crate::api::error::Code;
use crate::api::openapi::example::CONTACT;
use crate::api::openapi::operation::Operation;
use crate::api::openapi::schema::Schema;
use crate::api::openapi::schema::optional;
use crate::api::openapi::schema::required;
use domain::check::Fields;
use domain::check::RequestSchema;
use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::Response;
use domain::id::AccountId;
use domain::json::{Object, Value};
use domain::messages::window::Window;
use engine::Deps;
use engine::messages::admission::choose_account;
use engine::ports::AccountRecord;
use jiff::Timestamp;

use crate::api::contacts::lookup::find;
use crate::api::error::ApiError;
use crate::api::request_context::{Authorized, IdOrName};
use crate::api::serialize::time_or_null;
use crate::api::{request_body, response};

/// Returns the window of a contact for one account, and the windows for all accounts that the caller has access to.
pub(crate) async fn get_contact_window(
    State(deps): State<Arc<Deps>>,
    Authorized(caller): Authorized,
    IdOrName(id): IdOrName,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let query = request_body::query(query.as_deref())?;
    let account = request_body::read(&query, read_account)?;
    let contact = find(&deps, &caller, &id).await?;
    let directory = deps.directory.current();
    let accounts: Vec<&Arc<AccountRecord>> = directory
        .accounts_of(caller.workspace())
        .filter(|record| caller.can_see_account(&deps, record.account.id))
        .collect();
    let selected = match account {
        Some(name) => Some(choose_account(&deps, &caller, Some(&name))?),
        None => {
            let default = accounts.iter().find(|record| record.account.is_default);
            default.or(accounts.first()).map(|record| Arc::clone(record))
        }
    };
    let known = deps.contacts.list_contact_windows(caller.workspace(), contact.id).await?;
    let now = deps.now();
    let window = |account: AccountId| {
        let found = known.iter().find(|(other, _)| *other == account);
        serialize_window(account, found.map(|(_, window)| *window).unwrap_or_default(), now)
    };
    let mut json = selected.map_or_else(Object::new, |record| window(record.account.id));
    let all = accounts.iter().map(|record| Value::Object(window(record.account.id))).collect();
    json.insert("windows", Value::Array(all));
    Ok(response::success(StatusCode::OK, &json))
}

fn serialize_window(account: AccountId, window: Window, now: Timestamp) -> Object {
    let mut json = Object::new();
    json.insert("whatsapp_account_id", account.to_string());
    json.insert("is_open", window.is_open(now));
    json.insert("last_inbound_at", time_or_null(window.last_inbound_at));
    json.insert("closes_at", time_or_null(window.closes_at()));
    json
}

/// Reads the query of the windows of a contact.
pub(crate) fn read_account(fields: &Fields<'_, '_>) -> Option<String> {
    fields.optional("account").about("ID or name of an account.").string(1..=200).map(str::to_owned)
}

/// Describes the operation of this file.
pub(crate) fn operations() -> Vec<Operation> {
    vec![
        Operation::new(
            "get_contact_window",
            "Get the customer service windows of a contact",
            "Returns the time until which free-form messages can be sent to the contact: from the given account, or else from the default account. `windows` has an entry for each account that the \
             caller may see.",
        )
        .id(CONTACT_ID, CONTACT)
        .errors([Code::ContactNotFound])
        .query(RequestSchema::of_query(read_account))
        .responds(200, "The customer service windows.", windows_schema(), WINDOWS_EXAMPLE)
        .errors([Code::AccountNotFound]),
    ]
}

fn windows_schema() -> Schema {
    let fields = || {
        [
            ("whatsapp_account_id", Schema::uuid()),
            ("is_open", Schema::boolean()),
            (
                "last_inbound_at",
                Schema::time().or_null().about(
                    "Time of the contact's last message or call to this \
                 account.",
                ),
            ),
            ("closes_at", Schema::time().or_null().about("Time at which the window closes or closed.")),
        ]
    };
    let one = Schema::object(fields().map(|(name, schema)| required(name, schema)));
    let all =
        required("windows", Schema::array(one, ..).about("Windows of all accounts that the caller may see."));
    Schema::object(fields().map(|(name, schema)| optional(name, schema)).into_iter().chain([all]))
        .about("If there is no account, `windows` is empty and the other fields are missing.")
}

const WINDOWS_EXAMPLE: &str = r#"{"whatsapp_account_id":"01a2b3c4-0000-7000-8000-000000000002","is_open":true,"last_inbound_at":"2026-05-29T10:30:00.000Z",
    "closes_at":"2026-05-30T10:30:00.000Z","windows":[{"whatsapp_account_id":"01a2b3c4-0000-7000-8000-000000000002","is_open":true,
    "last_inbound_at":"2026-05-29T10:30:00.000Z","closes_at":"2026-05-30T10:30:00.000Z"}]}"#;
