//! Expiry of access tokens.

use domain::accounts::account::token_notice;
use domain::events::AccountChange;
use domain::id::{AccountId, WorkspaceId};
use domain::json::{Object, Value};
use jiff::Timestamp;
use rusqlite::Connection;

use crate::accounts::account_events;
use crate::error::SqlResult;
use crate::row::{Cells, micros};

/// Writes down when an access token ends, and tells it when that is near.
pub(crate) fn update_token_expiry(
    connection: &Connection,
    workspace: WorkspaceId,
    id: AccountId,
    expires_at: Option<Timestamp>,
    now: Timestamp,
) -> SqlResult<()> {
    let keys = (workspace.as_bytes(), id.as_bytes());
    let known: Option<(Option<Timestamp>, Option<i64>)> = {
        let mut statement = connection.prepare_cached(
            "select token_expires_at, token_notice_days from accounts
             where workspace_id = ?1 and id = ?2 and removed_at is null",
        )?;
        let mut rows = statement.query(keys)?;
        match rows.next()? {
            None => None,
            Some(row) => {
                let mut cells = Cells::new("accounts", row);
                Some((cells.opt_at()?, cells.get()?))
            }
        }
    };
    let Some((before, told)) = known else { return Ok(()) };
    // Another end is another token's: its notices are still to come.
    let told = told.filter(|_| before == expires_at);
    let due = expires_at.and_then(|expires_at| token_notice(expires_at, told, now));
    if before == expires_at && due.is_none() {
        return Ok(());
    }
    connection
        .prepare_cached(
            "update accounts set token_expires_at = ?3, token_notice_days = ?4, updated_at = ?5
             where workspace_id = ?1 and id = ?2 and removed_at is null",
        )?
        .execute((keys.0, keys.1, expires_at.map(micros), due.or(told), micros(now)))?;
    if let (Some(days), Some(expires_at)) = (due, expires_at) {
        let mut details = Object::new();
        details.insert("expires_at", expires_at.to_string());
        details.insert("within_days", days);
        let details = Value::Object(details);
        account_events::emit_account(
            connection,
            (workspace, id),
            AccountChange::TokenExpiry,
            (None, Some(&details)),
            now,
        )?;
    }
    Ok(())
}
