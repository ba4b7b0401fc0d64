//! End of a message without an answer from Meta: canceled, expired, failed, or left by a dead worker.

use domain::id::{MessageId, WorkspaceId};
use domain::messages::status::MessageStatus;
use jiff::Timestamp;
use rusqlite::Connection;

use crate::error::SqlResult;
use crate::messages::timeline::TimelineRow;
use crate::messages::{idempotency, messaging_limit, outbound_state, timeline};
use crate::row::{micros, row};

/// Status in which a message ends without a response from Meta.
#[derive(Clone, Copy)]
pub(crate) struct FinalState<'a> {
    pub(crate) status: MessageStatus,
    pub(crate) failure_code: Option<&'a str>,
}

impl<'a> FinalState<'a> {
    /// Returns a status without a failure code.
    pub(crate) const fn of(status: MessageStatus) -> Self {
        Self { status, failure_code: None }
    }

    /// Returns the status `failed` with a failure code.
    pub(crate) const fn failed(code: &'a str) -> Self {
        Self { status: MessageStatus::Failed, failure_code: Some(code) }
    }
}

/// Sets the final status of a message without a response from Meta.
pub(crate) fn terminate(
    connection: &Connection,
    workspace: WorkspaceId,
    message: MessageId,
    end: FinalState<'_>,
    now: Timestamp,
) -> SqlResult<()> {
    let FinalState { status, failure_code } = end;
    let Some(mut current) = outbound_state::get_state(connection, workspace, message)? else { return Ok(()) };
    let before = std::mem::replace(&mut current.status, status);
    connection
        .prepare_cached(
            "update messages
             set worker_id = null, lease_token = null, due_at = null, status = ?3,
                 failure_code = coalesce(?4, failure_code), updated_at = ?5,
                 -- A message whose outcome is unknown may have been sent: the reason of an earlier delay is over.
                 error = case when ?3 = 'unknown' then null else error end, media_failing_since = null
             where workspace_id = ?1 and id = ?2",
        )?
        .execute((workspace.as_bytes(), message.as_bytes(), status.as_str(), failure_code, micros(now)))?;
    current.moved_from(connection, before)?;
    timeline::insert_entry(
        connection,
        &current,
        &TimelineRow { failure_code, ..TimelineRow::ours(status, now) },
    )
}

row! {
    /// Message that is leased to a worker without a heartbeat.
    pub(crate) struct LeasedRow {
        workspace: WorkspaceId = id "m.workspace_id",
        message: MessageId = id "m.id",
        status: MessageStatus = parsed "m.status",
        is_queued_mode: bool = flag "m.mode = 'queue'",
    } from "messages m left join workers w on w.id = m.worker_id
        where m.worker_id is not null and (w.heartbeat_at is null or w.heartbeat_at < ?1)
        limit ?2"
}

/// Releases a message of a dead worker. A message that was being sent may have left: its outcome is unknown. A queued
/// message stays in the queue. A synchronous message that was not sent yet fails: its caller received no response and
/// will retry.
pub(crate) fn recover_message(connection: &Connection, leased: &LeasedRow, now: Timestamp) -> SqlResult<()> {
    let LeasedRow { workspace, message, status, is_queued_mode } = *leased;
    match status {
        MessageStatus::Sending => {
            terminate(connection, workspace, message, FinalState::of(MessageStatus::Unknown), now)?;
            messaging_limit::count_unfinished(connection, workspace, message, now)
        }
        MessageStatus::Queued if !is_queued_mode => {
            idempotency::finish_record(connection, workspace, message, None)?;
            terminate(connection, workspace, message, FinalState::failed("interrupted"), now)
        }
        // A report or a late response has set the status, or the message is queued.
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
