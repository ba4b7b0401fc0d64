//! Deliveries: the first delivery of each queue is leased when it is due, and finished with the endpoint's response.

use domain::access::audit::AuditEntry;
use domain::events::{EventKind, WebhookData};
use domain::id::{WebhookId, WorkspaceId};
use domain::webhooks_out::delivery::{DISABLED_AFTER, DeliveryDecision, FAILING_AFTER_ATTEMPTS};
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use crate::access::audit;
use crate::error::SqlResult;
use crate::events::log;
use crate::events::log::About;
use crate::revisions;
use crate::row::{Cells, SelectRow as _, micros, row};
use crate::sqlite::execute::Execute as _;
use crate::webhooks_out::delivery_queues::{DueQueues, NewDelivery, QueueLease};
use crate::webhooks_out::{delivery_queues, fan_out};

use engine::ports::{
    DeliveryAttemptResult, DeliveryLease, DeliveryLeaseRequest, EndpointCapacity, LeasedDelivery,
    NewTestDelivery, PendingDeliveries,
};

row! {
    struct DueEndpointRow {
        workspace: WorkspaceId = id "workspace_id",
        webhook: WebhookId = id "id",
    } from "webhook_endpoints w
        where removed_at is null and is_enabled = 1 and status <> 'disabled'
          and exists (
              select 1 from delivery_queues q where q.webhook_id = w.id and q.worker_id is null and q.due_at <= ?1)"
}

/// Returns the pending work.
pub(crate) fn get_pending(connection: &Connection, now: Timestamp) -> SqlResult<PendingDeliveries> {
    let due = DueEndpointRow::list(connection, [micros(now)])?;
    let has_expired = connection
        .prepare_cached(
            "select exists (
                 select 1 from deliveries where status in ('pending', 'failed') and expires_at <= ?1)",
        )?
        .query_row([micros(now)], |row| row.get::<_, bool>(0))?;
    Ok(PendingDeliveries {
        has_events: fan_out::has_work(connection)?,
        has_expired: has_expired || !list_closed(connection)?.is_empty(),
        due: due.into_iter().map(|row| (row.workspace, row.webhook)).collect(),
    })
}

/// Lists endpoints that are removed or disabled and have open deliveries.
fn list_closed(connection: &Connection) -> SqlResult<Vec<WebhookId>> {
    let mut statement = connection.prepare_cached(
        "select id from webhook_endpoints w where (status = 'disabled' or removed_at is not null)
           and exists (select 1 from delivery_queues q where q.webhook_id = w.id)",
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
        let due = DueQueues { workspace: *workspace, webhook: *webhook, now: request.now, limit: *limit };
        for queue_key in delivery_queues::list_due(connection, &due)? {
            let lease = QueueLease {
                workspace: *workspace,
                webhook: *webhook,
                queue_key: &queue_key,
                token: request.token,
            };
            delivery_queues::lease_queue(connection, &lease, request.worker)?;
            match delivery_queues::get_head(connection, &lease)? {
                Some(delivery) => leased.push(delivery),
                None => delivery_queues::delete_queue(connection, *webhook, &queue_key)?,
            }
        }
    }
    Ok(leased)
}

