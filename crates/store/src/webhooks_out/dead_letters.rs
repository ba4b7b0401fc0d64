//! Dead letters: deliveries that expired, whose endpoint was disabled or deleted, or that a user skipped.
//!
//! **Invariant:** the next delivery of the queue is due as soon as the head is a dead letter. If an attempt to deliver the
//! head is in progress, the next delivery is due after the attempt.

use domain::access::audit::AuditEntry;
use domain::id::{WebhookId, WorkspaceId};
use domain::webhooks_out::delivery::DeadLetterReason;
use jiff::Timestamp;
use rusqlite::{Connection, Params};

use crate::access::audit;
use crate::error::SqlResult;
use crate::row::{Cells, micros, row};
use crate::sqlite::execute::Execute as _;
use crate::webhooks_out::delivery_queues;

/// Turns expired deliveries, and the open deliveries of disabled and removed endpoints, into dead letters.
pub(crate) fn expire_deliveries(connection: &Connection, now: Timestamp, limit: u32) -> SqlResult<u32> {
    let mut n_expired = 0;
    for delivery in list_open(connection, "expires_at <= ?1 limit ?2", (micros(now), limit))? {
        end_delivery(connection, &delivery, DeadLetterReason::Expired, now)?;
        n_expired += 1;
    }
    for webhook in list_closed(connection)? {
        let open = list_open(connection, "webhook_id = ?1 limit ?2", (webhook.as_bytes(), limit))?;
        if open.is_empty() {
            // The last delivery may have been finished since the queue was written.
            connection
                .prepare_cached("delete from delivery_queues where webhook_id = ?1")?
                .execute_any([webhook.as_bytes()])?;
        }
        for delivery in open {
            end_delivery(connection, &delivery, DeadLetterReason::EndpointClosed, now)?;
            n_expired += 1;
        }
    }
    Ok(n_expired)
}

/// Turns an open delivery into a dead letter because a user skipped it. Returns `false` if the delivery is not open.
pub(crate) fn finish_skipped_delivery(
    connection: &Connection,
    workspace: WorkspaceId,
    position: i64,
    entry: &AuditEntry,
) -> SqlResult<bool> {
    let open = list_open(connection, "workspace_id = ?1 and seq = ?2", (workspace.as_bytes(), position))?;
    let Some(delivery) = open.first() else { return Ok(false) };
    end_delivery(connection, delivery, DeadLetterReason::Skipped, entry.at)?;
    audit::insert_entry(connection, entry)?;
    Ok(true)
}

/// Lists endpoints that are removed or disabled and have open deliveries.
pub(crate) fn list_closed(connection: &Connection) -> SqlResult<Vec<WebhookId>> {
    let mut statement = connection.prepare_cached(
        "select id from webhook_endpoints w where (status = 'disabled' or removed_at is not null)
           and exists (select 1 from delivery_queues q where q.webhook_id = w.id)",
    )?;
    let rows = statement.query_map((), |row| row.get(0))?;
    Ok(rows.collect::<Result<Vec<_>, _>>()?.into_iter().map(WebhookId::from_bytes).collect())
}

row! {
    /// Open delivery.
    struct OpenDeliveryRow {
        workspace: WorkspaceId = id "workspace_id",
        position: i64 = get "seq",
        webhook: WebhookId = id "webhook_id",
        queue_key: Vec<u8> = get "queue_key",
    }
}

/// Lists the open deliveries that match a condition.
fn list_open(
    connection: &Connection,
    condition: &str,
    parameters: impl Params,
) -> SqlResult<Vec<OpenDeliveryRow>> {
    let mut statement = connection.prepare_cached(&format!(
        "select {} from deliveries where status in ('pending', 'failed') and {condition}",
        OpenDeliveryRow::COLUMNS
    ))?;
    let mut rows = statement.query(parameters)?;
    let mut open = Vec::new();
    while let Some(row) = rows.next()? {
        open.push(OpenDeliveryRow::read(&mut Cells::new("deliveries", row))?);
    }
    Ok(open)
}

/// Turns a delivery into a dead letter. The next delivery of its queue is due at once.
fn end_delivery(
    connection: &Connection,
    delivery: &OpenDeliveryRow,
    reason: DeadLetterReason,
    now: Timestamp,
) -> SqlResult<()> {
    let OpenDeliveryRow { workspace, position, webhook, queue_key } = delivery;
    let was_head = delivery_queues::head_position(connection, *webhook, queue_key)? == Some(*position);
    delivery_queues::update_dead(connection, *workspace, *position, reason)?;
    // A leased queue continues, or is deleted, when its attempt ends.
    match delivery_queues::head_position(connection, *webhook, queue_key)? {
        None => connection
            .prepare_cached(
                "delete from delivery_queues where webhook_id = ?1 and queue_key = ?2 and worker_id is null",
            )?
            .execute_any((webhook.as_bytes(), queue_key)),
        Some(_) if was_head => connection
            .prepare_cached(
                "update delivery_queues set priority = 0, due_at = ?3
                 where webhook_id = ?1 and queue_key = ?2",
            )?
            .execute_any((webhook.as_bytes(), queue_key, micros(now))),
        Some(_) => Ok(()),
    }
}
