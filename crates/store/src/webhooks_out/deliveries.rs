//! Deliveries: the first delivery of each queue is leased when it is due, and finished with the endpoint's response.

use domain::access::audit::AuditEntry;
use domain::id::{WebhookId, WorkspaceId};
use domain::webhooks_out::delivery::{DeadLetterReason, DeliveryDecision};
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use crate::access::audit;
use crate::error::SqlResult;
use crate::events::log;
use crate::events::log::About;
use crate::row::{SelectRow as _, micros, row};
use crate::sqlite::execute::Execute as _;
use crate::webhooks_out::delivery_queues::{DueQueues, NewDelivery, QueueLease, QueuePriority};
use crate::webhooks_out::{dead_letters, delivery_queues, endpoint_health, fan_out, passing};

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
              select 1 from delivery_queues q
              where q.webhook_id = w.id and q.priority in (0, 1, 2, 3) and q.worker_id is null and q.due_at <= ?1)"
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
        has_expired: has_expired || !dead_letters::list_closed(connection)?.is_empty(),
        has_blocked: passing::has_blocked_queues(connection)?,
        due: due.into_iter().map(|row| (row.workspace, row.webhook)).collect(),
    })
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
    // The texts may repeat the event, and the contact may have been erased in the meantime.
    let is_erased = is_event_erased(connection, lease)?;
    let reason = result.reason.as_deref().filter(|_| !is_erased);
    let response = (!is_erased).then_some(result.response.as_str());
    update_delivery(connection, lease, result, AttemptTexts { response, reason })?;
    endpoint_health::update_endpoint_health(connection, lease, result, reason)?;
    let queue = QueueLease {
        workspace: lease.workspace,
        webhook: lease.webhook,
        queue_key: &lease.queue_key,
        token: lease.token,
    };
    let Some(priority) = delivery_queues::get_leased_priority(connection, &queue)? else {
        // Another worker has leased the queue and decides about it.
        return Ok(None);
    };
    // A delivery that was skipped or has expired during the attempt is not retried.
    if let DeliveryDecision::Retry { at } = result.decision
        && let Some(n_attempts) = get_open_attempts(connection, lease)?
    {
        let priority = QueuePriority::of_retry(priority, n_attempts);
        if priority != QueuePriority::Blocked || is_strict(connection, lease)? {
            delivery_queues::release_queue(connection, &queue, priority, at)?;
            return Ok(None);
        }
        passing::move_head(connection, &queue, lease.position, at)?;
    }
    continue_queue(connection, &queue, result)
}

/// Makes the next delivery of a queue due. Returns the next delivery if the worker continues with the queue.
fn continue_queue(
    connection: &Connection,
    queue: &QueueLease<'_>,
    result: &DeliveryAttemptResult,
) -> SqlResult<Option<LeasedDelivery>> {
    let continues = result.lease_next && is_accepting(connection, queue)?;
    if continues {
        delivery_queues::keep_queue(connection, queue, result.now)?;
    } else {
        delivery_queues::release_queue(connection, queue, QueuePriority::First, result.now)?;
    }
    let next = delivery_queues::get_head(connection, queue)?;
    if next.is_none() {
        delivery_queues::delete_queue(connection, queue.webhook, queue.queue_key)?;
    }
    Ok(next.filter(|_| continues))
}

/// Returns the number of attempts of a delivery; `None` if the delivery is not open, or was moved to a queue of its own when
/// the same result was stored before.
fn get_open_attempts(connection: &Connection, lease: &DeliveryLease) -> SqlResult<Option<u32>> {
    let mut statement = connection.prepare_cached(
        "select n_attempts from deliveries
         where workspace_id = ?1 and seq = ?2 and queue_key = ?3 and status in ('pending', 'failed')",
    )?;
    Ok(statement
        .query_row((lease.workspace.as_bytes(), lease.position, &lease.queue_key), |row| row.get(0))
        .optional()?)
}

