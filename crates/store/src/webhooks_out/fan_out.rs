//! Events are handed to the endpoints that want them: each becomes a delivery, in the queue of its person.
//!
//! **Invariant:** an event is handed out once: the cursor moves in the transaction that writes the deliveries.

use domain::access::audit::AuditEntry;
use domain::events::EventKind;
use domain::id::{ContactId, DeliveryId, ReplayId, WebhookId, WorkspaceId};
use domain::webhooks_out::delivery::LIFE;
use engine::ports::{NewReplay, StoredEvent};
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use crate::access::audit;
use crate::error::SqlResult;
use crate::events::log;
use crate::row::{Cells, micros};
use crate::webhooks_out::endpoints;
use crate::webhooks_out::endpoints::Listener;

/// An event, with what decides who gets it.
struct Found {
    event: StoredEvent,
    account: Option<[u8; 16]>,
    waba_id: Option<String>,
    contact: Option<[u8; 16]>,
}

impl Found {
    fn is_for(&self, listener: &Listener) -> bool {
        let account = self.account.map(domain::id::AccountId::from_bytes);
        // A test goes out by itself.
        self.event.kind != EventKind::WebhookTest
            && listener.filter.takes(self.event.kind, account, self.waba_id.as_deref())
    }

    /// The queue that keeps its order: of the person, or of what concerns nobody in particular.
    fn lane(&self, workspace: WorkspaceId) -> Vec<u8> {
        self.contact.unwrap_or(*workspace.as_bytes()).to_vec()
    }
}

fn find(
    connection: &Connection,
    workspace: WorkspaceId,
    (after, last): (i64, i64),
    limit: u32,
) -> SqlResult<Vec<Found>> {
    let mut statement = connection.prepare_cached(
        "select seq, kind, created_at, data, account_id, waba_id, contact_id from events
         where workspace_id = ?1 and seq > ?2 and seq <= ?3 order by seq limit ?4",
    )?;
    let mut rows = statement.query((workspace.as_bytes(), after, last, limit))?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let mut cells = Cells::new("events", row);
        found.push(Found {
            event: log::read(workspace, &mut cells)?,
            account: cells.get()?,
            waba_id: cells.get()?,
            contact: cells.get()?,
        });
    }
    Ok(found)
}

/// A delivery to write.
pub(crate) struct NewDelivery<'a> {
    pub(crate) workspace: WorkspaceId,
    pub(crate) webhook: WebhookId,
    pub(crate) event: i64,
    pub(crate) lane: &'a [u8],
    pub(crate) is_redelivery: bool,
    pub(crate) ends_at: Timestamp,
    pub(crate) now: Timestamp,
}

/// Writes a delivery at the end of its queue, and says at which position of the workspace's list.
pub(crate) fn put(connection: &Connection, new: &NewDelivery<'_>) -> SqlResult<i64> {
    let position: i64 = connection
        .prepare_cached("select coalesce(max(seq), 0) + 1 from deliveries where workspace_id = ?1")?
        .query_row([new.workspace.as_bytes()], |row| row.get(0))?;
    connection
        .prepare_cached(
            "insert into deliveries (
                 workspace_id, seq, webhook_id, event_seq, queue_key, is_redelivery, status, created_at, expires_at)
             values (?1, ?2, ?3, ?4, ?5, ?6, 'pending', ?7, ?8)",
        )?
        .execute(params![
            new.workspace.as_bytes(),
            position,
            new.webhook.as_bytes(),
            new.event,
            new.lane,
            new.is_redelivery,
            micros(new.now),
            micros(new.ends_at),
        ])?;
    connection
        .prepare_cached(
            "insert into delivery_queues (webhook_id, queue_key, workspace_id, n_failures, due_at) values (?1, ?2, ?3, 0, ?4)
             on conflict (webhook_id, queue_key) do nothing",
        )?
        .execute((new.webhook.as_bytes(), new.lane, new.workspace.as_bytes(), micros(new.now)))?;
    Ok(position)
}

fn ends_at(created_at: Timestamp) -> Timestamp {
    created_at.saturating_add(LIFE).unwrap_or(Timestamp::MAX)
}

