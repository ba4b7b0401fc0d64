//! Deliveries: the first delivery of each queue is leased when it is due, and finished with the endpoint's response.

use domain::access::audit::AuditEntry;
use domain::events::{EventKind, WebhookData};
use domain::id::{WebhookId, WorkspaceId};
use domain::webhooks_out::delivery::{
    DEAD_LETTER_AFTER, DISABLED_AFTER, DeliveryDecision, FAILING_AFTER_ATTEMPTS,
};
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use crate::access::audit;
use crate::error::SqlResult;
use crate::events::log;
use crate::events::log::About;
use crate::revisions;
use crate::row::{Cells, micros};
use crate::webhooks_out::delivery_queues::NewDelivery;
use crate::webhooks_out::{delivery_queues, fan_out};

use engine::ports::{
    DeliveryAttemptResult, DeliveryLease, DeliveryLeaseRequest, EndpointCapacity, LeasedDelivery,
    NewTestDelivery, PendingDeliveries,
};

/// Returns the pending work.
pub(crate) fn get_work(connection: &Connection, now: Timestamp) -> SqlResult<PendingDeliveries> {
    let mut statement = connection.prepare_cached(
        "select workspace_id, id from webhook_endpoints w
         where removed_at is null and is_enabled = 1 and status <> 'disabled'
           and exists (select 1 from delivery_queues l where l.webhook_id = w.id and l.worker_id is null and l.due_at <= ?1)",
    )?;
    let mut rows = statement.query([micros(now)])?;
    let mut due = Vec::new();
    while let Some(row) = rows.next()? {
        let mut cells = Cells::new("webhook_endpoints", row);
        due.push((cells.id()?, cells.id()?));
    }
    let has_expired = connection
        .prepare_cached(
            "select exists (
                 select 1 from deliveries where status in ('pending', 'failed') and expires_at <= ?1)",
        )?
        .query_row([micros(now)], |row| row.get::<_, bool>(0))?;
    Ok(PendingDeliveries {
        has_events: fan_out::has_work(connection)?,
        has_expired: has_expired || !list_closed(connection)?.is_empty(),
        due,
    })
}

/// Lists endpoints that are removed or disabled and have open deliveries.
fn list_closed(connection: &Connection) -> SqlResult<Vec<WebhookId>> {
    let mut statement = connection.prepare_cached(
        "select id from webhook_endpoints w where (status = 'disabled' or removed_at is not null)
           and exists (select 1 from delivery_queues l where l.webhook_id = w.id)",
    )?;
    let rows = statement.query_map((), |row| row.get(0))?;
    Ok(rows.collect::<Result<Vec<_>, _>>()?.into_iter().map(WebhookId::from_bytes).collect())
}

pub(crate) fn lease_due(
    connection: &Connection,
    request: &DeliveryLeaseRequest,
) -> SqlResult<Vec<LeasedDelivery>> {
    let mut leased = Vec::new();
    for EndpointCapacity { workspace, webhook, limit } in &request.capacities {
        for queue_key in delivery_queues::list_due(connection, (*workspace, *webhook), request.now, *limit)? {
            connection
                .prepare_cached(
                    "update delivery_queues set worker_id = ?3, lease_token = ?4 where webhook_id = ?1 and queue_key = ?2",
                )?
                .execute((webhook.as_bytes(), &queue_key, request.worker.as_bytes(), request.token.0))?;
            match delivery_queues::get_head(connection, (*workspace, *webhook), queue_key, request.token)? {
                Ok(found) => leased.push(found),
                Err(queue_key) => delivery_queues::delete_queue(connection, *webhook, &queue_key)?,
            }
        }
    }
    Ok(leased)
}

