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
use rusqlite::{Connection, params};

use crate::error::{SqlError, SqlResult};
use crate::media;
use crate::row::{Cells, micros, row};
use crate::sqlite::execute::Execute as _;

/// Decision about a row of a scan.
enum Candidate {
    /// The row has expired and is deleted.
    Expired(i64),
    /// The row has expired, but another row refers to it.
    Needed(i64),
    /// The row has not expired, and no later row has.
    NotExpired,
}

/// Rows to scan: at most `limit` rows after the position `after`. Rows from before `before` have expired.
#[derive(Clone, Copy)]
struct Scan {
    table: &'static str,
    before: Timestamp,
    after: i64,
    limit: u32,
}

pub(crate) fn list_expired(
    connection: &Connection,
    target: RetentionTarget,
    before: Timestamp,
    after: RetentionCursor,
    limit: u32,
) -> SqlResult<ExpiredRows> {
    let range = Scan { table: table_of(target), before, after: after.0, limit };
    match target {
        RetentionTarget::Messages(workspace) => scan_messages(connection, workspace, range),
        RetentionTarget::Events(workspace) => {
            let sql = format!(
                "select {} from events where workspace_id = ?1 and seq > ?2 and seq <= ?4 order by seq limit ?3",
                CreatedRow::COLUMNS
            );
            let end = last_deletable_event(connection, workspace)?;
            range.run(connection, &sql, params![workspace.as_bytes(), range.after, limit, end], by_creation)
        }
        RetentionTarget::Deliveries(workspace) => scan_deliveries(connection, workspace, range),
        RetentionTarget::Audit(workspace) => {
            let sql = format!(
                "select {} from audit_entries where workspace_id = ?1 and seq > ?2
                   and seq < (select max(seq) from audit_entries) order by seq limit ?3",
                CreatedRow::COLUMNS
            );
            range.run(connection, &sql, params![workspace.as_bytes(), range.after, limit], by_creation)
        }
        RetentionTarget::PendingStatuses => {
            // Statuses of one payload have the same time and are deleted together: the time is the position.
            let sql = "select distinct received_at from pending_statuses where received_at > ?1
                       order by received_at limit ?2";
            range.run(connection, sql, params![range.after, limit], |range, cells| {
                let received_at = cells.at()?;
                Ok(range.candidate(micros(received_at), received_at, true))
            })
        }
        RetentionTarget::WebhookChanges => {
            let sql = format!(
                "select {} from webhook_changes where seq > ?1
                   and seq < (select max(seq) from webhook_changes) order by seq limit ?2",
                ReceivedRow::COLUMNS
            );
            range.run(connection, &sql, params![range.after, limit], |range, cells| {
                let row = ReceivedRow::read(cells)?;
                Ok(range.candidate(row.position, row.received_at, true))
            })
        }
        RetentionTarget::WebhookPayloads => scan_payloads(connection, range),
    }
}

fn table_of(target: RetentionTarget) -> &'static str {
    match target {
        RetentionTarget::Messages(_) => "messages",
        RetentionTarget::Events(_) => "events",
        RetentionTarget::Deliveries(_) => "deliveries",
        RetentionTarget::Audit(_) => "audit_entries",
        RetentionTarget::PendingStatuses => "pending_statuses",
        RetentionTarget::WebhookChanges => "webhook_changes",
        RetentionTarget::WebhookPayloads => "webhook_payloads",
    }
}

