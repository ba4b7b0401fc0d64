//! Accounts and templates, as people change them.

use domain::account::token_notice;
use domain::check::Change;
use domain::event::AccountChange as What;
use domain::id::{AccountId, WorkspaceId};
use domain::json::{Object, Value};
use engine::ports::{AccountChange, Removal};
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use super::directory::{bump, place};
use super::told;
use crate::error::SqlResult;
use crate::row::{Cells, micros};
use crate::seal::Sealer;

/// Changes an account. `false`: there is none.
pub(super) fn account_change(
    connection: &Connection,
    sealer: &Sealer,
    change: &AccountChange,
) -> SqlResult<bool> {
    let AccountChange { workspace, id, now, .. } = change;
    let keys = (workspace.as_bytes(), id.as_bytes());
    if change.is_default == Some(true) {
        connection
            .prepare_cached("update accounts set is_default = 0 where workspace_id = ?1 and is_default = 1")?
            .execute([workspace.as_bytes()])?;
    }
    let seal = |column, secret| sealer.seal(&place(*id, column), secret);
    let token = change.access_token.as_ref().map(|token| seal("access_token", token)).transpose()?;
    let app_secret = match &change.app_secret {
        Change::Set(secret) => Some(seal("app_secret", secret)?),
        Change::Keep | Change::Clear => None,
    };
    let digest = match &change.verify_token_digest {
        Change::Set(digest) => Some(*digest),
        Change::Keep | Change::Clear => None,
    };
    let n_rows = connection
        .prepare_cached(
            "update accounts
             set name = coalesce(?3, name), access_token = coalesce(?4, access_token),
                 app_secret = case when ?5 then ?6 else app_secret end,
                 verify_token_digest = case when ?7 then ?8 else verify_token_digest end,
                 is_default = coalesce(?9, is_default),
                 token_expires_at = case when ?4 is null then token_expires_at end,
                 token_notice = case when ?4 is null then token_notice end,
                 updated_at = ?10
             where workspace_id = ?1 and id = ?2 and removed_at is null",
        )?
        .execute(params![
            keys.0,
            keys.1,
            change.name,
            token,
            !matches!(change.app_secret, Change::Keep),
            app_secret,
            !matches!(change.verify_token_digest, Change::Keep),
            digest,
            change.is_default,
            micros(*now),
        ])?;
    if n_rows == 0 {
        return Ok(false);
    }
    if let Some(reason) = &change.lifts_hold {
        let n_lifted = connection
            .prepare_cached(
                "update accounts set status = 'connected', status_reason = null
                 where workspace_id = ?1 and id = ?2 and removed_at is null and status = 'held' and status_reason = ?3",
            )?
            .execute((keys.0, keys.1, reason))?;
        if n_lifted > 0 {
            told::account(connection, (*workspace, *id), What::Status, (None, None), *now)?;
        }
    }
    bump(connection, "directory")?;
    Ok(true)
}

/// Removes an account, unless messages wait in its queue.
pub(super) fn account_remove(
    connection: &Connection,
    workspace: WorkspaceId,
    id: AccountId,
    is_forced: bool,
    now: Timestamp,
) -> SqlResult<Removal> {
    let keys = (workspace.as_bytes(), id.as_bytes());
    let known: Option<(bool, bool)> = connection
        .prepare_cached(
            "select is_default, is_sandbox from accounts
             where workspace_id = ?1 and id = ?2 and removed_at is null",
        )?
        .query_row(keys, |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let Some((was_default, is_sandbox)) = known else { return Ok(Removal::NotFound) };
    let n_waiting: Option<u32> = connection
        .prepare_cached("select n_messages from queue_depths where account_id = ?1")?
        .query_row([id.as_bytes()], |row| row.get(0))
        .optional()?;
    if let Some(n_waiting) = n_waiting.filter(|n| *n > 0 && !is_forced) {
        return Ok(Removal::Busy(n_waiting));
    }
    connection
        .prepare_cached(
            "update accounts
             set removed_at = ?3, updated_at = ?3, access_token = null, app_secret = null,
                 verify_token_digest = null, is_default = 0
             where workspace_id = ?1 and id = ?2 and removed_at is null",
        )?
        .execute((keys.0, keys.1, micros(now)))?;
    if was_default {
        // Never from live to sandbox or back: what was meant for customers must not end in the simulator.
        connection
            .prepare_cached(
                "update accounts set is_default = 1, updated_at = ?3
                 where seq = (select min(seq) from accounts
                              where workspace_id = ?1 and is_sandbox = ?2 and removed_at is null)",
            )?
            .execute((keys.0, is_sandbox, micros(now)))?;
    }
    bump(connection, "directory")?;
    Ok(Removal::Removed)
}

/// Writes down when an access token ends, and tells it when that is near.
pub(super) fn account_token(
    connection: &Connection,
    workspace: WorkspaceId,
    id: AccountId,
    expires_at: Option<Timestamp>,
    now: Timestamp,
) -> SqlResult<()> {
    let keys = (workspace.as_bytes(), id.as_bytes());
    let known: Option<(Option<Timestamp>, Option<i64>)> = {
        let mut statement = connection.prepare_cached(
            "select token_expires_at, token_notice from accounts
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
            "update accounts set token_expires_at = ?3, token_notice = ?4, updated_at = ?5
             where workspace_id = ?1 and id = ?2 and removed_at is null",
        )?
        .execute((keys.0, keys.1, expires_at.map(micros), due.or(told), micros(now)))?;
    if let (Some(days), Some(expires_at)) = (due, expires_at) {
        let mut details = Object::new();
        details.insert("expires_at", expires_at.to_string());
        details.insert("within_days", days);
        let details = Value::Object(details);
        told::account(connection, (workspace, id), What::TokenExpiry, (None, Some(&details)), now)?;
    }
    Ok(())
}

/// Forgets templates that were deleted at Meta; what is told of it comes with Meta's own webhook.
pub(super) fn templates_forget(
    connection: &Connection,
    workspace: WorkspaceId,
    waba_id: &str,
    (name, language): (&str, Option<&str>),
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
    Ok(())
}