pub(crate) fn finish_attempt(
    connection: &Connection,
    lease: &DeliveryLease,
    end: &DeliveryAttemptResult,
) -> SqlResult<Option<LeasedDelivery>> {
    let status = match end.decision {
        DeliveryDecision::Succeeded => "succeeded",
        DeliveryDecision::Retry { .. } => "failed",
        DeliveryDecision::Dead | DeliveryDecision::Gone => "dead",
    };
    // A dead letter stays one, unless the endpoint accepted it.
    connection
        .prepare_cached(
            "update deliveries
             set status = case when status = 'dead' and ?3 <> 'succeeded' then status else ?3 end,
                 n_attempts = n_attempts + 1, http_status = ?4, latency_ms = ?5, last_attempt_at = ?7,
                 -- The response may repeat the event, and the contact may have been erased in the meantime.
                 response = case when exists (
                     select 1 from events e
                     where e.workspace_id = deliveries.workspace_id and e.seq = deliveries.event_seq
                       and e.erased_at is not null) then null else ?6 end
             where workspace_id = ?1 and seq = ?2",
        )?
        .execute(params![
            lease.workspace.as_bytes(),
            lease.position,
            status,
            end.http_status,
            end.latency_ms,
            end.response,
            micros(end.now),
        ])?;
    update_endpoint_health(connection, lease, end)?;
    let is_held = connection
        .prepare_cached(
            "select lease_token = ?3 from delivery_queues where webhook_id = ?1 and queue_key = ?2",
        )?
        .query_row((lease.webhook.as_bytes(), &lease.queue_key, lease.token.0), |row| {
            row.get::<_, Option<bool>>(0)
        })
        .optional()?;
    if is_held.flatten() != Some(true) {
        // Another worker has leased the queue and decides about it.
        return Ok(None);
    }
    let (n_failures_grow, due_at) = match end.decision {
        DeliveryDecision::Retry { at } => (true, at),
        DeliveryDecision::Succeeded | DeliveryDecision::Dead | DeliveryDecision::Gone => (false, end.now),
    };
    let lease_next = end.lease_next && !n_failures_grow && is_accepting(connection, lease)?;
    connection
        .prepare_cached(
            "update delivery_queues
             set n_failures = case when ?3 then n_failures + 1 else 0 end, due_at = ?4,
                 worker_id = case when ?5 then worker_id end, lease_token = case when ?5 then lease_token end
             where webhook_id = ?1 and queue_key = ?2",
        )?
        .execute((lease.webhook.as_bytes(), &lease.queue_key, n_failures_grow, micros(due_at), lease_next))?;
    if n_failures_grow {
        return Ok(None);
    }
    match delivery_queues::get_head(
        connection,
        (lease.workspace, lease.webhook),
        lease.queue_key.clone(),
        lease.token,
    )? {
        Ok(next) => Ok(Some(next).filter(|_| lease_next)),
        Err(queue_key) => {
            delivery_queues::delete_queue(connection, lease.webhook, &queue_key)?;
            Ok(None)
        }
    }
}

/// Returns `true` if the endpoint is enabled and not disabled by failures.
fn is_accepting(connection: &Connection, lease: &DeliveryLease) -> SqlResult<bool> {
    let mut statement = connection.prepare_cached(
        "select exists (
             select 1 from webhook_endpoints where workspace_id = ?1 and id = ?2 and removed_at is null and is_enabled = 1
               and status <> 'disabled')",
    )?;
    Ok(statement.query_row((lease.workspace.as_bytes(), lease.webhook.as_bytes()), |row| row.get(0))?)
}

/// Updates the health of the endpoint after an attempt.
fn update_endpoint_health(
    connection: &Connection,
    lease: &DeliveryLease,
    end: &DeliveryAttemptResult,
) -> SqlResult<()> {
    let key = (lease.workspace.as_bytes(), lease.webhook.as_bytes());
    if end.decision == DeliveryDecision::Succeeded {
        let n_rows = connection
            .prepare_cached(
                "update webhook_endpoints set n_failures = 0, failing_since = null, status = 'active'
                 where workspace_id = ?1 and id = ?2 and (n_failures > 0 or status = 'failing')
                   and status <> 'disabled'",
            )?
            .execute(key)?;
        return if n_rows > 0 { revisions::increment(connection, "directory") } else { Ok(()) };
    }
    let mut statement = connection.prepare_cached(
        "update webhook_endpoints set n_failures = n_failures + 1, failing_since = coalesce(failing_since, ?3)
         where workspace_id = ?1 and id = ?2 and removed_at is null and status <> 'disabled'
         returning n_failures, failing_since",
    )?;
    let mut rows = statement.query((key.0, key.1, micros(end.now)))?;
    let Some(row) = rows.next()? else { return Ok(()) };
    let mut cells = Cells::new("webhook_endpoints", row);
    let n_failures: u32 = cells.get()?;
    let failing_since = cells.at()?;
    drop(rows);
    if end.decision == DeliveryDecision::Gone {
        return disable_endpoint(connection, lease, "the endpoint returned 410 Gone", end.now);
    }
    if end.now.duration_since(failing_since) >= DISABLED_AFTER {
        return disable_endpoint(connection, lease, "the endpoint has failed for five days", end.now);
    }
    if n_failures == FAILING_AFTER_ATTEMPTS {
        connection
            .prepare_cached(
                "update webhook_endpoints set status = 'failing' where workspace_id = ?1 and id = ?2",
            )?
            .execute(key)?;
        revisions::increment(connection, "directory")?;
    }
    Ok(())
}

