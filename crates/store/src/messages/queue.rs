//! Cancellation and expiry of queued messages, and resolution of unknown outcomes.

use domain::access::audit::AuditEntry;
use domain::id::{MessageId, WorkspaceId};
use domain::messages::status::MessageStatus;
use engine::ports::CancelMessageResult;
use jiff::Timestamp;
use rusqlite::Connection;

use crate::access::{audit, idempotent_requests};
use crate::error::SqlResult;
use crate::messages::terminate::FinalState;
use crate::messages::{idempotency, pending_statuses, terminate};
use crate::row::{Cells, micros};

pub(crate) fn fail_unknown(
    connection: &Connection,
    workspace: WorkspaceId,
    message: MessageId,
    entry: &AuditEntry,
) -> SqlResult<bool> {
    let Some((MessageStatus::Unknown, false)) = get_status(connection, workspace, message)? else {
        return Ok(false);
    };
    terminate::terminate(connection, workspace, message, FinalState::failed("given_up"), entry.at)?;
    audit::insert_entry(connection, entry)?;
    Ok(true)
}

pub(crate) fn cancel_message(
    connection: &Connection,
    workspace: WorkspaceId,
    message: MessageId,
    now: Timestamp,
) -> SqlResult<CancelMessageResult> {
    match get_status(connection, workspace, message)? {
        None => Ok(CancelMessageResult::NotFound),
        Some((MessageStatus::Queued, false)) => {
            terminate::terminate(
                connection,
                workspace,
                message,
                FinalState::of(MessageStatus::Canceled),
                now,
            )?;
            Ok(CancelMessageResult::Canceled)
        }
        Some((status, _)) => Ok(CancelMessageResult::TooLate(status)),
    }
}

/// Returns the status of an outbound message, and `true` if the message is leased.
fn get_status(
    connection: &Connection,
    workspace: WorkspaceId,
    message: MessageId,
) -> SqlResult<Option<(MessageStatus, bool)>> {
    let mut statement = connection.prepare_cached(
        "select status, worker_id is not null from messages
         where workspace_id = ?1 and id = ?2 and direction = 'outbound'",
    )?;
    let mut rows = statement.query((workspace.as_bytes(), message.as_bytes()))?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let mut cells = Cells::new("messages", row);
    Ok(Some((cells.parsed()?, cells.flag()?)))
}

/// Ends expired messages and the messages of removed accounts. Deletes expired idempotency records and pending
/// statuses.
pub(crate) fn expire_messages(connection: &Connection, now: Timestamp, limit: u32) -> SqlResult<u32> {
    let expired = {
        let mut statement = connection.prepare_cached(
            "select workspace_id, id from messages
             where status = 'queued' and expires_at is not null and expires_at <= ?1 and worker_id is null limit ?2",
        )?;
        let mut rows = statement.query((micros(now), limit))?;
        let mut expired: Vec<(WorkspaceId, MessageId)> = Vec::new();
        while let Some(row) = rows.next()? {
            let mut cells = Cells::new("messages", row);
            expired.push((cells.id()?, cells.id()?));
        }
        expired
    };
    for (workspace, message) in &expired {
        terminate::terminate(connection, *workspace, *message, FinalState::of(MessageStatus::Expired), now)?;
    }
    idempotency::expire_records(connection, now, limit)?;
    idempotent_requests::expire_requests(connection, now, limit)?;
    pending_statuses::expire_statuses(connection, now, limit)?;
    let n_orphans = cancel_orphans(connection, now, limit)?;
    Ok(u32::try_from(expired.len() + n_orphans).unwrap_or(u32::MAX))
}

/// Cancels the queued messages of removed accounts, which nothing else would end.
fn cancel_orphans(connection: &Connection, now: Timestamp, limit: u32) -> SqlResult<usize> {
    let orphans = {
        let mut statement = connection.prepare_cached(
            "select messages.workspace_id, messages.id
             from queue_depths
             cross join accounts on accounts.id = queue_depths.account_id
             cross join messages on messages.account_id = accounts.id
             where queue_depths.n_messages > 0 and accounts.removed_at is not null
               and messages.status = 'queued' and messages.worker_id is null and messages.deferred_by is null
             union all
             select messages.workspace_id, messages.id
             from queue_depths
             cross join accounts on accounts.id = queue_depths.account_id
             cross join messages on messages.account_id = accounts.id
             where queue_depths.n_messages > 0 and accounts.removed_at is not null
               and messages.status = 'queued' and messages.worker_id is null and messages.deferred_by is not null
             limit ?1",
        )?;
        let mut rows = statement.query([limit])?;
        let mut orphans: Vec<(WorkspaceId, MessageId)> = Vec::new();
        while let Some(row) = rows.next()? {
            let mut cells = Cells::new("messages", row);
            orphans.push((cells.id()?, cells.id()?));
        }
        orphans
    };
    for (workspace, message) in &orphans {
        terminate::terminate(connection, *workspace, *message, FinalState::of(MessageStatus::Canceled), now)?;
    }
    Ok(orphans.len())
}
