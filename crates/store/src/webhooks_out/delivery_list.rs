//! List of deliveries.

use domain::id::{DeliveryId, EventId, WebhookId, WorkspaceId};
use domain::webhooks_out::delivery::DeliveryStatus;
use engine::ports::{DeliveryFilter, Page, PageRequest, StoredDelivery, StoredEvent};
use jiff::Timestamp;
use rusqlite::Connection;
use rusqlite::types::Value;

use crate::error::SqlResult;
use crate::row::{Cells, row};
use crate::sqlite::page::{ListQuery, Order, bytes, text};

row! {
    struct DeliveryRow {
        position: i64 = get "seq",
        webhook: WebhookId = id "webhook_id",
        is_redelivery: bool = flag "is_redelivery",
        status: DeliveryStatus = parsed "status",
        n_attempts: u32 = get "n_attempts",
        http_status: Option<u16> = get "http_status",
        latency_ms: Option<u32> = get "latency_ms",
        response: Option<String> = get "response",
        reason: Option<String> = get "reason",
        last_attempt_at: Option<Timestamp> = opt_at "last_attempt_at",
        created_at: Timestamp = at "created_at",
        next_attempt_at: Option<Timestamp> = opt_at "
            (select q.due_at from delivery_queues q
             where q.webhook_id = deliveries.webhook_id and q.queue_key = deliveries.queue_key and q.worker_id is null
               and deliveries.status in ('pending', 'failed')
               and not exists (
                   select 1 from deliveries d
                   where d.webhook_id = deliveries.webhook_id and d.queue_key = deliveries.queue_key
                     and d.status in ('pending', 'failed') and d.seq < deliveries.seq))",
        event_position: i64 = get "event_seq",
        event_kind: Option<String> = get "
            (select e.kind from events e
             where e.workspace_id = deliveries.workspace_id and e.seq = deliveries.event_seq)",
        event_created_at: Option<Timestamp> = opt_at "
            (select e.created_at from events e
             where e.workspace_id = deliveries.workspace_id and e.seq = deliveries.event_seq)",
    }
}

fn read(workspace: WorkspaceId, cells: &mut Cells<'_>) -> SqlResult<StoredDelivery> {
    let row = DeliveryRow::read(cells)?;
    let position = row.event_position;
    let event = row.event_kind.zip(row.event_created_at).and_then(|(kind, at)| {
        let id = EventId::at(workspace, position, at);
        Some(StoredEvent { position, id, kind: kind.parse().ok()?, at, data: String::new(), is_test: false })
    });
    Ok(StoredDelivery {
        id: DeliveryId::at(workspace, row.position, row.created_at),
        webhook: row.webhook,
        event,
        is_redelivery: row.is_redelivery,
        status: row.status,
        n_attempts: row.n_attempts,
        http_status: row.http_status,
        latency_ms: row.latency_ms,
        response: row.response,
        reason: row.reason,
        at: row.last_attempt_at,
        next_attempt_at: row.next_attempt_at,
        created_at: row.created_at,
    })
}

pub(crate) fn list_deliveries(
    connection: &Connection,
    workspace: WorkspaceId,
    filter: &DeliveryFilter,
    page: PageRequest,
) -> SqlResult<Page<StoredDelivery>> {
    let mut list = ListQuery::new("deliveries", DeliveryRow::COLUMNS, Order::NewestFirst);
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
    list.read_page(connection, page, |cells| read(workspace, cells))
}
