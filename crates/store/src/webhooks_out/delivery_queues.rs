//! Delivery queues: deliveries of one contact to one endpoint are attempted in order.
//!
//! **Invariant:** a queue has a row in `delivery_queues` exactly as long as it has an open delivery.
//!
//! **Invariant:** a queue is leased to one worker at a time.

use domain::id::{ContactId, WebhookId, WorkspaceId};
use domain::webhooks_out::delivery::DEAD_LETTER_AFTER;
use engine::ports::{DeliveryLease, LeaseToken, LeasedDelivery};
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use crate::error::SqlResult;
use crate::events::log;
use crate::row::{Cells, micros};

/// Lists due queues. First attempts come before retries: slow endpoints do not delay the other queues.
pub(crate) fn list_due(
    connection: &Connection,
    (workspace, webhook): (WorkspaceId, WebhookId),
    now: Timestamp,
    room: u32,
) -> SqlResult<Vec<Vec<u8>>> {
    let mut queue_keys: Vec<Vec<u8>> = Vec::new();
    for has_failed in [false, true] {
        let left = i64::from(room) - i64::try_from(queue_keys.len()).unwrap_or(i64::MAX);
        queue_keys.extend(list_due_where(connection, (workspace, webhook), has_failed, (now, left.max(0)))?);
    }
    Ok(queue_keys)
}

fn list_due_where(
    connection: &Connection,
    (workspace, webhook): (WorkspaceId, WebhookId),
    has_failed: bool,
    (now, room): (Timestamp, i64),
) -> SqlResult<Vec<Vec<u8>>> {
    let mut statement = connection.prepare_cached(
        "select l.queue_key from delivery_queues l
         join webhook_endpoints w on w.id = l.webhook_id
         where l.webhook_id = ?2 and l.worker_id is null and l.due_at <= ?3 and w.workspace_id = ?1
           and w.removed_at is null and w.is_enabled = 1 and w.status <> 'disabled'
           and (l.n_failures > 0) = ?5
         order by l.due_at limit ?4",
    )?;
    let rows = statement
        .query_map((workspace.as_bytes(), webhook.as_bytes(), micros(now), room, has_failed), |row| {
            row.get(0)
        })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Returns the first delivery of a leased queue, or the queue itself if it is empty.
pub(crate) fn get_head(
    connection: &Connection,
    (workspace, webhook): (WorkspaceId, WebhookId),
    queue_key: Vec<u8>,
    token: LeaseToken,
) -> SqlResult<Result<LeasedDelivery, Vec<u8>>> {
    loop {
        let mut statement = connection.prepare_cached(
            "select d.seq, d.is_redelivery, d.expires_at, d.event_seq, l.n_failures
             from deliveries d join delivery_queues l on l.webhook_id = d.webhook_id and l.queue_key = d.queue_key
             where d.webhook_id = ?1 and d.queue_key = ?2 and d.status in ('pending', 'failed') order by d.seq limit 1",
        )?;
        let mut rows = statement.query((webhook.as_bytes(), &queue_key))?;
        let Some(row) = rows.next()? else { return Ok(Err(queue_key)) };
        let mut cells = Cells::new("deliveries", row);
        let position: i64 = cells.get()?;
        let is_redelivery = cells.flag()?;
        let ends_at = cells.at()?;
        let event: i64 = cells.get()?;
        let n_failures = cells.get()?;
        if let Some(event) = log::get_event(connection, workspace, event)? {
            let lease = DeliveryLease { workspace, webhook, queue_key, position, token };
            return Ok(Ok(LeasedDelivery { lease, event, n_failures, ends_at, is_redelivery }));
        }
        // The event was deleted: there is nothing to deliver.
        update_status(connection, (workspace, position), "dead")?;
    }
}

pub(crate) fn update_status(connection: &Connection, key: (WorkspaceId, i64), status: &str) -> SqlResult<()> {
    connection
        .prepare_cached("update deliveries set status = ?3 where workspace_id = ?1 and seq = ?2")?
        .execute((key.0.as_bytes(), key.1, status))?;
    Ok(())
}

pub(crate) fn delete_queue(connection: &Connection, webhook: WebhookId, queue_key: &[u8]) -> SqlResult<()> {
    connection
        .prepare_cached("delete from delivery_queues where webhook_id = ?1 and queue_key = ?2")?
        .execute((webhook.as_bytes(), queue_key))?;
    Ok(())
}

pub(crate) fn head_position(
    connection: &Connection,
    webhook: WebhookId,
    queue_key: &[u8],
) -> SqlResult<Option<i64>> {
    let mut statement = connection.prepare_cached(
        "select seq from deliveries
         where webhook_id = ?1 and queue_key = ?2 and status in ('pending', 'failed') order by seq limit 1",
    )?;
    Ok(statement.query_row((webhook.as_bytes(), queue_key), |row| row.get(0)).optional()?)
}

/// Releases the queues of workers without a heartbeat.
pub(crate) fn recover_leases(connection: &Connection, silent_since: Timestamp, limit: u32) -> SqlResult<u32> {
    let n_rows = connection
        .prepare_cached(
            "update delivery_queues set worker_id = null, lease_token = null
             where (webhook_id, queue_key) in (
                 select l.webhook_id, l.queue_key from delivery_queues l left join workers w on w.id = l.worker_id
                 where l.worker_id is not null and (w.heartbeat_at is null or w.heartbeat_at < ?1) limit ?2)",
        )?
        .execute((micros(silent_since), limit))?;
    Ok(u32::try_from(n_rows).unwrap_or(u32::MAX))
}

/// Delivery to insert.
pub(crate) struct NewDelivery<'a> {
    pub(crate) workspace: WorkspaceId,
    pub(crate) webhook: WebhookId,
    pub(crate) event: i64,
    pub(crate) queue_key: &'a [u8],
    pub(crate) is_redelivery: bool,
    pub(crate) ends_at: Timestamp,
    pub(crate) now: Timestamp,
}

