//! Passing: the later deliveries of a queue pass a head that has failed twice, if the endpoint's ordering is `best_effort`.
//!
//! The head moves to a queue of its own, which has its own schedule: its retries continue beside the other deliveries.
//! Several heads of one queue can be passed.
//!
//! **Invariant:** a delivery that was passed is never passed again: its queue has no other delivery.

use domain::id::{WebhookId, WorkspaceId};
use engine::ports::LeaseToken;
use jiff::Timestamp;
use rusqlite::Connection;

use crate::error::SqlResult;
use crate::row::{SelectRow as _, micros, row};
use crate::sqlite::execute::Execute as _;
use crate::webhooks_out::delivery_queues;
use crate::webhooks_out::delivery_queues::{QueueLease, QueuePriority};

/// Moves the head of a queue to a queue of its own, where it is due at `due_at`.
pub(crate) fn move_head(
    connection: &Connection,
    queue: &QueueLease<'_>,
    position: i64,
    due_at: Timestamp,
) -> SqlResult<()> {
    let own_key = [queue.queue_key, &position.to_be_bytes()].concat();
    connection
        .prepare_cached("update deliveries set queue_key = ?3 where workspace_id = ?1 and seq = ?2")?
        .execute_one((queue.workspace.as_bytes(), position, &own_key))?;
    connection
        .prepare_cached(
            "insert into delivery_queues (webhook_id, queue_key, workspace_id, priority, due_at)
             values (?1, ?2, ?3, ?4, ?5)",
        )?
        .execute_one((
            queue.webhook.as_bytes(),
            &own_key,
            queue.workspace.as_bytes(),
            QueuePriority::Passed.column(),
            micros(due_at),
        ))
}

row! {
    /// Queue that its head blocks, although the ordering of its endpoint is `best_effort`.
    struct BlockedQueueRow {
        workspace: WorkspaceId = id "q.workspace_id",
        webhook: WebhookId = id "q.webhook_id",
        queue_key: Vec<u8> = get "q.queue_key",
        due_at: Timestamp = at "q.due_at",
    } from "webhook_endpoints w cross join delivery_queues q on q.webhook_id = w.id
        where w.removed_at is null and w.ordering = 'best_effort' and q.priority = ?2 and q.worker_id is null
        limit ?1"
}

/// Returns `true` if [`update_blocked_queues`] has work.
pub(crate) fn has_blocked_queues(connection: &Connection) -> SqlResult<bool> {
    Ok(BlockedQueueRow::find(connection, (1, QueuePriority::Blocked.column()))?.is_some())
}

/// Moves the heads of blocked queues of endpoints whose ordering was changed to `best_effort`. Returns the number of
/// queues. A leased queue follows when its attempt ends.
pub(crate) fn update_blocked_queues(connection: &Connection, now: Timestamp, limit: u32) -> SqlResult<u32> {
    let mut n_queues = 0;
    for row in BlockedQueueRow::list(connection, (limit, QueuePriority::Blocked.column()))? {
        let BlockedQueueRow { workspace, webhook, queue_key, due_at } = row;
        // The queue is not leased: its token is not used.
        let queue = QueueLease { workspace, webhook, queue_key: &queue_key, token: LeaseToken(0) };
        if let Some(position) = delivery_queues::head_position(connection, webhook, &queue_key)? {
            move_head(connection, &queue, position, due_at)?;
        }
        if delivery_queues::head_position(connection, webhook, &queue_key)?.is_some() {
            delivery_queues::release_queue(connection, &queue, QueuePriority::First, now)?;
        } else {
            delivery_queues::delete_queue(connection, webhook, &queue_key)?;
        }
        n_queues += 1;
    }
    Ok(n_queues)
}