/// Disables an endpoint and emits an event to the other endpoints. Its open deliveries become dead letters in steps.
fn disable_endpoint(
    connection: &Connection,
    lease: &DeliveryLease,
    reason: &str,
    now: Timestamp,
) -> SqlResult<()> {
    let name: String = connection
        .prepare_cached(
            "update webhook_endpoints set status = 'disabled', status_reason = ?3
             where workspace_id = ?1 and id = ?2 returning name",
        )?
        .query_row((lease.workspace.as_bytes(), lease.webhook.as_bytes(), reason), |row| row.get(0))?;
    let data = WebhookData { webhook_id: lease.webhook, name: &name, reason: Some(reason) };
    let about = About::workspace(lease.workspace, now);
    log::emit(connection, &about, EventKind::WebhookDisabled, &data)?;
    revisions::increment(connection, "directory")
}

/// Turns expired deliveries, and the open deliveries of removed endpoints, into dead letters.
pub(crate) fn expire_deliveries(connection: &Connection, now: Timestamp, limit: u32) -> SqlResult<u32> {
    let mut ended = {
        let mut statement = connection.prepare_cached(
            "select workspace_id, seq, webhook_id, queue_key from deliveries
             where status in ('pending', 'failed') and expires_at <= ?1 limit ?2",
        )?;
        let mut rows = statement.query((micros(now), limit))?;
        read_open(&mut rows)?
    };
    for webhook in list_closed(connection)? {
        let mut statement = connection.prepare_cached(
            "select workspace_id, seq, webhook_id, queue_key from deliveries
             where webhook_id = ?1 and status in ('pending', 'failed') limit ?2",
        )?;
        let mut rows = statement.query((webhook.as_bytes(), limit))?;
        let found = read_open(&mut rows)?;
        if found.is_empty() {
            connection
                .prepare_cached("delete from delivery_queues where webhook_id = ?1")?
                .execute([webhook.as_bytes()])?;
        }
        ended.extend(found);
    }
    for (workspace, position, webhook, queue_key) in &ended {
        let was_head = delivery_queues::head_position(connection, *webhook, queue_key)? == Some(*position);
        delivery_queues::update_status(connection, (*workspace, *position), "dead")?;
        match delivery_queues::head_position(connection, *webhook, queue_key)? {
            None => {
                // The worker that has leased the queue deletes it.
                connection
                    .prepare_cached(
                        "delete from delivery_queues where webhook_id = ?1 and queue_key = ?2 and worker_id is null",
                    )?
                    .execute((webhook.as_bytes(), queue_key))?;
            }
            Some(_) if was_head => {
                connection
                    .prepare_cached(
                        "update delivery_queues set n_failures = 0, due_at = ?3
                         where webhook_id = ?1 and queue_key = ?2 and worker_id is null",
                    )?
                    .execute((webhook.as_bytes(), queue_key, micros(now)))?;
            }
            Some(_) => {}
        }
    }
    Ok(u32::try_from(ended.len()).unwrap_or(u32::MAX))
}

type OpenDelivery = (WorkspaceId, i64, WebhookId, Vec<u8>);

fn read_open(rows: &mut rusqlite::Rows<'_>) -> SqlResult<Vec<OpenDelivery>> {
    let mut ended = Vec::new();
    while let Some(row) = rows.next()? {
        let mut cells = Cells::new("deliveries", row);
        ended.push((cells.id()?, cells.get()?, cells.id()?, cells.get()?));
    }
    Ok(ended)
}

/// Inserts a test event and its delivery, and leases the delivery.
pub(crate) fn lease_test(
    connection: &Connection,
    new: NewTestDelivery,
    entry: &AuditEntry,
) -> SqlResult<Option<LeasedDelivery>> {
    let NewTestDelivery { workspace, webhook, worker, token, replay } = new;
    let now = entry.at;
    let name: Option<String> = connection
        .prepare_cached(
            "select name from webhook_endpoints where workspace_id = ?1 and id = ?2 and removed_at is null",
        )?
        .query_row((workspace.as_bytes(), webhook.as_bytes()), |row| row.get(0))
        .optional()?;
    let Some(name) = name else { return Ok(None) };
    let data = WebhookData { webhook_id: webhook, name: &name, reason: None };
    let about = About { webhook: Some(webhook), ..About::workspace(workspace, now) };
    let event = log::emit(connection, &about, EventKind::WebhookTest, &data)?;
    let queue_key = replay.as_bytes();
    let ends_at = now.saturating_add(DEAD_LETTER_AFTER).unwrap_or(Timestamp::MAX);
    let new = NewDelivery { workspace, webhook, event, queue_key, is_redelivery: false, ends_at, now };
    delivery_queues::insert_delivery(connection, &new)?;
    connection
        .prepare_cached(
            "update delivery_queues set worker_id = ?3, lease_token = ?4 where webhook_id = ?1 and queue_key = ?2",
        )?
        .execute((webhook.as_bytes(), queue_key, worker.as_bytes(), token.0))?;
    audit::insert_entry(connection, entry)?;
    Ok(delivery_queues::get_head(connection, (workspace, webhook), queue_key.to_vec(), token)?.ok())
}
