//! Customer service windows of a contact.

use domain::check::Fields;
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
use crate::api::{request_body, response};

/// A contact's window at an account: the one named, or the default one; and at every account that the key may see.
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
        .filter(|record| caller.may_see(&deps, record.account.id))
        .collect();
    let one = match account {
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
        show_window(account, found.map(|(_, window)| *window).unwrap_or_default(), now)
    };
    let mut shown = one.map_or_else(Object::new, |record| window(record.account.id));
    let all = accounts.iter().map(|record| Value::Object(window(record.account.id))).collect();
    shown.insert("windows", Value::Array(all));
    Ok(response::success(StatusCode::OK, &shown))
}

fn show_window(account: AccountId, window: Window, now: Timestamp) -> Object {
    let time = |at: Option<Timestamp>| at.map_or(Value::Null, |at| at.to_string().into());
    let mut shown = Object::new();
    shown.insert("whatsapp_account_id", account.to_string());
    shown.insert("is_open", window.is_open(now));
    shown.insert("last_inbound_at", time(window.last_inbound_at));
    shown.insert("closes_at", time(window.closes_at()));
    shown
}

/// Reads a query that may name an account.
pub(crate) fn read_account(fields: &Fields<'_, '_>) -> Option<String> {
    fields.optional("account").about("ID or name of an account.").string(1..=200).map(str::to_owned)
}
