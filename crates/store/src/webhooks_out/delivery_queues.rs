//! Delivery queues: deliveries of one contact to one endpoint are attempted in order.
//!
//! **Invariant:** a queue has a row in `delivery_queues` exactly as long as it has an open delivery.
//!
//! **Invariant:** a queue is leased to one worker at a time.
//!
//! A delivery that has failed twice moves to a queue of its own if the endpoint's ordering is `best_effort`, so that the
//! later deliveries of the contact can pass it (see `passing`).

use domain::id::{ContactId, WebhookId, WorkerId, WorkspaceId};
use domain::webhooks_out::delivery::{DEAD_LETTER_AFTER, DeadLetterReason, PASSED_AFTER_ATTEMPTS};
use engine::ports::{DeliveryLease, LeaseToken, LeasedDelivery};
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use crate::error::{SqlError, SqlResult};
use crate::events::log;
use crate::row::{SelectRow as _, micros, row};
use crate::sqlite::execute::Execute as _;

/// Due queues of one endpoint to list.
pub(crate) struct DueQueues {
    pub(crate) workspace: WorkspaceId,
    pub(crate) webhook: WebhookId,
    pub(crate) now: Timestamp,
    /// Maximum number of queues.
    pub(crate) limit: u32,
}

/// Order in which the due queues of an endpoint are attempted. First attempts come before retries: slow endpoints do not
/// delay the other queues. A delivery that blocks no other delivery comes last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum QueuePriority {
    /// The first attempt of the head.
    First,
    /// The second attempt of the head.
    Second,
    /// A later attempt: the head blocks its queue.
    Blocked,
    /// A delivery that later deliveries have passed. It has a queue of its own.
    Passed,
}

impl QueuePriority {
    const ALL: [Self; 4] = [Self::First, Self::Second, Self::Blocked, Self::Passed];

    /// Returns the priority of a retry after `n_attempts` attempts.
    pub(crate) fn of_retry(before: Self, n_attempts: u32) -> Self {
        match before {
            Self::Passed => Self::Passed,
            _ if n_attempts < PASSED_AFTER_ATTEMPTS => Self::Second,
            Self::First | Self::Second | Self::Blocked => Self::Blocked,
        }
    }

    /// Returns the value of the column.
    pub(crate) const fn column(self) -> i64 {
        match self {
            Self::First => 0,
            Self::Second => 1,
            Self::Blocked => 2,
            Self::Passed => 3,
        }
    }
}

/// Lists the keys of due queues, in the order of their priorities.
pub(crate) fn list_due(connection: &Connection, due: &DueQueues) -> SqlResult<Vec<Vec<u8>>> {
    let mut queue_keys: Vec<Vec<u8>> = Vec::new();
    for priority in QueuePriority::ALL {
        let limit = i64::from(due.limit) - i64::try_from(queue_keys.len()).unwrap_or(i64::MAX);
        queue_keys.extend(list_due_where(connection, due, priority, limit.max(0))?);
    }
    Ok(queue_keys)
}

