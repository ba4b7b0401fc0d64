//! Sessions of users.

use domain::access::audit::AuditEntry;
use domain::id::{UserId, WorkspaceId};
use engine::ports::{NewSession, SessionDigest, StoredSession};
use jiff::Timestamp;
use rusqlite::Connection;

use crate::access::{audit, users};
use crate::error::SqlResult;
use crate::row::{SelectRow as _, micros, row};
use crate::sqlite::execute::Execute as _;

/// Inserts a session and updates the user's last login. Returns `false` if the user was deleted or disabled, or has
/// another password.
pub(crate) fn insert_session(
    connection: &Connection,
    new: &NewSession,
    entry: &AuditEntry,
) -> SqlResult<bool> {
    let n_rows = connection
        .prepare_cached(
            "update users set last_login_at = ?4
             where workspace_id = ?1 and id = ?2 and password_hash = ?3 and is_disabled = 0",
        )?
        .execute((new.workspace.as_bytes(), new.user.as_bytes(), &new.password_hash, micros(new.now)))?;
    if n_rows == 0 {
        return Ok(false);
    }
    connection
        .prepare_cached(
            "insert into sessions (digest, workspace_id, user_id, created_at, last_used_at) values (?1, ?2, ?3, ?4, ?4)",
        )?
        .execute_one((new.digest, new.workspace.as_bytes(), new.user.as_bytes(), micros(new.now)))?;
    audit::insert_entry(connection, entry)?;
    Ok(true)
}

row! {
    struct SessionRow {
        created_at: Timestamp = at "created_at",
        last_used_at: Timestamp = at "last_used_at",
        workspace: WorkspaceId = id "workspace_id",
        user: UserId = id "user_id",
    } from "sessions where digest = ?1"
}

pub(crate) fn get_session(
    connection: &Connection,
    digest: &SessionDigest,
) -> SqlResult<Option<StoredSession>> {
    let Some(row) = SessionRow::find(connection, [digest])? else { return Ok(None) };
    let user = users::get_user(connection, row.workspace, row.user)?;
    Ok(user.map(|user| StoredSession { user, created_at: row.created_at, last_used_at: row.last_used_at }))
}

/// Deletes a session, which may have expired.
pub(crate) fn delete_session(
    connection: &Connection,
    workspace: WorkspaceId,
    digest: &SessionDigest,
) -> SqlResult<()> {
    connection
        .prepare_cached("delete from sessions where workspace_id = ?1 and digest = ?2")?
        .execute_any((workspace.as_bytes(), digest))
}

/// Updates the last use of sessions, which may have been deleted.
pub(crate) fn update_last_used(
    connection: &Connection,
    uses: &[(SessionDigest, Timestamp)],
) -> SqlResult<()> {
    let mut statement = connection
        .prepare_cached("update sessions set last_used_at = max(last_used_at, ?2) where digest = ?1")?;
    for (digest, at) in uses {
        statement.execute_any((digest, micros(*at)))?;
    }
    Ok(())
}

pub(crate) fn expire_sessions(
    connection: &Connection,
    created_before: Timestamp,
    used_before: Timestamp,
    limit: u32,
) -> SqlResult<()> {
    for (column, before) in [("created_at", created_before), ("last_used_at", used_before)] {
        let sql = format!(
            "delete from sessions where digest in (select digest from sessions where {column} <= ?1 limit ?2)"
        );
        connection.prepare_cached(&sql)?.execute_any((micros(before), limit))?;
    }
    Ok(())
}
