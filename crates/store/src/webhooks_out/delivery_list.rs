//! List of deliveries.

use domain::id::{DeliveryId, WorkspaceId};
use engine::ports::{DeliveryFilter, Page, PageRequest, StoredDelivery, StoredEvent};
use rusqlite::Connection;
use rusqlite::types::Value;

use crate::error::SqlResult;
use crate::row::Cells;
use crate::sqlite::page::{List, Order, bytes, text};

const COLUMNS: &str = "seq, webhook_id, is_redelivery, status, n_attempts, http_status, latency_ms, response, last_attempt_at, \
    created_at, event_seq, \
    (select l.due_at from delivery_queues l
     where l.webhook_id = deliveries.webhook_id and l.queue_key = deliveries.queue_key and l.worker_id is null
       and deliveries.status in ('pending', 'failed')
       and not exists (
           select 1 from deliveries d where d.webhook_id = deliveries.webhook_id and d.queue_key = deliveries.queue_key
             and d.status in ('pending', 'failed') and d.seq < deliveries.seq)), \
    (select e.kind from events e where e.workspace_id = deliveries.workspace_id and e.seq = deliveries.event_seq), \
    (select e.created_at from events e where e.workspace_id = deliveries.workspace_id and e.seq = deliveries.event_seq), \
    seq";

fn read(workspace: WorkspaceId, cells: &mut Cells<'_>) -> SqlResult<StoredDelivery> {
    let webhook = cells.id()?;
    let is_redelivery = cells.flag()?;
    let status = cells.word()?;
    let n_attempts = cells.get()?;
    let http_status = cells.get()?;
    let latency_ms = cells.get()?;
    let response = cells.get()?;
    let at = cells.opt_at()?;
    let created_at = cells.at()?;
    let event_position: i64 = cells.get()?;
    let next_attempt_at = cells.opt_at()?;
    let kind: Option<String> = cells.get()?;
    let event_at = cells.opt_at()?;
    let position = cells.get()?;
    let event = kind.zip(event_at).and_then(|(kind, at)| {
        let id = domain::id::EventId::at(workspace, event_position, at);
        Some(StoredEvent { position: event_position, id, kind: kind.parse().ok()?, at, data: String::new() })
    });
    Ok(StoredDelivery {
        id: DeliveryId::at(workspace, position, created_at),
        webhook,
        event,
        is_redelivery,
        status,
        n_attempts,
        http_status,
        latency_ms,
        response,
        at,
        next_attempt_at,
        created_at,
    })
}

pub(crate) fn list_deliveries(
    connection: &Connection,
    workspace: WorkspaceId,
    filter: &DeliveryFilter,
    page: PageRequest,
) -> SqlResult<Page<StoredDelivery>> {
    let mut list = List::of("deliveries", COLUMNS, Order::NewestFirst);
    list.with("workspace_id = ?", [bytes(workspace.as_bytes())]);
    if let Some(webhook) = &filter.webhook {
        list.with("webhook_id = ?", [bytes(webhook.as_bytes())]);
    }
    if let Some(status) = filter.status {
        list.with("status = ?", [text(status.as_str())]);
    }
    if let Some(position) = filter.position {
        list.with("seq = ?", [Value::Integer(position)]);
    }
    list.page(connection, page, |cells| read(workspace, cells))
}