impl Scan {
    /// Reads the rows of a query and decides about each row. The query must be ordered by age.
    fn run(
        self,
        connection: &Connection,
        sql: &str,
        parameters: impl rusqlite::Params,
        decide: impl Fn(Self, &mut Cells<'_>) -> SqlResult<Candidate>,
    ) -> SqlResult<ExpiredRows> {
        let mut statement = connection.prepare_cached(sql)?;
        let mut rows = statement.query(parameters)?;
        let mut found = ExpiredRows::default();
        let mut n_scanned = 0;
        while let Some(row) = rows.next()? {
            n_scanned += 1;
            let position = match decide(self, &mut Cells::new(self.table, row))? {
                Candidate::Expired(position) => {
                    found.rows.push(position);
                    position
                }
                Candidate::Needed(position) => position,
                Candidate::NotExpired => return Ok(ExpiredRows { next: None, ..found }),
            };
            found.next = Some(RetentionCursor(position)).filter(|_| n_scanned == self.limit);
        }
        Ok(found)
    }

    /// Decides about a row that was created at `created_at` and may be deleted if `is_deletable`.
    fn candidate(self, position: i64, created_at: Timestamp, is_deletable: bool) -> Candidate {
        match (created_at < self.before, is_deletable) {
            (false, _) => Candidate::NotExpired,
            (true, true) => Candidate::Expired(position),
            (true, false) => Candidate::Needed(position),
        }
    }
}

row! {
    struct CreatedRow {
        position: i64 = get "seq",
        created_at: Timestamp = at "created_at",
    }
}

row! {
    struct ReceivedRow {
        position: i64 = get "seq",
        received_at: Timestamp = at "received_at",
    }
}

fn by_creation(range: Scan, cells: &mut Cells<'_>) -> SqlResult<Candidate> {
    let row = CreatedRow::read(cells)?;
    Ok(range.candidate(row.position, row.created_at, true))
}

/// Returns `true` if no further step of Waypost changes the message.
fn is_final(status: MessageStatus) -> bool {
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

row! {
    struct MessageRow {
        position: i64 = get "seq",
        created_at: Timestamp = at "created_at",
        updated_at: Timestamp = at "updated_at",
        status: MessageStatus = parsed "status",
        is_leased: bool = flag "worker_id is not null",
    }
}

fn scan_messages(connection: &Connection, workspace: WorkspaceId, range: Scan) -> SqlResult<ExpiredRows> {
    let sql = format!(
        "select {} from messages
         where workspace_id = ?1 and seq > ?2 and seq < (select max(seq) from messages)
         order by seq limit ?3",
        MessageRow::COLUMNS
    );
    let parameters = params![workspace.as_bytes(), range.after, range.limit];
    range.run(connection, &sql, parameters, |range, cells| {
        let row = MessageRow::read(cells)?;
        let is_deletable = is_final(row.status) && !row.is_leased && row.updated_at < range.before;
        Ok(range.candidate(row.position, row.created_at, is_deletable))
    })
}

row! {
    struct DeliveryRow {
        position: i64 = get "seq",
        created_at: Timestamp = at "created_at",
        last_attempt_at: Timestamp = at "coalesce(last_attempt_at, created_at)",
        is_finished: bool = flag "status in ('succeeded', 'dead')",
    }
}

fn scan_deliveries(connection: &Connection, workspace: WorkspaceId, range: Scan) -> SqlResult<ExpiredRows> {
    let sql = format!(
        "select {} from deliveries
         where workspace_id = ?1 and seq > ?2
           and seq < (select seq from deliveries where workspace_id = ?1 order by seq desc limit 1)
         order by seq limit ?3",
        DeliveryRow::COLUMNS
    );
    let parameters = params![workspace.as_bytes(), range.after, range.limit];
    range.run(connection, &sql, parameters, |range, cells| {
        let row = DeliveryRow::read(cells)?;
        let is_deletable = row.is_finished && row.last_attempt_at < range.before;
        Ok(range.candidate(row.position, row.created_at, is_deletable))
    })
}

/// Condition on `webhook_payloads`: no row refers to the payload.
const IS_UNREFERENCED: &str = "not exists (select 1 from messages where payload_seq = webhook_payloads.seq)
    and not exists (select 1 from message_timeline where payload_seq = webhook_payloads.seq)
    and not exists (select 1 from pending_statuses where payload_seq = webhook_payloads.seq)
    and not exists (select 1 from webhook_changes where payload_seq = webhook_payloads.seq)";

fn scan_payloads(connection: &Connection, range: Scan) -> SqlResult<ExpiredRows> {
    let sql = format!(
        "select {}, {IS_UNREFERENCED} from webhook_payloads
         where seq > ?1 and seq < (select max(seq) from webhook_payloads) order by seq limit ?2",
        ReceivedRow::COLUMNS
    );
    range.run(connection, &sql, params![range.after, range.limit], |range, cells| {
        let row = ReceivedRow::read(cells)?;
        let is_unreferenced = cells.flag()?;
        Ok(range.candidate(row.position, row.received_at, is_unreferenced))
    })
}

row! {
    /// Positions of a workspace's events that limit the deletion of events.
    struct EventBoundsRow {
        all_but_last: i64 = get "
            coalesce((select seq from events where workspace_id = ?1 order by seq desc limit 1), 0) - 1",
        oldest_endpoint: Option<i64> = get "
            (select min(after_seq) from webhook_endpoints where workspace_id = ?1 and removed_at is null)",
        cursor: i64 = get "coalesce((select seq from fan_out_cursors where workspace_id = ?1), 0)",
        before_replays: Option<i64> = get "(select min(next_seq) - 1 from replays where workspace_id = ?1)",
        before_redeliveries: Option<i64> = get "
            (select min(event_seq) - 1 from deliveries
             where workspace_id = ?1 and is_redelivery = 1 and status in ('pending', 'failed'))",
    }
}

/// Returns the last position of a workspace's events that may be deleted: fanned out to all endpoints, not part of a
/// replay, and not the last event.
fn last_deletable_event(connection: &Connection, workspace: WorkspaceId) -> SqlResult<i64> {
    let sql = format!("select {}", EventBoundsRow::COLUMNS);
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query([workspace.as_bytes()])?;
    let row = rows.next()?.ok_or(SqlError::Bug("a select without a table returned no row"))?;
    let row = EventBoundsRow::read(&mut Cells::new("events", row))?;
    // Without an endpoint nothing is fanned out. A new endpoint receives later events only.
    let fanned_out = row.oldest_endpoint.map(|after| after.max(row.cursor));
    let bounds = [row.before_replays, row.before_redeliveries, fanned_out];
    Ok(bounds.into_iter().flatten().fold(row.all_but_last, i64::min))
}

pub(crate) fn delete_expired(
    connection: &Connection,
    target: RetentionTarget,
    before: Timestamp,
    rows: &[i64],
) -> SqlResult<u32> {
    let at = micros(before);
    let mut n_deleted = 0;
    for row in rows {
        n_deleted += match target {
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
    Ok(u32::try_from(n_deleted).unwrap_or(u32::MAX))
}

row! {
    struct DeletedRow {
        message: MessageId = id "id",
        wamid: Option<String> = get "wamid",
    }
}

fn delete_message(
    connection: &Connection,
    workspace: WorkspaceId,
    row: i64,
    before: i64,
) -> SqlResult<usize> {
    let deleted = {
        let mut statement = connection.prepare_cached(&format!(
            "delete from messages
             where workspace_id = ?1 and seq = ?2 and status not in ('queued', 'sending', 'unknown')
               and worker_id is null and updated_at < ?3
             returning {}",
            DeletedRow::COLUMNS
        ))?;
        let mut rows = statement.query((workspace.as_bytes(), row, before))?;
        rows.next()?.map(|row| DeletedRow::read(&mut Cells::new("messages", row))).transpose()?
    };
    let Some(DeletedRow { message, wamid }) = deleted else { return Ok(0) };
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
            .execute_any((workspace.as_bytes(), wamid, message.as_bytes()))?;
    }
    connection
        .prepare_cached("delete from message_timeline where workspace_id = ?1 and message_id = ?2")?
        .execute_any((workspace.as_bytes(), message.as_bytes()))?;
    // No other row refers to the files of the message.
    media::records::erase_media(connection, workspace, message)?;
    Ok(1)
}