/// Inserts a delivery at the end of its queue, and returns its position in the workspace's list.
pub(crate) fn insert_delivery(connection: &Connection, new: &NewDelivery<'_>) -> SqlResult<i64> {
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
            new.queue_key,
            new.is_redelivery,
            micros(new.now),
            micros(new.ends_at),
        ])?;
    connection
        .prepare_cached(
            "insert into delivery_queues (webhook_id, queue_key, workspace_id, n_failures, due_at) values (?1, ?2, ?3, 0, ?4)
             on conflict (webhook_id, queue_key) do nothing",
        )?
        .execute((new.webhook.as_bytes(), new.queue_key, new.workspace.as_bytes(), micros(new.now)))?;
    Ok(position)
}

pub(crate) fn expires_at(created_at: Timestamp) -> Timestamp {
    created_at.saturating_add(DEAD_LETTER_AFTER).unwrap_or(Timestamp::MAX)
}

/// Appends the queues of one contact to the queues of another contact, when the two are merged.
pub(crate) fn merge_queues(
    connection: &Connection,
    workspace: WorkspaceId,
    target: ContactId,
    source: ContactId,
) -> SqlResult<()> {
    let webhooks: Vec<[u8; 16]> = {
        let mut statement = connection.prepare_cached(
            "select id from webhook_endpoints where workspace_id = ?1 and removed_at is null",
        )?;
        let rows = statement.query_map([workspace.as_bytes()], |row| row.get(0))?;
        rows.collect::<Result<_, _>>()?
    };
    for webhook in webhooks {
        let keys = (webhook, target.as_bytes(), source.as_bytes());
        let n_rows = connection
            .prepare_cached(
                "update deliveries set queue_key = ?2
                 where webhook_id = ?1 and queue_key = ?3 and status in ('pending', 'failed')",
            )?
            .execute(keys)?;
        if n_rows == 0 {
            continue;
        }
        // A delivery in progress is finished by its position, in either queue.
        connection
            .prepare_cached(
                "insert into delivery_queues (webhook_id, queue_key, workspace_id, n_failures, due_at)
                 select webhook_id, ?2, workspace_id, n_failures, due_at from delivery_queues where webhook_id = ?1 and queue_key = ?3
                 on conflict (webhook_id, queue_key) do nothing",
            )?
            .execute(keys)?;
        connection
            .prepare_cached("delete from delivery_queues where webhook_id = ?1 and queue_key = ?2")?
            .execute((webhook, source.as_bytes()))?;
    }
    Ok(())
}