/// Stores the result of an attempt. Returns the next delivery of the queue, if the worker continues with the queue.
pub(crate) fn finish_attempt(
    connection: &Connection,
    lease: &DeliveryLease,
    result: &DeliveryAttemptResult,
) -> SqlResult<Option<LeasedDelivery>> {
    update_delivery(connection, lease, result)?;
    update_endpoint_health(connection, lease, result)?;
    let is_leased = connection
        .prepare_cached(
            "select lease_token = ?3 from delivery_queues where webhook_id = ?1 and queue_key = ?2",
        )?
        .query_row((lease.webhook.as_bytes(), &lease.queue_key, lease.token.0), |row| {
            row.get::<_, Option<bool>>(0)
        })
        .optional()?;
    if is_leased.flatten() != Some(true) {
        // Another worker has leased the queue and decides about it.
        return Ok(None);
    }
    let (is_retried, due_at) = match result.decision {
        DeliveryDecision::Retry { at } => (true, at),
        DeliveryDecision::Succeeded | DeliveryDecision::Dead | DeliveryDecision::Gone => (false, result.now),
    };
    let continues = result.lease_next && !is_retried && is_accepting(connection, lease)?;
    connection
        .prepare_cached(
            "update delivery_queues
             set n_failures = case when ?3 then n_failures + 1 else 0 end, due_at = ?4,
                 worker_id = case when ?5 then worker_id end, lease_token = case when ?5 then lease_token end
             where webhook_id = ?1 and queue_key = ?2",
        )?
        .execute_one((lease.webhook.as_bytes(), &lease.queue_key, is_retried, micros(due_at), continues))?;
    if is_retried {
        return Ok(None);
    }
    let queue = QueueLease {
        workspace: lease.workspace,
        webhook: lease.webhook,
        queue_key: &lease.queue_key,
        token: lease.token,
    };
    let next = delivery_queues::get_head(connection, &queue)?;
    if next.is_none() {
        delivery_queues::delete_queue(connection, lease.webhook, &lease.queue_key)?;
    }
    Ok(next.filter(|_| continues))
}

/// Stores the result of an attempt in the delivery. Retention may have deleted a delivery that is a dead letter.
fn update_delivery(
    connection: &Connection,
    lease: &DeliveryLease,
    result: &DeliveryAttemptResult,
) -> SqlResult<()> {
    let status = match result.decision {
        DeliveryDecision::Succeeded => "succeeded",
        DeliveryDecision::Retry { .. } => "failed",
        DeliveryDecision::Dead | DeliveryDecision::Gone => "dead",
    };
    // The status of a dead letter changes only if the endpoint accepted the delivery.
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
        .execute_any(params![
            lease.workspace.as_bytes(),
            lease.position,
            status,
            result.http_status,
            result.latency_ms,
            result.response,
            micros(result.now),
        ])
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
    result: &DeliveryAttemptResult,
) -> SqlResult<()> {
    let key = (lease.workspace.as_bytes(), lease.webhook.as_bytes());
    if result.decision == DeliveryDecision::Succeeded {
        let n_rows = connection
            .prepare_cached(
                "update webhook_endpoints set n_failures = 0, failing_since = null, status = 'active'
                 where workspace_id = ?1 and id = ?2 and (n_failures > 0 or status = 'failing')
                   and status <> 'disabled'",
            )?
            .execute(key)?;
        return if n_rows > 0 { revisions::increment(connection, "directory") } else { Ok(()) };
    }
    let Some(HealthRow { n_failures, failing_since }) = count_failure(connection, lease, result.now)? else {
        return Ok(());
    };
    if result.decision == DeliveryDecision::Gone {
        return disable_endpoint(connection, lease, "the endpoint returned 410 Gone", result.now);
    }
    if result.now.duration_since(failing_since) >= DISABLED_AFTER {
        return disable_endpoint(connection, lease, "the endpoint has failed for five days", result.now);
    }
    if n_failures == FAILING_AFTER_ATTEMPTS {
        connection
            .prepare_cached(
                "update webhook_endpoints set status = 'failing' where workspace_id = ?1 and id = ?2",
            )?
            .execute_one(key)?;
        revisions::increment(connection, "directory")?;
    }
    Ok(())
}

row! {
    /// Failed attempts of an endpoint since the last success.
    struct HealthRow {
        n_failures: u32 = get "n_failures",
        failing_since: Timestamp = at "failing_since",
    }
}