fn list_due_where(
    connection: &Connection,
    due: &DueQueues,
    priority: QueuePriority,
    limit: i64,
) -> SqlResult<Vec<Vec<u8>>> {
    let mut statement = connection.prepare_cached(
        "select q.queue_key from delivery_queues q
         join webhook_endpoints w on w.id = q.webhook_id
         where q.webhook_id = ?2 and q.worker_id is null and q.due_at <= ?3 and w.workspace_id = ?1
           and w.removed_at is null and w.is_enabled = 1 and w.status <> 'disabled'
           and q.priority = ?5
         order by q.due_at limit ?4",
    )?;
    let parameters =
        (due.workspace.as_bytes(), due.webhook.as_bytes(), micros(due.now), limit, priority.column());
    let rows = statement.query_map(parameters, |row| row.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Lease of a queue.
pub(crate) struct QueueLease<'a> {
    pub(crate) workspace: WorkspaceId,
    pub(crate) webhook: WebhookId,
    pub(crate) queue_key: &'a [u8],
    pub(crate) token: LeaseToken,
}

/// Writes the lease of a queue.
pub(crate) fn lease_queue(
    connection: &Connection,
    lease: &QueueLease<'_>,
    worker: WorkerId,
) -> SqlResult<()> {
    connection
        .prepare_cached(
            "update delivery_queues set worker_id = ?3, lease_token = ?4 where webhook_id = ?1 and queue_key = ?2",
        )?
        .execute_one((lease.webhook.as_bytes(), lease.queue_key, worker.as_bytes(), lease.token.0))
}

/// Returns the priority of a queue; `None` if this lease of the queue has ended.
pub(crate) fn get_leased_priority(
    connection: &Connection,
    lease: &QueueLease<'_>,
) -> SqlResult<Option<QueuePriority>> {
    let priority: Option<i64> = connection
        .prepare_cached(
            "select priority from delivery_queues where webhook_id = ?1 and queue_key = ?2 and lease_token = ?3",
        )?
        .query_row((lease.webhook.as_bytes(), lease.queue_key, lease.token.0), |row| row.get(0))
        .optional()?;
    let Some(priority) = priority else { return Ok(None) };
    let found = QueuePriority::ALL.into_iter().find(|known| known.column() == priority);
    found.map(Some).ok_or_else(|| SqlError::Corrupt {
        table: "delivery_queues",
        column: "priority".to_owned(),
        value: priority.to_string(),
    })
}

/// Keeps the lease of a queue for its next delivery, which is due at `now` if the lease is recovered.
pub(crate) fn keep_queue(connection: &Connection, lease: &QueueLease<'_>, now: Timestamp) -> SqlResult<()> {
    connection
        .prepare_cached(
            "update delivery_queues set priority = 0, due_at = ?3 where webhook_id = ?1 and queue_key = ?2",
        )?
        .execute_one((lease.webhook.as_bytes(), lease.queue_key, micros(now)))
}

/// Ends the lease of a queue. Its head is due at `due_at`.
pub(crate) fn release_queue(
    connection: &Connection,
    lease: &QueueLease<'_>,
    priority: QueuePriority,
    due_at: Timestamp,
) -> SqlResult<()> {
    connection
        .prepare_cached(
            "update delivery_queues set priority = ?3, due_at = ?4, worker_id = null, lease_token = null
             where webhook_id = ?1 and queue_key = ?2",
        )?
        .execute_one((lease.webhook.as_bytes(), lease.queue_key, priority.column(), micros(due_at)))
}

row! {
    struct HeadRow {
        position: i64 = get "d.seq",
        is_redelivery: bool = flag "d.is_redelivery",
        expires_at: Timestamp = at "d.expires_at",
        event: i64 = get "d.event_seq",
        n_failures: u32 = get "d.n_attempts",
    } from "deliveries d
        where d.webhook_id = ?1 and d.queue_key = ?2 and d.status in ('pending', 'failed')
        order by d.seq limit 1"
}

/// Returns the first delivery of a leased queue; `None` if the queue is empty.
pub(crate) fn get_head(connection: &Connection, lease: &QueueLease<'_>) -> SqlResult<Option<LeasedDelivery>> {
    let QueueLease { workspace, webhook, queue_key, token } = *lease;
    loop {
        let Some(head) = HeadRow::find(connection, (webhook.as_bytes(), queue_key))? else { return Ok(None) };
        let position = head.position;
        if let Some(event) = log::get_event(connection, workspace, head.event)? {
            return Ok(Some(LeasedDelivery {
                lease: DeliveryLease { workspace, webhook, queue_key: queue_key.to_vec(), position, token },
                event,
                n_failures: head.n_failures,
                ends_at: head.expires_at,
                is_redelivery: head.is_redelivery,
            }));
        }
        // There is nothing to deliver.
        update_dead(connection, workspace, position, DeadLetterReason::EventDeleted)?;
    }
}

/// Turns a delivery into a dead letter. The reason of its last attempt is kept, unless a user skipped the delivery.
pub(crate) fn update_dead(
    connection: &Connection,
    workspace: WorkspaceId,
    position: i64,
    reason: DeadLetterReason,
) -> SqlResult<()> {
    let replaces = reason == DeadLetterReason::Skipped;
    connection
        .prepare_cached(
            "update deliveries
             set status = 'dead', reason = case when ?4 then ?3 else coalesce(reason, ?3) end
             where workspace_id = ?1 and seq = ?2",
        )?
        .execute_one((workspace.as_bytes(), position, reason.as_str(), replaces))
}

/// Deletes a queue. A merge of contacts may have deleted the queue before.
pub(crate) fn delete_queue(connection: &Connection, webhook: WebhookId, queue_key: &[u8]) -> SqlResult<()> {
    connection
        .prepare_cached("delete from delivery_queues where webhook_id = ?1 and queue_key = ?2")?
        .execute_any((webhook.as_bytes(), queue_key))
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
                 select q.webhook_id, q.queue_key from delivery_queues q left join workers w on w.id = q.worker_id
                 where q.worker_id is not null and (w.heartbeat_at is null or w.heartbeat_at < ?1) limit ?2)",
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
    pub(crate) expires_at: Timestamp,
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
        .execute_one(params![
            new.workspace.as_bytes(),
            position,
            new.webhook.as_bytes(),
            new.event,
            new.queue_key,
            new.is_redelivery,
            micros(new.now),
            micros(new.expires_at),
        ])?;
    connection
        .prepare_cached(
            "insert into delivery_queues (webhook_id, queue_key, workspace_id, priority, due_at) values (?1, ?2, ?3, 0, ?4)
             on conflict (webhook_id, queue_key) do nothing",
        )?
        .execute_any((new.webhook.as_bytes(), new.queue_key, new.workspace.as_bytes(), micros(new.now)))?;
    Ok(position)
}

/// Returns the time at which a delivery becomes a dead letter.
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
                "insert into delivery_queues (webhook_id, queue_key, workspace_id, priority, due_at)
                 select webhook_id, ?2, workspace_id, priority, due_at from delivery_queues where webhook_id = ?1 and queue_key = ?3
                 on conflict (webhook_id, queue_key) do update
                 set priority = min(priority, excluded.priority), due_at = min(due_at, excluded.due_at)",
            )?
            .execute_any(keys)?;
        connection
            .prepare_cached("delete from delivery_queues where webhook_id = ?1 and queue_key = ?2")?
            .execute_any((webhook, source.as_bytes()))?;
    }
    Ok(())
}
