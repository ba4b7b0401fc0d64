//! Expiry of access tokens.

use domain::accounts::account::AccountChange;
use domain::accounts::account::due_token_expiry_warning;
use domain::id::{AccountId, WorkspaceId};
use domain::json::{Object, Value};
use domain::time::rfc3339;
use jiff::Timestamp;
use rusqlite::Connection;

use crate::accounts::account_events;
use crate::accounts::account_events::AccountUpdateEvent;
use crate::error::SqlResult;
use crate::row::{SelectRow as _, micros, row};
use crate::scope::Scope;
use crate::sqlite::execute::Execute as _;

row! {
    struct ExpiryRow {
        expires_at: Option<Timestamp> = opt_at "token_expires_at",
        notice_days: Option<i64> = get "token_notice_days",
    } from "accounts where workspace_id = ?1 and id = ?2 and removed_at is null"
}

/// Stores the expiry of an access token, and emits an event when the expiry is near.
pub(crate) fn update_token_expiry(
    connection: &Connection,
    workspace: WorkspaceId,
    id: AccountId,
    expires_at: Option<Timestamp>,
    now: Timestamp,
) -> SqlResult<()> {
    let keys = (workspace.as_bytes(), id.as_bytes());
    let Some(ExpiryRow { expires_at: before, notice_days: notified_days }) =
        ExpiryRow::find(connection, keys)?
    else {
        return Ok(());
    };
    // A different expiry belongs to a new token, for which no notice was published.
    let notified_days = notified_days.filter(|_| before == expires_at);
    let due = expires_at.and_then(|expires_at| due_token_expiry_warning(expires_at, notified_days, now));
    if before == expires_at && due.is_none() {
        return Ok(());
    }
    connection
        .prepare_cached(
            "update accounts set token_expires_at = ?3, token_notice_days = ?4, updated_at = ?5
             where workspace_id = ?1 and id = ?2 and removed_at is null",
        )?
        .execute_one((keys.0, keys.1, expires_at.map(micros), due.or(notified_days), micros(now)))?;
    if let (Some(days), Some(expires_at)) = (due, expires_at) {
        let mut details = Object::new();
        details.insert("expires_at", rfc3339(expires_at));
        details.insert("within_days", days);
        let details = Value::Object(details);
        let event = AccountUpdateEvent {
            details: Some(&details),
            ..AccountUpdateEvent::new(AccountChange::TokenExpiry)
        };
        account_events::emit_account(connection, Scope { workspace, account: id }, &event, now)?;
    }
    Ok(())
}
