//! Retention. [`list_expired`] reads, [`delete_expired`] checks each row again and deletes it.
//!
//! **Invariant:** the last row of each list stays, so that no position is used twice.
//!
//! **Invariant:** no row is deleted that a stored row refers to: a message that is not final, an event without all
//! its deliveries or with a pending replay, a payload of a message, of a timeline entry or of a change.
//!
//! Lists are read by position, which follows time: a scan ends at the first row that is not expired.

use domain::id::{MessageId, WorkspaceId};
use domain::messages::status::MessageStatus;
use engine::ports::{ExpiredRows, RetentionCursor, RetentionTarget};
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use crate::error::SqlResult;
use crate::media;
use crate::row::{Cells, micros};

/// Row of a scan.
enum Candidate {
    /// Expired: deleted.
    Old(i64),
    /// Expired, but still needed.
    Needed(i64),
    /// Not expired, like all later rows.
    Young,
}

pub(crate) fn list_expired(
    connection: &Connection,
    what: RetentionTarget,
    before: Timestamp,
    after: RetentionCursor,
    limit: u32,
) -> SqlResult<ExpiredRows> {
    let after = after.0;
    match what {
        RetentionTarget::Messages(workspace) => messages(connection, workspace, before, (after, limit)),
        RetentionTarget::Events(workspace) => {
            let sql = "select seq, created_at from events where workspace_id = ?1 and seq > ?2 and seq <= ?4
                       order by seq limit ?3";
            let end = last_deletable_event(connection, workspace)?;
            scan(connection, sql, params![workspace.as_bytes(), after, limit, end], limit, |cells| {
                by_age(cells.get()?, cells.at()?, before)
            })
        }
        RetentionTarget::Deliveries(workspace) => deliveries(connection, workspace, before, (after, limit)),
        RetentionTarget::Audit(workspace) => {
            let sql = "select seq, created_at from audit_entries where workspace_id = ?1 and seq > ?2
                       and seq < (select max(seq) from audit_entries) order by seq limit ?3";
            scan(connection, sql, params![workspace.as_bytes(), after, limit], limit, |cells| {
                by_age(cells.get()?, cells.at()?, before)
            })
        }
        RetentionTarget::PendingStatuses => {
            // Statuses of one payload have the same time and are deleted together.
            let sql = "select distinct received_at, received_at from pending_statuses where received_at > ?1
                       order by received_at limit ?2";
            scan(connection, sql, params![after, limit], limit, |cells| {
                by_age(cells.get()?, cells.at()?, before)
            })
        }
        RetentionTarget::WebhookChanges => {
            let sql = "select seq, received_at from webhook_changes where seq > ?1
                       and seq < (select max(seq) from webhook_changes) order by seq limit ?2";
            scan(connection, sql, params![after, limit], limit, |cells| {
                by_age(cells.get()?, cells.at()?, before)
            })
        }
        RetentionTarget::WebhookPayloads => payloads(connection, before, (after, limit)),
    }
}

