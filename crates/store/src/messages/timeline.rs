//! Timeline of a message.

use domain::events::EchoData;
use domain::id::{MessageId, WorkspaceId};
use domain::messages::status::MessageStatus;
use domain::messages::status_report::Pricing;
use domain::meta_error::MetaError;
use engine::ports::TimelineEntry;
use jiff::Timestamp;
use rusqlite::{Connection, params};

use crate::error::SqlResult;
use crate::messages::message_events;
use crate::messages::message_events::MessageStep;
use crate::messages::outbound_state::OutboundState;
use crate::payloads::PayloadSpan;
use crate::row::{Cells, columns, json, micros};

columns! {
    COLUMNS, read -> TimelineEntry {
        status: parsed "status",
        at: at "occurred_at",
        received_at: at "received_at",
        is_report: flag "is_report",
        wamid: get "wamid",
        is_duplicate: flag "is_duplicate",
        error: opt_json "error",
        pricing: opt_json "pricing",
    }
}

/// Lists the entries of a message.
pub(crate) fn list_entries(
    connection: &Connection,
    workspace: WorkspaceId,
    message: MessageId,
) -> SqlResult<Vec<TimelineEntry>> {
    let mut statement = connection.prepare_cached(&format!(
        "select {COLUMNS} from message_timeline where workspace_id = ?1 and message_id = ?2 order by entry"
    ))?;
    let mut rows = statement.query((workspace.as_bytes(), message.as_bytes()))?;
    let mut entries = Vec::new();
    while let Some(row) = rows.next()? {
        entries.push(read(&mut Cells::new("message_timeline", row))?);
    }
    Ok(entries)
}

/// Entry of a message's timeline.
pub(crate) struct TimelineRow<'a> {
    pub(crate) status: MessageStatus,
    pub(crate) at: Timestamp,
    pub(crate) received_at: Timestamp,
    pub(crate) is_report: bool,
    pub(crate) wamid: Option<&'a str>,
    pub(crate) is_duplicate: bool,
    pub(crate) error: Option<&'a MetaError>,
    /// Reason of a failure, as a code of Waypost.
    pub(crate) failure_code: Option<&'a str>,
    pub(crate) pricing: Option<&'a Pricing>,
    pub(crate) raw: Option<PayloadSpan>,
    /// Content of a message echo.
    pub(crate) echo: Option<EchoData<'a>>,
}

impl TimelineRow<'_> {
    /// Creates an entry for a change that Waypost made.
    pub(crate) fn ours(status: MessageStatus, now: Timestamp) -> Self {
        Self {
            status,
            at: now,
            received_at: now,
            is_report: false,
            wamid: None,
            is_duplicate: false,
            error: None,
            failure_code: None,
            pricing: None,
            raw: None,
            echo: None,
        }
    }

    /// Sets the time of the entry.
    pub(crate) fn at(self, at: Timestamp) -> Self {
        Self { at, ..self }
    }

    /// Returns `true` if an event is emitted for the entry, unless an earlier entry has the same status. Duplicates
    /// and statuses that came too late emit none.
    fn emits_event(&self, current: MessageStatus) -> bool {
        !self.is_duplicate
            && self.status != MessageStatus::Queued
            && (self.is_report || self.status == MessageStatus::Sent || self.status == current)
    }
}

/// Inserts an entry, and emits an event for the first entry of each status.
pub(crate) fn insert_entry(
    connection: &Connection,
    current: &OutboundState,
    entry: &TimelineRow<'_>,
) -> SqlResult<()> {
    let number: u32 = connection
        .prepare_cached("select coalesce(max(entry), 0) + 1 from message_timeline where message_id = ?1")?
        .query_row([current.message.as_bytes()], |row| row.get(0))?;
    connection
        .prepare_cached(
            "insert into message_timeline (
                 message_id, entry, workspace_id, status, occurred_at, received_at, is_report, wamid, is_duplicate, error, pricing,
                 payload_seq, payload_start, payload_length)
             values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
        )?
        .execute(params![
            current.message.as_bytes(),
            number,
            current.workspace.as_bytes(),
            entry.status.as_str(),
            micros(entry.at),
            micros(entry.received_at),
            entry.is_report,
            entry.wamid,
            entry.is_duplicate,
            entry.error.map(json).transpose()?,
            entry.pricing.map(json).transpose()?,
            entry.raw.map(|(payload, _, _)| payload),
            entry.raw.map(|(_, start, _)| start),
            entry.raw.map(|(_, _, length)| length),
        ])?;
    if !entry.emits_event(current.status)
        || number > 1 && has_earlier_entry(connection, current, entry.status, number)?
    {
        return Ok(());
    }
    let step = MessageStep {
        event_status: entry.status,
        at: entry.at,
        wamid: entry.wamid,
        error: entry.error,
        failure_code: entry.failure_code,
        pricing: entry.pricing,
        echo: entry.echo,
        now: entry.received_at,
    };
    message_events::emit_status(connection, current, &step)
}

/// Returns `true` if an earlier entry has the status.
fn has_earlier_entry(
    connection: &Connection,
    current: &OutboundState,
    status: MessageStatus,
    number: u32,
) -> SqlResult<bool> {
    let mut statement = connection.prepare_cached(
        "select exists (select 1 from message_timeline
         where message_id = ?1 and status = ?2 and is_duplicate = 0 and entry < ?3)",
    )?;
    Ok(statement.query_row((current.message.as_bytes(), status.as_str(), number), |row| row.get(0))?)
}