/// Returns `true` if the head of a queue of the endpoint blocks the queue until it is finished.
fn is_strict(connection: &Connection, lease: &DeliveryLease) -> SqlResult<bool> {
    let mut statement = connection.prepare_cached(
        "select exists (
             select 1 from webhook_endpoints where workspace_id = ?1 and id = ?2 and ordering = 'strict')",
    )?;
    Ok(statement.query_row((lease.workspace.as_bytes(), lease.webhook.as_bytes()), |row| row.get(0))?)
}

/// Texts of an attempt that are stored.
#[derive(Clone, Copy)]
struct AttemptTexts<'a> {
    response: Option<&'a str>,
    reason: Option<&'a str>,
}

/// Stores the result of an attempt in the delivery. Retention may have deleted a delivery that is a dead letter.
fn update_delivery(
    connection: &Connection,
    lease: &DeliveryLease,
    result: &DeliveryAttemptResult,
    texts: AttemptTexts<'_>,
) -> SqlResult<()> {
    let status = match result.decision {
        DeliveryDecision::Succeeded => "succeeded",
        DeliveryDecision::Retry { .. } => "failed",
        DeliveryDecision::Dead | DeliveryDecision::Gone => "dead",
    };
    // A success is final. The status of a dead letter changes only if the endpoint accepted the delivery.
    connection
        .prepare_cached(
            "update deliveries
             set status = case when status in ('succeeded', 'dead') and ?3 <> 'succeeded' then status else ?3 end,
                 n_attempts = n_attempts + 1, http_status = ?4, latency_ms = ?5, last_attempt_at = ?7,
                 reason = case when ?3 <> 'succeeded' and (status = 'succeeded' or status = 'dead' and reason = ?9)
                               then reason else ?8 end,
                 response = ?6
             where workspace_id = ?1 and seq = ?2",
        )?
        .execute_any(params![
            lease.workspace.as_bytes(),
            lease.position,
            status,
            result.http_status,
            result.latency_ms,
            texts.response,
            micros(result.now),
            texts.reason,
            DeadLetterReason::Skipped.as_str(),
        ])
}

/// Returns `true` if the contact of the delivered event was erased.
fn is_event_erased(connection: &Connection, lease: &DeliveryLease) -> SqlResult<bool> {
    let mut statement = connection.prepare_cached(
        "select exists (
             select 1 from deliveries d join events e on e.workspace_id = d.workspace_id and e.seq = d.event_seq
             where d.workspace_id = ?1 and d.seq = ?2 and e.erased_at is not null)",
    )?;
    Ok(statement.query_row((lease.workspace.as_bytes(), lease.position), |row| row.get(0))?)
}

/// Returns `true` if the endpoint is enabled and not disabled by failures.
fn is_accepting(connection: &Connection, queue: &QueueLease<'_>) -> SqlResult<bool> {
    let mut statement = connection.prepare_cached(
        "select exists (
             select 1 from webhook_endpoints where workspace_id = ?1 and id = ?2 and removed_at is null and is_enabled = 1
               and status <> 'disabled')",
    )?;
    Ok(statement.query_row((queue.workspace.as_bytes(), queue.webhook.as_bytes()), |row| row.get(0))?)
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
    log::emit(connection, &about, test.example.kind, &test.example)?;
    let event = log::last_position(connection, workspace)?;
    let queue_key = replay.as_bytes().as_slice();
    let expires_at = delivery_queues::expires_at(now);
    let new = NewDelivery { workspace, webhook, event, queue_key, is_redelivery: false, expires_at, now };
    delivery_queues::insert_delivery(connection, &new)?;
    let lease = QueueLease { workspace, webhook, queue_key, token };
    delivery_queues::lease_queue(connection, &lease, worker)?;
    audit::insert_entry(connection, entry)?;
    delivery_queues::get_head(connection, &lease)
}