fn scan(
    connection: &Connection,
    sql: &str,
    parameters: impl rusqlite::Params,
    limit: u32,
    mut judge: impl FnMut(&mut Cells<'_>) -> SqlResult<Candidate>,
) -> SqlResult<ExpiredRows> {
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(parameters)?;
    let mut found = ExpiredRows::default();
    let mut n_seen = 0;
    while let Some(row) = rows.next()? {
        n_seen += 1;
        let position = match judge(&mut Cells::new("a list", row))? {
            Candidate::Old(position) => {
                found.rows.push(position);
                position
            }
            Candidate::Needed(position) => position,
            Candidate::Young => return Ok(ExpiredRows { next: None, ..found }),
        };
        found.next = Some(RetentionCursor(position)).filter(|_| n_seen == limit);
    }
    Ok(found)
}

fn by_age(position: i64, at: Timestamp, before: Timestamp) -> SqlResult<Candidate> {
    Ok(if at < before { Candidate::Old(position) } else { Candidate::Young })
}

/// Returns `true` if no further step of Waypost changes the message.
fn is_at_its_end(status: MessageStatus) -> bool {
    match status {
        MessageStatus::Queued | MessageStatus::Sending | MessageStatus::Unknown => false,
        MessageStatus::Sent
        | MessageStatus::Failed
        | MessageStatus::Delivered
        | MessageStatus::Read
        | MessageStatus::Played
        | MessageStatus::Expired
        | MessageStatus::Canceled
        | MessageStatus::Received => true,
    }
}

fn messages(
    connection: &Connection,
    workspace: WorkspaceId,
    before: Timestamp,
    (after, limit): (i64, u32),
) -> SqlResult<ExpiredRows> {
    let sql = "select seq, created_at, updated_at, status, worker_id is not null from messages
               where workspace_id = ?1 and seq > ?2 and seq < (select max(seq) from messages)
               order by seq limit ?3";
    scan(connection, sql, params![workspace.as_bytes(), after, limit], limit, |cells| {
        let position = cells.get()?;
        let (created_at, updated_at) = (cells.at()?, cells.at()?);
        let is_over = is_at_its_end(cells.word()?) && !cells.flag()? && updated_at < before;
        Ok(match (created_at < before, is_over) {
            (false, _) => Candidate::Young,
            (true, true) => Candidate::Old(position),
            (true, false) => Candidate::Needed(position),
        })
    })
}

fn deliveries(
    connection: &Connection,
    workspace: WorkspaceId,
    before: Timestamp,
    (after, limit): (i64, u32),
) -> SqlResult<ExpiredRows> {
    let sql =
        "select seq, created_at, coalesce(last_attempt_at, created_at), status in ('succeeded', 'dead') from deliveries
               where workspace_id = ?1 and seq > ?2
                 and seq < (select seq from deliveries where workspace_id = ?1 order by seq desc limit 1)
               order by seq limit ?3";
    scan(connection, sql, params![workspace.as_bytes(), after, limit], limit, |cells| {
        let position = cells.get()?;
        let (created_at, at) = (cells.at()?, cells.at()?);
        let is_over = cells.flag()? && at < before;
        Ok(match (created_at < before, is_over) {
            (false, _) => Candidate::Young,
            (true, true) => Candidate::Old(position),
            (true, false) => Candidate::Needed(position),
        })
    })
}

/// Condition on `webhook_payloads`: no row refers to the payload.
const IS_UNREFERENCED: &str = "not exists (select 1 from messages where payload_seq = webhook_payloads.seq)
    and not exists (select 1 from message_timeline where payload_seq = webhook_payloads.seq)
    and not exists (select 1 from pending_statuses where payload_seq = webhook_payloads.seq)
    and not exists (select 1 from webhook_changes where payload_seq = webhook_payloads.seq)";

fn payloads(
    connection: &Connection,
    before: Timestamp,
    (after, limit): (i64, u32),
) -> SqlResult<ExpiredRows> {
    let sql = format!(
        "select seq, received_at, {IS_UNREFERENCED} from webhook_payloads
         where seq > ?1 and seq < (select max(seq) from webhook_payloads) order by seq limit ?2"
    );
    scan(connection, &sql, params![after, limit], limit, |cells| {
        let (position, received_at) = (cells.get()?, cells.at()?);
        Ok(match (received_at < before, cells.flag()?) {
            (false, _) => Candidate::Young,
            (true, true) => Candidate::Old(position),
            (true, false) => Candidate::Needed(position),
        })
    })
}

/// Returns the last position of a workspace's events that may be deleted: fanned out to all endpoints, not part of a
/// replay, and not the last event.
fn last_deletable_event(connection: &Connection, workspace: WorkspaceId) -> SqlResult<i64> {
    let mut statement = connection.prepare_cached(
        "select coalesce((select seq from events where workspace_id = ?1 order by seq desc limit 1), 0) - 1,
                (select min(after_seq) from webhook_endpoints where workspace_id = ?1 and removed_at is null),
                coalesce((select seq from fan_out_cursors where workspace_id = ?1), 0),
                (select min(next_seq) - 1 from replays where workspace_id = ?1),
                (select min(event_seq) - 1 from deliveries
                 where workspace_id = ?1 and is_redelivery = 1 and status in ('pending', 'failed'))",
    )?;
    Ok(statement.query_row([workspace.as_bytes()], |row| {
        let all_but_last: i64 = row.get(0)?;
        let oldest_listener: Option<i64> = row.get(1)?;
        let cursor: i64 = row.get(2)?;
        let repeated: [Option<i64>; 2] = [row.get(3)?, row.get(4)?];
        // Without an endpoint nothing is fanned out. A new endpoint receives later events only.
        let handed = oldest_listener.map(|after| after.max(cursor));
        let bounds = repeated.into_iter().chain([handed]).flatten();
        Ok(bounds.fold(all_but_last, i64::min))
    })?)
}

pub(crate) fn delete_expired(
    connection: &Connection,
    what: RetentionTarget,
    before: Timestamp,
    rows: &[i64],
) -> SqlResult<u32> {
    let at = micros(before);
    let mut n_gone = 0;
    for row in rows {
        n_gone += match what {
            RetentionTarget::Messages(workspace) => delete_message(connection, workspace, *row, at)?,
            RetentionTarget::Events(workspace) => {
                let end = last_deletable_event(connection, workspace)?;
                connection
                    .prepare_cached(
                        "delete from events where workspace_id = ?1 and seq = ?2 and seq <= ?3 and created_at < ?4",
                    )?
                    .execute((workspace.as_bytes(), row, end, at))?
            }
            RetentionTarget::Deliveries(workspace) => connection
                .prepare_cached(
                    "delete from deliveries
                     where workspace_id = ?1 and seq = ?2 and status in ('succeeded', 'dead')
                       and coalesce(last_attempt_at, created_at) < ?3",
                )?
                .execute((workspace.as_bytes(), row, at))?,
            RetentionTarget::Audit(workspace) => connection
                .prepare_cached(
                    "delete from audit_entries where workspace_id = ?1 and seq = ?2 and created_at < ?3",
                )?
                .execute((workspace.as_bytes(), row, at))?,
            RetentionTarget::PendingStatuses => connection
                .prepare_cached("delete from pending_statuses where received_at = ?1 and received_at < ?2")?
                .execute((row, at))?,
            RetentionTarget::WebhookChanges => connection
                .prepare_cached("delete from webhook_changes where seq = ?1 and received_at < ?2")?
                .execute((row, at))?,
            RetentionTarget::WebhookPayloads => connection
                .prepare_cached(&format!(
                    "delete from webhook_payloads where seq = ?1 and received_at < ?2 and {IS_UNREFERENCED}"
                ))?
                .execute((row, at))?,
        };
    }
    Ok(u32::try_from(n_gone).unwrap_or(u32::MAX))
}

fn delete_message(
    connection: &Connection,
    workspace: WorkspaceId,
    row: i64,
    before: i64,
) -> SqlResult<usize> {
    let gone: Option<([u8; 16], Option<String>)> = connection
        .prepare_cached(
            "delete from messages
             where workspace_id = ?1 and seq = ?2 and status not in ('queued', 'sending', 'unknown')
               and worker_id is null and updated_at < ?3
             returning id, wamid",
        )?
        .query_row((workspace.as_bytes(), row, before), |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let Some((id, wamid)) = gone else { return Ok(0) };
    let message = MessageId::from_bytes(id);
    let mut wamids: Vec<String> = {
        let mut statement = connection.prepare_cached(
            "select distinct wamid from message_timeline
             where workspace_id = ?1 and message_id = ?2 and wamid is not null",
        )?;
        let rows = statement.query_map((workspace.as_bytes(), message.as_bytes()), |row| row.get(0))?;
        rows.collect::<Result<_, _>>()?
    };
    wamids.extend(wamid);
    for wamid in wamids {
        connection
            .prepare_cached("delete from wamids where workspace_id = ?1 and wamid = ?2 and message_id = ?3")?
            .execute((workspace.as_bytes(), wamid, message.as_bytes()))?;
    }
    connection
        .prepare_cached("delete from message_timeline where workspace_id = ?1 and message_id = ?2")?
        .execute((workspace.as_bytes(), message.as_bytes()))?;
    // The media of the message: without the message nothing refers to them.
    media::records::erase_media(connection, workspace, message)?;
    Ok(1)
}
