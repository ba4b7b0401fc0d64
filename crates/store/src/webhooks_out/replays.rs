//! Replays of past events and redeliveries.

use domain::access::audit::AuditEntry;
use domain::id::{DeliveryId, ReplayId, WebhookId, WorkspaceId};
use engine::ports::NewReplay;
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension};

use crate::access::audit;
use crate::error::SqlResult;
use crate::events::log;
use crate::row::{SelectRow as _, row};
use crate::sqlite::execute::Execute as _;
use crate::webhooks_out::delivery_queues::NewDelivery;
use crate::webhooks_out::{delivery_queues, endpoints, routed_events};

row! {
    /// Replay that is not finished.
    struct ReplayRow {
        id: ReplayId = id "id",
        workspace: WorkspaceId = id "workspace_id",
        webhook: WebhookId = id "webhook_id",
        next: i64 = get "next_seq",
        last: i64 = get "last_seq",
    } from "replays order by id"
}

/// Fans out the next events of each replay. Returns `true` if there are more.
pub(crate) fn fan_out_replays(connection: &Connection, now: Timestamp, limit: u32) -> SqlResult<bool> {
    let replays = ReplayRow::list(connection, ())?;
    let mut has_more = false;
    for replay in replays {
        has_more |= fan_out_replay(connection, &replay, now, limit)?;
    }
    Ok(has_more)
}

fn fan_out_replay(
    connection: &Connection,
    replay: &ReplayRow,
    now: Timestamp,
    limit: u32,
) -> SqlResult<bool> {
    let ReplayRow { id, workspace, webhook, next, last } = *replay;
    let endpoints = endpoints::list_filters(connection, workspace)?;
    let found = routed_events::list_routed(connection, workspace, next - 1, last, limit)?;
    let end = found.last().map(|found| found.event.position);
    if let Some(endpoint) = endpoints.iter().find(|endpoint| endpoint.id == webhook) {
        for found in found.iter().filter(|found| found.is_for(endpoint)) {
            // A separate queue for each contact: beside the other queues, and in order.
            let queue_key = [id.as_bytes().as_slice(), &found.queue_key(workspace)].concat();
            let new = NewDelivery {
                workspace,
                webhook,
                event: found.event.position,
                queue_key: &queue_key,
                is_redelivery: true,
                expires_at: delivery_queues::expires_at(now),
                now,
            };
            delivery_queues::insert_delivery(connection, &new)?;
        }
    }
    match end.filter(|end| *end < last) {
        Some(end) => {
            connection
                .prepare_cached("update replays set next_seq = ?2 where id = ?1")?
                .execute_one((id.as_bytes(), end + 1))?;
            Ok(true)
        }
        None => {
            connection.prepare_cached("delete from replays where id = ?1")?.execute_one([id.as_bytes()])?;
            Ok(false)
        }
    }
}

/// Inserts a replay of past events. Returns the number of events that it reads.
pub(crate) fn insert_replay(
    connection: &Connection,
    replay: &NewReplay,
    entry: &AuditEntry,
) -> SqlResult<u64> {
    audit::insert_entry(connection, entry)?;
    let NewReplay { id, workspace, webhook, since } = *replay;
    let first = log::first_position_since(connection, workspace, since)?;
    // Events that are not fanned out yet are delivered anyway. Events from before the endpoint are never delivered.
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
            "insert into replays (id, workspace_id, webhook_id, next_seq, last_seq) values (?1, ?2, ?3, ?4, ?5)",
        )?
        .execute_one((id.as_bytes(), workspace.as_bytes(), webhook.as_bytes(), first, last))?;
    Ok(u64::try_from(last - first + 1).unwrap_or_default())
}

row! {
    /// Delivery whose endpoint and event exist.
    struct RedeliverableRow {
        webhook: WebhookId = id "d.webhook_id",
        event: i64 = get "d.event_seq",
    } from "deliveries d
        join webhook_endpoints w on w.id = d.webhook_id and w.removed_at is null
        join events e on e.workspace_id = d.workspace_id and e.seq = d.event_seq
        where d.workspace_id = ?1 and d.seq = ?2"
}

/// Inserts a redelivery in a separate queue.
pub(crate) fn insert_redelivery(
    connection: &Connection,
    workspace: WorkspaceId,
    delivery: i64,
    queue_key: ReplayId,
    entry: &AuditEntry,
) -> SqlResult<Option<DeliveryId>> {
    let now = entry.at;
    let Some(row) = RedeliverableRow::find(connection, (workspace.as_bytes(), delivery))? else {
        return Ok(None);
    };
    let new = NewDelivery {
        workspace,
        webhook: row.webhook,
        event: row.event,
        queue_key: queue_key.as_bytes(),
        is_redelivery: true,
        expires_at: delivery_queues::expires_at(now),
        now,
    };
    let position = delivery_queues::insert_delivery(connection, &new)?;
    audit::insert_entry(connection, entry)?;
    Ok(Some(DeliveryId::at(workspace, position, now)))
}