/// Counts a failed attempt. Returns `None` if the endpoint is removed or disabled.
fn count_failure(
    connection: &Connection,
    lease: &DeliveryLease,
    now: Timestamp,
) -> SqlResult<Option<HealthRow>> {
    let mut statement = connection.prepare_cached(&format!(
        "update webhook_endpoints set n_failures = n_failures + 1, failing_since = coalesce(failing_since, ?3)
         where workspace_id = ?1 and id = ?2 and removed_at is null and status <> 'disabled'
         returning {}",
        HealthRow::COLUMNS
    ))?;
    let mut rows = statement.query((lease.workspace.as_bytes(), lease.webhook.as_bytes(), micros(now)))?;
    rows.next()?.map(|row| HealthRow::read(&mut Cells::new("webhook_endpoints", row))).transpose()
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
    let mut expired = ExpiredRow::list(connection, (micros(now), limit))?;
    for webhook in list_closed(connection)? {
        let open = OpenRow::list(connection, (webhook.as_bytes(), limit))?;
        if open.is_empty() {
            // The last delivery may have been finished since the queue was written.
            connection
                .prepare_cached("delete from delivery_queues where webhook_id = ?1")?
                .execute_any([webhook.as_bytes()])?;
        }
        expired.extend(open.into_iter().map(|row| ExpiredRow {
            workspace: row.workspace,
            position: row.position,
            webhook,
            queue_key: row.queue_key,
        }));
    }
    for delivery in &expired {
        expire_delivery(connection, delivery, now)?;
    }
    Ok(u32::try_from(expired.len()).unwrap_or(u32::MAX))
}

row! {
    /// Open delivery whose time has ended.
    struct ExpiredRow {
        workspace: WorkspaceId = id "workspace_id",
        position: i64 = get "seq",
        webhook: WebhookId = id "webhook_id",
        queue_key: Vec<u8> = get "queue_key",
    } from "deliveries where status in ('pending', 'failed') and expires_at <= ?1 limit ?2"
}

row! {
    /// Open delivery of one endpoint.
    struct OpenRow {
        workspace: WorkspaceId = id "workspace_id",
        position: i64 = get "seq",
        queue_key: Vec<u8> = get "queue_key",
    } from "deliveries where webhook_id = ?1 and status in ('pending', 'failed') limit ?2"
}

/// Turns a delivery into a dead letter. The next delivery of its queue is due at once.
fn expire_delivery(connection: &Connection, delivery: &ExpiredRow, now: Timestamp) -> SqlResult<()> {
    let ExpiredRow { workspace, position, webhook, queue_key } = delivery;
    let was_head = delivery_queues::head_position(connection, *webhook, queue_key)? == Some(*position);
    delivery_queues::update_status(connection, *workspace, *position, "dead")?;
    // A leased queue is updated or deleted by its worker.
    match delivery_queues::head_position(connection, *webhook, queue_key)? {
        None => connection
            .prepare_cached(
                "delete from delivery_queues where webhook_id = ?1 and queue_key = ?2 and worker_id is null",
            )?
            .execute_any((webhook.as_bytes(), queue_key)),
        Some(_) if was_head => connection
            .prepare_cached(
                "update delivery_queues set n_failures = 0, due_at = ?3
                 where webhook_id = ?1 and queue_key = ?2 and worker_id is null",
            )?
            .execute_any((webhook.as_bytes(), queue_key, micros(now))),
        Some(_) => Ok(()),
    }
}

/// Inserts the example of an event and its delivery, and leases the delivery.
pub(crate) fn insert_test_delivery(
    connection: &Connection,
    test: &NewTestDelivery,
    entry: &AuditEntry,
) -> SqlResult<Option<LeasedDelivery>> {
    let NewTestDelivery { workspace, webhook, worker, token, replay, .. } = *test;
    let now = entry.at;
    let exists: bool = connection
        .prepare_cached(
            "select exists (
                 select 1 from webhook_endpoints where workspace_id = ?1 and id = ?2 and removed_at is null)",
        )?
        .query_row((workspace.as_bytes(), webhook.as_bytes()), |row| row.get(0))?;
    if !exists {
        return Ok(None);
    }
    let about = About { webhook: Some(webhook), ..About::workspace(workspace, now) };
    let event = log::emit(connection, &about, test.example.kind, &test.example)?;
    let queue_key = replay.as_bytes().as_slice();
    let expires_at = delivery_queues::expires_at(now);
    let new = NewDelivery { workspace, webhook, event, queue_key, is_redelivery: false, expires_at, now };
    delivery_queues::insert_delivery(connection, &new)?;
    let lease = QueueLease { workspace, webhook, queue_key, token };
    delivery_queues::lease_queue(connection, &lease, worker)?;
    audit::insert_entry(connection, entry)?;
    delivery_queues::get_head(connection, &lease)
}
