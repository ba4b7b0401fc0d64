//! The processes at work, and what dead ones left behind.

use domain::id::{MessageId, WorkerId, WorkspaceId};
use domain::message::Status;
use jiff::Timestamp;
use rusqlite::{Connection, params};

use super::settle;
use crate::error::SqlResult;
use crate::row::{Cells, micros};

pub(super) fn heartbeat(connection: &Connection, worker: WorkerId, now: Timestamp) -> SqlResult<()> {
    connection
        .prepare_cached(
            "insert into workers (id, started_at, seen_at) values (?1, ?2, ?2)
             on conflict (id) do update set seen_at = excluded.seen_at",
        )?
        .execute((worker.as_bytes(), micros(now)))?;
    Ok(())
}

/// Settles what silent workers held. A worker that holds nothing and was silent for long is forgotten.
pub(super) fn recover(
    connection: &Connection,
    silent_since: Timestamp,
    now: Timestamp,
    limit: u32,
) -> SqlResult<u32> {
    let left = {
        let mut statement = connection.prepare_cached(
            "select m.workspace_id, m.id, m.status, m.mode = 'queue'
             from messages m left join workers w on w.id = m.worker_id
             where m.worker_id is not null and (w.seen_at is null or w.seen_at < ?1)
             limit ?2",
        )?;
        let mut rows = statement.query((micros(silent_since), limit))?;
        let mut left: Vec<(WorkspaceId, MessageId, Status, bool)> = Vec::new();
        while let Some(row) = rows.next()? {
            let mut cells = Cells::new("messages", row);
            left.push((cells.id()?, cells.id()?, cells.word()?, cells.flag()?));
        }
        left
    };
    let mut n_settled = 0;
    for (workspace, message, status, is_of_queue) in left {
        settle::abandon(connection, workspace, message, (status, is_of_queue), now)?;
        n_settled += 1;
    }
    connection
        .prepare_cached(
            "delete from workers
             where seen_at < ?1 and not exists (select 1 from messages where worker_id = workers.id)",
        )?
        .execute(params![micros(silent_since)])?;
    Ok(n_settled)
}

/// Writes something, to know that it can be done.
pub(super) fn probe(connection: &Connection, now: Timestamp) -> SqlResult<()> {
    connection
        .prepare_cached(
            "insert into revisions (name, value) values ('probe', ?1)
             on conflict (name) do update set value = excluded.value",
        )?
        .execute([micros(now)])?;
    Ok(())
}
