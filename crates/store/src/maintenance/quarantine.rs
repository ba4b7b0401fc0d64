//! A store that was restored from a copy: what its messages say is as old as the copy, and the original went on.
//!
//! **Invariant:** a message that may have left since the copy was made does not leave again by itself (I2).

use domain::id::{MessageId, WorkspaceId};
use domain::messages::message::MessageStatus;
use jiff::Timestamp;
use rusqlite::{Connection, params};

use crate::error::SqlResult;
use crate::messages::terminate;
use crate::row::{Cells, micros};

/// When the copy was made, as long as its messages are not settled.
pub(crate) fn get_backup_marker(connection: &Connection) -> SqlResult<Option<Timestamp>> {
    let mut statement =
        connection.prepare_cached("select created_at from backup_markers order by created_at limit 1")?;
    let mut rows = statement.query(())?;
    let Some(row) = rows.next()? else { return Ok(None) };
    Ok(Some(Cells::new("backup_markers", row).at()?))
}

/// Makes the next messages `unknown`; removes the mark once there are none.
///
/// What is due later stays: it would not have left before its time, neither here nor there.
pub(crate) fn quarantine_messages(connection: &Connection, now: Timestamp, limit: u32) -> SqlResult<u32> {
    let mut found = list_leased(connection, limit)?;
    let room = limit.saturating_sub(u32::try_from(found.len()).unwrap_or(u32::MAX));
    found.extend(list_due(connection, now, room)?);
    for (workspace, message) in &found {
        terminate::terminate(connection, *workspace, *message, (MessageStatus::Unknown, None), now)?;
    }
    if found.is_empty() {
        connection.prepare_cached("delete from backup_markers")?.execute(())?;
    }
    Ok(u32::try_from(found.len()).unwrap_or(u32::MAX))
}

type Found = Vec<(WorkspaceId, MessageId)>;

/// What a process held when the copy was made.
fn list_leased(connection: &Connection, limit: u32) -> SqlResult<Found> {
    let mut statement = connection.prepare_cached(
        "select workspace_id, id from messages
         where worker_id is not null and status in ('queued', 'sending') limit ?1",
    )?;
    read(&mut statement.query([limit])?)
}

/// What waited, and whose time came.
fn list_due(connection: &Connection, now: Timestamp, limit: u32) -> SqlResult<Found> {
    let mut statement = connection.prepare_cached(
        "select m.workspace_id, m.id from accounts a
         cross join messages m on m.account_id = a.id and m.status = 'queued' and m.worker_id is null
           and m.due_at <= ?1 and m.deferred_by is null
         union all
         select m.workspace_id, m.id from accounts a
         cross join messages m on m.account_id = a.id and m.status = 'queued' and m.worker_id is null
           and m.due_at <= ?1 and m.deferred_by is not null
         limit ?2",
    )?;
    read(&mut statement.query(params![micros(now), limit])?)
}

fn read(rows: &mut rusqlite::Rows<'_>) -> SqlResult<Found> {
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let mut cells = Cells::new("messages", row);
        found.push((cells.id()?, cells.id()?));
    }
    Ok(found)
}
