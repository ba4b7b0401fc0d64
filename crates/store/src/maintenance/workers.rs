//! Processes that use the database, and recovery of the leases of dead processes.

use domain::id::WorkerId;
use engine::ports::RecentSend;
use jiff::{SignedDuration, Timestamp};
use rusqlite::Connection;

use crate::error::SqlResult;
use crate::messages::terminate;
use crate::messages::terminate::LeasedRow;
use crate::row::{Cells, SelectRow as _, columns, micros};
use crate::sqlite::execute::Execute as _;
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
        .execute_one((worker.as_bytes(), micros(now), key_id))
}

/// Deletes a worker, so that the other processes need no timeout to recover its leases.
pub(crate) fn delete_worker(connection: &Connection, worker: WorkerId) -> SqlResult<()> {
    connection.prepare_cached("delete from workers where id = ?1")?.execute_any([worker.as_bytes()])
}

/// Recovers the leases of workers without a heartbeat. Deletes workers without a heartbeat and without leases.
pub(crate) fn recover_leases(
    connection: &Connection,
    silent_since: Timestamp,
    now: Timestamp,
    limit: u32,
) -> SqlResult<u32> {
    let rows = LeasedRow::list(connection, (micros(silent_since), limit))?;
    delivery_queues::recover_leases(connection, silent_since, limit)?;
    let mut n_finished = 0;
    for leased in rows {
        terminate::recover_message(connection, &leased, now)?;
        n_finished += 1;
    }
    connection
        .prepare_cached(
            "delete from workers
             where heartbeat_at < ?1 and not exists (select 1 from messages where worker_id = workers.id)",
        )?
        .execute_any([micros(silent_since)])?;
    Ok(n_finished)
}

/// Maximum number of messages that are read for recent sends: more than five minutes at the full rate of one number.
const MAX_SCANNED: u32 = 25_000;

columns! {
    RECENT_SENDS, read_recent_send -> RecentSend {
        account: id "account_id",
        recipient: get "recipient",
        at: at "at",
    }
}

/// Lists the messages that were sent since a time, among the last messages.
pub(crate) fn list_recent_sends(connection: &Connection, since: Timestamp) -> SqlResult<Vec<RecentSend>> {
    let mut statement = connection.prepare_cached(&format!(
        "select {RECENT_SENDS} from (
             select account_id, direction, n_attempts, coalesce(wa_id, bsuid) as recipient,
                    case mode when 'queue' then updated_at else created_at end as at
             from messages order by seq desc limit ?2)
         where direction = 'outbound' and n_attempts > 0 and recipient is not null and at >= ?1"
    ))?;
    let mut rows = statement.query((micros(since), MAX_SCANNED))?;
    let mut sends = Vec::new();
    while let Some(row) = rows.next()? {
        sends.push(read_recent_send(&mut Cells::new("messages", row))?);
    }
    Ok(sends)
}

/// Writes a row, to check that the database can be written.
pub(crate) fn probe_write(connection: &Connection, now: Timestamp) -> SqlResult<()> {
    connection
        .prepare_cached(
            "insert into revisions (name, value) values ('probe', ?1)
             on conflict (name) do update set value = excluded.value",
        )?
        .execute_one([micros(now)])
}

/// Time without a heartbeat after which a process is dead.
pub(crate) const ENDED_AFTER: SignedDuration = SignedDuration::from_secs(10);

/// Returns the number of processes that use a database.
pub(crate) fn count_alive(connection: &Connection, now: Timestamp) -> rusqlite::Result<u32> {
    let since = now.saturating_sub(ENDED_AFTER).unwrap_or(Timestamp::MIN);
    connection
        .query_row("select count(*) from workers where heartbeat_at >= ?1", [micros(since)], |row| row.get(0))
}