/// Hands out the next events. Returns whether there are more.
pub(crate) fn spread(connection: &Connection, now: Timestamp, limit: u32) -> SqlResult<bool> {
    let mut has_more = repeat_past(connection, now, limit)?;
    for (workspace, cursor, end) in behind(connection)? {
        let listeners = endpoints::listeners(connection, workspace)?;
        // What came before the oldest endpoint concerns nobody.
        let start =
            listeners.iter().map(|listener| listener.after).min().map_or(end, |after| after.max(cursor));
        let found = find(connection, workspace, (start, end), limit)?;
        for found in &found {
            let wanted =
                |listener: &&Listener| listener.after < found.event.position && found.is_for(listener);
            for listener in listeners.iter().filter(wanted) {
                let new = NewDelivery {
                    workspace,
                    webhook: listener.id,
                    event: found.event.position,
                    lane: &found.lane(workspace),
                    is_redelivery: false,
                    ends_at: ends_at(found.event.at),
                    now,
                };
                put(connection, &new)?;
            }
        }
        let reached = found.last().map_or(end, |found| found.event.position);
        connection
            .prepare_cached(
                "insert into fan_out_cursors (workspace_id, seq) values (?1, ?2)
                 on conflict (workspace_id) do update set seq = excluded.seq",
            )?
            .execute((workspace.as_bytes(), reached))?;
        has_more |= reached < end;
    }
    Ok(has_more)
}

/// Workspaces with endpoints whose events were not all handed out: how far they were, and how far the log goes.
fn behind(connection: &Connection) -> SqlResult<Vec<(WorkspaceId, i64, i64)>> {
    let mut statement = connection.prepare_cached(
        "select w.workspace_id, coalesce((select seq from fan_out_cursors c where c.workspace_id = w.workspace_id), 0)
         from webhook_endpoints w where w.removed_at is null group by w.workspace_id",
    )?;
    let mut rows = statement.query(())?;
    let mut workspaces: Vec<(WorkspaceId, i64)> = Vec::new();
    while let Some(row) = rows.next()? {
        let mut cells = Cells::new("webhook_endpoints", row);
        workspaces.push((cells.id()?, cells.get()?));
    }
    let mut behind = Vec::new();
    for (workspace, cursor) in workspaces {
        let end = log::last(connection, workspace)?;
        if cursor < end {
            behind.push((workspace, cursor, end));
        }
    }
    Ok(behind)
}

/// Whether [`spread`] has something to do.
pub(crate) fn has_work(connection: &Connection) -> SqlResult<bool> {
    let has_past = connection
        .prepare_cached("select exists (select 1 from replays)")?
        .query_row((), |row| row.get::<_, bool>(0))?;
    Ok(has_past || !behind(connection)?.is_empty())
}

/// A wish for past events that is not worked off.
struct Replay {
    id: ReplayId,
    workspace: WorkspaceId,
    webhook: WebhookId,
    next: i64,
    last: i64,
}

fn repeat_past(connection: &Connection, now: Timestamp, limit: u32) -> SqlResult<bool> {
    let replays = {
        let mut statement = connection.prepare_cached(
            "select id, workspace_id, webhook_id, next_seq, last_seq from replays order by id",
        )?;
        let mut rows = statement.query(())?;
        let mut replays = Vec::new();
        while let Some(row) = rows.next()? {
            let mut cells = Cells::new("replays", row);
            replays.push(Replay {
                id: cells.id()?,
                workspace: cells.id()?,
                webhook: cells.id()?,
                next: cells.get()?,
                last: cells.get()?,
            });
        }
        replays
    };
    let mut has_more = false;
    for replay in replays {
        has_more |= repeat_some(connection, &replay, now, limit)?;
    }
    Ok(has_more)
}

fn repeat_some(connection: &Connection, replay: &Replay, now: Timestamp, limit: u32) -> SqlResult<bool> {
    let Replay { id, workspace, webhook, next, last } = *replay;
    let listeners = endpoints::listeners(connection, workspace)?;
    let found = find(connection, workspace, (next - 1, last), limit)?;
    let end = found.last().map(|found| found.event.position);
    if let Some(listener) = listeners.iter().find(|listener| listener.id == webhook) {
        for found in found.iter().filter(|found| found.is_for(listener)) {
            // A queue of its own for each person: beside the others, and in order.
            let lane = [id.as_bytes().as_slice(), &found.lane(workspace)].concat();
            let new = NewDelivery {
                workspace,
                webhook,
                event: found.event.position,
                lane: &lane,
                is_redelivery: true,
                ends_at: ends_at(now),
                now,
            };
            put(connection, &new)?;
        }
    }
    match end.filter(|end| *end < last) {
        Some(end) => {
            connection
                .prepare_cached("update replays set next_seq = ?2 where id = ?1")?
                .execute((id.as_bytes(), end + 1))?;
            Ok(true)
        }
        None => {
            connection.prepare_cached("delete from replays where id = ?1")?.execute([id.as_bytes()])?;
            Ok(false)
        }
    }
}

