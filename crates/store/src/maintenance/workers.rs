//! Processes that use the database, and recovery of the leases of dead processes.

use domain::id::{MessageId, WorkerId, WorkspaceId};
use domain::messages::status::MessageStatus;
use engine::ports::RecentSend;
use jiff::{SignedDuration, Timestamp};
use rusqlite::{Connection, params};

use crate::error::SqlResult;
use crate::messages::terminate;
use crate::row::{Cells, micros};
use crate::webhooks_out::delivery_queues;

pub(crate) fn upsert_worker(
    connection: &Connection,
    worker: WorkerId,
    key_id: [u8; 4],
    now: Timestamp,
) -> SqlResult<()> {
    connection
        .prepare_cached(
            "insert into workers (id, heartbeat_at, secret_key_id) values (?1, ?2, ?3)
             on conflict (id) do update set heartbeat_at = excluded.heartbeat_at",
        )?
        .execute((worker.as_bytes(), micros(now), key_id))?;
    Ok(())
}

/// Deletes a worker, so that its absence is known without a timeout.
pub(crate) fn delete_worker(connection: &Connection, worker: WorkerId) -> SqlResult<()> {
    connection.prepare_cached("delete from workers where id = ?1")?.execute([worker.as_bytes()])?;
    Ok(())
}

/// Recovers the leases of workers without a heartbeat. Deletes workers without a heartbeat and without leases.
pub(crate) fn recover_leases(
    connection: &Connection,
    silent_since: Timestamp,
    now: Timestamp,
    limit: u32,
) -> SqlResult<u32> {
    let left = {
        let mut statement = connection.prepare_cached(
            "select m.workspace_id, m.id, m.status, m.mode = 'queue'
             from messages m left join workers w on w.id = m.worker_id
             where m.worker_id is not null and (w.heartbeat_at is null or w.heartbeat_at < ?1)
             limit ?2",
        )?;
        let mut rows = statement.query((micros(silent_since), limit))?;
        let mut left: Vec<(WorkspaceId, MessageId, MessageStatus, bool)> = Vec::new();
        while let Some(row) = rows.next()? {
            let mut cells = Cells::new("messages", row);
            left.push((cells.id()?, cells.id()?, cells.word()?, cells.flag()?));
        }
        left
    };
    delivery_queues::recover_leases(connection, silent_since, limit)?;
    let mut n_finished = 0;
    for (workspace, message, status, is_queued_mode) in left {
        terminate::recover_message(connection, workspace, message, (status, is_queued_mode), now)?;
        n_finished += 1;
    }
    connection
        .prepare_cached(
            "delete from workers
             where heartbeat_at < ?1 and not exists (select 1 from messages where worker_id = workers.id)",
        )?
        .execute(params![micros(silent_since)])?;
    Ok(n_finished)
}

/// Maximum number of messages that are read for recent sends: more than five minutes at the full rate of one number.
const MAX_SCANNED: u32 = 25_000;

/// Lists the messages that were sent since a time, among the last messages.
pub(crate) fn list_recent_sends(connection: &Connection, since: Timestamp) -> SqlResult<Vec<RecentSend>> {
    let mut statement = connection.prepare_cached(
        "select account_id, recipient, at from (
             select account_id, direction, n_attempts, coalesce(wa_id, bsuid) as recipient,
                    case mode when 'queue' then updated_at else created_at end as at
             from messages order by seq desc limit ?2)
         where direction = 'outbound' and n_attempts > 0 and recipient is not null and at >= ?1",
    )?;
    let mut rows = statement.query((micros(since), MAX_SCANNED))?;
    let mut departures = Vec::new();
    while let Some(row) = rows.next()? {
        let mut cells = Cells::new("messages", row);
        departures.push(RecentSend { account: cells.id()?, recipient: cells.get()?, at: cells.at()? });
    }
    Ok(departures)
}

/// Writes a row, to check that the database can be written.
pub(crate) fn probe_write(connection: &Connection, now: Timestamp) -> SqlResult<()> {
    connection
        .prepare_cached(
            "insert into revisions (name, value) values ('probe', ?1)
             on conflict (name) do update set value = excluded.value",
        )?
        .execute([micros(now)])?;
    Ok(())
}

/// Time without a heartbeat after which a process is dead.
pub(crate) const ENDED_AFTER: SignedDuration = SignedDuration::from_secs(10);

/// Returns the number of processes that use a database.
pub(crate) fn count_alive(connection: &Connection, now: Timestamp) -> rusqlite::Result<u32> {
    let since = now.saturating_sub(ENDED_AFTER).unwrap_or(Timestamp::MIN);
    connection
        .query_row("select count(*) from workers where heartbeat_at >= ?1", [micros(since)], |row| row.get(0))
}
