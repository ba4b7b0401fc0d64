//! The processes at work, and what dead ones left behind.

use domain::id::{MessageId, WorkerId, WorkspaceId};
use domain::messages::message::MessageStatus;
use engine::ports::Departure;
use jiff::Timestamp;
use rusqlite::{Connection, params};

use crate::error::SqlResult;
use crate::messages::finish;
use crate::row::{Cells, micros};
use crate::webhooks_out::deliveries;

pub(crate) fn heartbeat(
    connection: &Connection,
    worker: WorkerId,
    key_id: [u8; 4],
    now: Timestamp,
) -> SqlResult<()> {
    connection
        .prepare_cached(
            "insert into workers (id, started_at, heartbeat_at, secret_key_id) values (?1, ?2, ?2, ?3)
             on conflict (id) do update set heartbeat_at = excluded.heartbeat_at",
        )?
        .execute((worker.as_bytes(), micros(now), key_id))?;
    Ok(())
}

/// Forgets a worker: nobody has to wait until it was silent for long.
pub(crate) fn farewell(connection: &Connection, worker: WorkerId) -> SqlResult<()> {
    connection.prepare_cached("delete from workers where id = ?1")?.execute([worker.as_bytes()])?;
    Ok(())
}

/// Settles what silent workers held. A worker that holds nothing and was silent for long is forgotten.
pub(crate) fn recover(
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
    deliveries::recover(connection, silent_since, limit)?;
    let mut n_settled = 0;
    for (workspace, message, status, is_of_queue) in left {
        finish::abandon(connection, workspace, message, (status, is_of_queue), now)?;
        n_settled += 1;
    }
    connection
        .prepare_cached(
            "delete from workers
             where heartbeat_at < ?1 and not exists (select 1 from messages where worker_id = workers.id)",
        )?
        .execute(params![micros(silent_since)])?;
    Ok(n_settled)
}

/// How many messages are looked at for departures: more than five minutes of one number's full pace.
const LOOKED_AT: u32 = 25_000;

/// What left since a time, among the last messages.
pub(crate) fn departures(connection: &Connection, since: Timestamp) -> SqlResult<Vec<Departure>> {
    let mut statement = connection.prepare_cached(
        "select account_id, recipient, at from (
             select account_id, direction, n_attempts, coalesce(wa_id, bsuid) as recipient,
                    case mode when 'queue' then updated_at else created_at end as at
             from messages order by seq desc limit ?2)
         where direction = 'outbound' and n_attempts > 0 and recipient is not null and at >= ?1",
    )?;
    let mut rows = statement.query((micros(since), LOOKED_AT))?;
    let mut departures = Vec::new();
    while let Some(row) = rows.next()? {
        let mut cells = Cells::new("messages", row);
        departures.push(Departure { account: cells.id()?, recipient: cells.get()?, at: cells.at()? });
    }
    Ok(departures)
}

/// Writes something, to know that it can be done.
pub(crate) fn probe(connection: &Connection, now: Timestamp) -> SqlResult<()> {
    connection
        .prepare_cached(
            "insert into revisions (name, value) values ('probe', ?1)
             on conflict (name) do update set value = excluded.value",
        )?
        .execute([micros(now)])?;
    Ok(())
}
