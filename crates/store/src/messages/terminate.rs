//! End of a message without an answer from Meta: canceled, expired, failed, or left by a dead worker.

use domain::id::{MessageId, WorkspaceId};
use domain::messages::message::MessageStatus;
use jiff::Timestamp;
use rusqlite::Connection;

use crate::error::SqlResult;
use crate::messages::timeline::TimelineRow;
use crate::messages::{idempotency, messaging_limit, outbound_state, timeline};
use crate::row::micros;

/// Ends a message by our own decision.
pub(crate) fn terminate(
    connection: &Connection,
    workspace: WorkspaceId,
    message: MessageId,
    (reached, failure_code): (MessageStatus, Option<&str>),
    now: Timestamp,
) -> SqlResult<()> {
    let Some(mut current) = outbound_state::get_state(connection, workspace, message)? else { return Ok(()) };
    let before = std::mem::replace(&mut current.status, reached);
    connection
        .prepare_cached(
            "update messages
             set worker_id = null, lease_token = null, due_at = null, status = ?3,
                 failure_code = coalesce(?4, failure_code), updated_at = ?5
             where workspace_id = ?1 and id = ?2",
        )?
        .execute((workspace.as_bytes(), message.as_bytes(), reached.as_str(), failure_code, micros(now)))?;
    current.moved_from(connection, before)?;
    timeline::insert_entry(
        connection,
        &current,
        &TimelineRow { failure_code, ..TimelineRow::ours(reached, now) },
    )
}

/// Lets go of a message whose worker is dead. What was being sent may have left: nobody knows.
/// What still waited has not: in the queue it waits on; a caller that waited got no answer and will ask again.
pub(crate) fn recover_message(
    connection: &Connection,
    workspace: WorkspaceId,
    message: MessageId,
    (status, is_of_queue): (MessageStatus, bool),
    now: Timestamp,
) -> SqlResult<()> {
    match status {
        MessageStatus::Sending => {
            terminate(connection, workspace, message, (MessageStatus::Unknown, None), now)?;
            messaging_limit::count_unfinished(connection, workspace, message, now)
        }
        MessageStatus::Queued if !is_of_queue => {
            idempotency::finish_record(connection, workspace, message, None)?;
            terminate(connection, workspace, message, (MessageStatus::Failed, Some("interrupted")), now)
        }
        // A report or a late answer told more than the dead worker could; or it waits in the queue.
        MessageStatus::Queued
        | MessageStatus::Unknown
        | MessageStatus::Sent
        | MessageStatus::Failed
        | MessageStatus::Delivered
        | MessageStatus::Read
        | MessageStatus::Played
        | MessageStatus::Expired
        | MessageStatus::Canceled
        | MessageStatus::Received => {
            connection
                .prepare_cached(
                    "update messages set worker_id = null, lease_token = null
                     where workspace_id = ?1 and id = ?2",
                )?
                .execute((workspace.as_bytes(), message.as_bytes()))?;
            messaging_limit::count_unfinished(connection, workspace, message, now)
        }
    }
}
