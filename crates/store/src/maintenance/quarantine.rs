//! Quarantine of messages after a restore: the messages have the state of the backup, and the original database may have
//! sent them after the backup.
//!
//! **Invariant:** a message that may have been sent since the backup is not sent again automatically (I2).

use domain::id::{MessageId, WorkspaceId};
use domain::messages::status::MessageStatus;
use jiff::Timestamp;
use rusqlite::{Connection, params};

use crate::error::SqlResult;
use crate::messages::terminate;
use crate::messages::terminate::FinalState;
use crate::row::{Cells, micros, row};
use crate::sqlite::execute::Execute as _;

/// Returns the creation time of the restored backup, until its messages are quarantined.
pub(crate) fn get_backup_marker(connection: &Connection) -> SqlResult<Option<Timestamp>> {
    let mut statement =
        connection.prepare_cached("select created_at from backup_markers order by created_at limit 1")?;
    let mut rows = statement.query(())?;
    let Some(row) = rows.next()? else { return Ok(None) };
    Ok(Some(Cells::new("backup_markers", row).at()?))
}

/// Sets the next messages to `unknown`. Deletes the marker when no messages are left.
///
/// Messages that are due later stay queued: the original database has not sent them either.
pub(crate) fn quarantine_messages(connection: &Connection, now: Timestamp, limit: u32) -> SqlResult<u32> {
    let mut found = list_leased(connection, limit)?;
    let remaining = limit.saturating_sub(u32::try_from(found.len()).unwrap_or(u32::MAX));
    found.extend(list_due(connection, now, remaining)?);
    for QuarantineRow { workspace, message } in &found {
        terminate::terminate(connection, *workspace, *message, FinalState::of(MessageStatus::Unknown), now)?;
    }
    if found.is_empty() {
        connection.prepare_cached("delete from backup_markers")?.execute_any(())?;
    }
    Ok(u32::try_from(found.len()).unwrap_or(u32::MAX))
}

row! {
    struct QuarantineRow {
        workspace: WorkspaceId = id "m.workspace_id",
        message: MessageId = id "m.id",
    }
}

/// Lists the messages that were leased when the backup was created.
fn list_leased(connection: &Connection, limit: u32) -> SqlResult<Vec<QuarantineRow>> {
    let mut statement = connection.prepare_cached(&format!(
        "select {} from messages m where m.worker_id is not null and m.status in ('queued', 'sending') limit ?1",
        QuarantineRow::COLUMNS
    ))?;
    read(&mut statement.query([limit])?)
}

/// Lists the queued messages that are due.
fn list_due(connection: &Connection, now: Timestamp, limit: u32) -> SqlResult<Vec<QuarantineRow>> {
    let columns = QuarantineRow::COLUMNS;
    let mut statement = connection.prepare_cached(&format!(
        "select {columns} from accounts a
         cross join messages m on m.account_id = a.id and m.status = 'queued' and m.worker_id is null
           and m.due_at <= ?1 and m.deferred_by is null
         union all
         select {columns} from accounts a
         cross join messages m on m.account_id = a.id and m.status = 'queued' and m.worker_id is null
           and m.due_at <= ?1 and m.deferred_by is not null
         limit ?2"
    ))?;
    read(&mut statement.query(params![micros(now), limit])?)
}

fn read(rows: &mut rusqlite::Rows<'_>) -> SqlResult<Vec<QuarantineRow>> {
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(QuarantineRow::read(&mut Cells::new("messages", row))?);
    }
    Ok(found)
}
