//! What is watched of accounts, and forgotten of templates.

use domain::access::audit::AuditEntry;
use domain::accounts::account::token_notice;
use domain::events::AccountChange;
use domain::id::{AccountId, WorkspaceId};
use domain::json::{Object, Value};
use jiff::Timestamp;
use rusqlite::Connection;

use super::directory::bump;
use crate::access::audit;
use crate::error::SqlResult;
use crate::events::event_payloads;
use crate::row::{Cells, micros};

/// Writes down when an access token ends, and tells it when that is near.
pub(crate) fn account_token(
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
        event_payloads::account(
            connection,
            (workspace, id),
            AccountChange::TokenExpiry,
            (None, Some(&details)),
            now,
        )?;
    }
    Ok(())
}

/// Forgets templates that were deleted at Meta, and writes that down even if none was known; what is told of it comes with Meta's own webhook.
pub(crate) fn templates_forget(
    connection: &Connection,
    workspace: WorkspaceId,
    waba_id: &str,
    (name, language): (&str, Option<&str>),
    act: &AuditEntry,
) -> SqlResult<()> {
    let n_rows = connection
        .prepare_cached(
            "delete from templates
             where workspace_id = ?1 and waba_id = ?2 and name = ?3 and (?4 is null or language = ?4)",
        )?
        .execute((workspace.as_bytes(), waba_id, name, language))?;
    if n_rows > 0 {
        bump(connection, "templates")?;
    }
    audit::write(connection, act)
}