/// Asks for past events again. Returns how many are looked through.
pub(crate) fn replay(connection: &Connection, replay: &NewReplay, act: &AuditEntry) -> SqlResult<u64> {
    audit::write(connection, act)?;
    let NewReplay { id, workspace, webhook, since, now } = *replay;
    let first = log::first_since(connection, workspace, since)?;
    // What was not handed out yet comes by itself; what is older than the endpoint never does.
    let last: Option<i64> = connection
        .prepare_cached(
            "select max(after_seq, coalesce((select seq from fan_out_cursors c where c.workspace_id = ?1), 0))
             from webhook_endpoints where workspace_id = ?1 and id = ?2 and removed_at is null",
        )?
        .query_row((workspace.as_bytes(), webhook.as_bytes()), |row| row.get(0))
        .optional()?;
    let Some(last) = last else { return Ok(0) };
    if first > last {
        return Ok(0);
    }
    connection
        .prepare_cached(
            "insert into replays (id, workspace_id, webhook_id, next_seq, last_seq, created_at)
             values (?1, ?2, ?3, ?4, ?5, ?6)",
        )?
        .execute(params![
            id.as_bytes(),
            workspace.as_bytes(),
            webhook.as_bytes(),
            first,
            last,
            micros(now)
        ])?;
    Ok(u64::try_from(last - first + 1).unwrap_or_default())
}

/// Repeats a delivery beside its queue.
pub(crate) fn redeliver(
    connection: &Connection,
    workspace: WorkspaceId,
    delivery: i64,
    lane: ReplayId,
    act: &AuditEntry,
) -> SqlResult<Option<DeliveryId>> {
    let now = act.at;
    let mut statement = connection.prepare_cached(
        "select d.webhook_id, d.event_seq from deliveries d
         join webhook_endpoints w on w.id = d.webhook_id and w.removed_at is null
         join events e on e.workspace_id = d.workspace_id and e.seq = d.event_seq
         where d.workspace_id = ?1 and d.seq = ?2",
    )?;
    let mut rows = statement.query((workspace.as_bytes(), delivery))?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let mut cells = Cells::new("deliveries", row);
    let (webhook, event) = (cells.id()?, cells.get()?);
    let new = NewDelivery {
        workspace,
        webhook,
        event,
        lane: lane.as_bytes(),
        is_redelivery: true,
        ends_at: ends_at(now),
        now,
    };
    let position = put(connection, &new)?;
    audit::write(connection, act)?;
    Ok(Some(DeliveryId::at(workspace, position, now)))
}

/// Moves what waits for one person behind what waits for another: the two turned out to be one.
pub(crate) fn join_lanes(
    connection: &Connection,
    workspace: WorkspaceId,
    kept: ContactId,
    gone: ContactId,
) -> SqlResult<()> {
    let webhooks: Vec<[u8; 16]> = {
        let mut statement = connection.prepare_cached(
            "select id from webhook_endpoints where workspace_id = ?1 and removed_at is null",
        )?;
        let rows = statement.query_map([workspace.as_bytes()], |row| row.get(0))?;
        rows.collect::<Result<_, _>>()?
    };
    for webhook in webhooks {
        let keys = (webhook, kept.as_bytes(), gone.as_bytes());
        let n_rows = connection
            .prepare_cached(
                "update deliveries set queue_key = ?2
                 where webhook_id = ?1 and queue_key = ?3 and status in ('pending', 'failed')",
            )?
            .execute(keys)?;
        if n_rows == 0 {
            continue;
        }
        // What is under way in the queue that ends is settled by its position, wherever it waits.
        connection
            .prepare_cached(
                "insert into delivery_queues (webhook_id, queue_key, workspace_id, n_failures, due_at)
                 select webhook_id, ?2, workspace_id, n_failures, due_at from delivery_queues where webhook_id = ?1 and queue_key = ?3
                 on conflict (webhook_id, queue_key) do nothing",
            )?
            .execute(keys)?;
        connection
            .prepare_cached("delete from delivery_queues where webhook_id = ?1 and queue_key = ?2")?
            .execute((webhook, gone.as_bytes()))?;
    }
    Ok(())
}
