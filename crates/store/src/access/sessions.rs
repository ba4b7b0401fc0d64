//! Sessions of users.

use domain::access::audit::AuditEntry;
use domain::id::WorkspaceId;
use engine::ports::{NewSession, SessionDigest, StoredSession};
use jiff::Timestamp;
use rusqlite::Connection;

use crate::access::{audit, users};
use crate::error::SqlResult;
use crate::row::{Cells, micros};

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
        .execute((new.digest, new.workspace.as_bytes(), new.user.as_bytes(), micros(new.now)))?;
    audit::insert_entry(connection, entry)?;
    Ok(true)
}

pub(crate) fn get_session(
    connection: &Connection,
    digest: &SessionDigest,
) -> SqlResult<Option<StoredSession>> {
    let mut statement = connection.prepare_cached(
        "select created_at, last_used_at, workspace_id, user_id from sessions where digest = ?1",
    )?;
    let mut rows = statement.query([digest])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let mut cells = Cells::new("sessions", row);
    let (created_at, last_used_at) = (cells.at()?, cells.at()?);
    let user = users::get_user(connection, cells.id()?, cells.id()?)?;
    Ok(user.map(|user| StoredSession { user, created_at, last_used_at }))
}

pub(crate) fn delete_session(
    connection: &Connection,
    workspace: WorkspaceId,
    digest: &SessionDigest,
) -> SqlResult<()> {
    connection
        .prepare_cached("delete from sessions where workspace_id = ?1 and digest = ?2")?
        .execute((workspace.as_bytes(), digest))?;
    Ok(())
}

pub(crate) fn touch_sessions(connection: &Connection, seen: &[(SessionDigest, Timestamp)]) -> SqlResult<()> {
    let mut statement = connection
        .prepare_cached("update sessions set last_used_at = max(last_used_at, ?2) where digest = ?1")?;
    for (digest, at) in seen {
        statement.execute((digest, micros(*at)))?;
    }
    Ok(())
}

pub(crate) fn expire_sessions(
    connection: &Connection,
    begun_before: Timestamp,
    seen_before: Timestamp,
    limit: u32,
) -> SqlResult<()> {
    for (column, before) in [("created_at", begun_before), ("last_used_at", seen_before)] {
        let sql = format!(
            "delete from sessions where digest in (select digest from sessions where {column} <= ?1 limit ?2)"
        );
        connection.prepare_cached(&sql)?.execute((micros(before), limit))?;
    }
    Ok(())
}
