//! Timeline of a message.

use std::sync::LazyLock;

use domain::events::EchoData;
use domain::id::{MessageId, WorkspaceId};
use domain::messages::status::MessageStatus;
use domain::messages::status_report::{Pricing, StatusReport};
use domain::meta_error::MetaError;
use engine::ports::TimelineEntry;
use jiff::Timestamp;
use rusqlite::{Connection, params};

use crate::error::SqlResult;
use crate::messages::message_events;
use crate::messages::message_events::MessageStep;
use crate::messages::outbound_state::OutboundState;
use crate::payloads::PayloadSpan;
use crate::row::{Cells, columns, json, micros, row};

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

row! {
    /// Entry that was inserted before.
    struct EarlierEntry {
        number: u32 = get "entry",
        status: MessageStatus = parsed "status",
        is_report: bool = flag "is_report",
        wamid: Option<String> = get "wamid",
        is_duplicate: bool = flag "is_duplicate",
        has_pricing: bool = flag "pricing is not null",
    }
}

static LIST_EARLIER: LazyLock<String> = LazyLock::new(|| {
    format!("select {} from message_timeline where message_id = ?1 order by entry", EarlierEntry::COLUMNS)
});

/// Entries of a message that were inserted before, as far as a new entry depends on them.
pub(crate) struct EarlierEntries(Vec<EarlierEntry>);

impl EarlierEntries {
    /// Reads the entries of a message.
    pub(crate) fn of(connection: &Connection, message: MessageId) -> SqlResult<Self> {
        let mut statement = connection.prepare_cached(&LIST_EARLIER)?;
        let mut rows = statement.query([message.as_bytes()])?;
        let mut entries = Vec::new();
        while let Some(row) = rows.next()? {
            entries.push(EarlierEntry::read(&mut Cells::new("message_timeline", row))?);
        }
        Ok(Self(entries))
    }

    /// Returns `true` if Meta has reported a status of this wamid.
    pub(crate) fn has_report(&self, wamid: &str) -> bool {
        self.reports().any(|entry| entry.wamid.as_deref() == Some(wamid))
    }

    /// Returns `true` if the report is stored already.
    pub(crate) fn contains(&self, report: &StatusReport) -> bool {
        self.reports().any(|entry| {
            entry.status == report.status && entry.wamid.as_deref() == Some(report.wamid.as_str())
        })
    }

    /// Returns `true` if Meta has reported a pricing with a more advanced status.
    pub(crate) fn has_pricing_after(&self, status: MessageStatus) -> bool {
        self.reports().any(|entry| !entry.is_duplicate && entry.has_pricing && entry.status > status)
    }

    fn reports(&self) -> impl Iterator<Item = &EarlierEntry> {
        self.0.iter().filter(|entry| entry.is_report)
    }

    fn has_status(&self, status: MessageStatus) -> bool {
        self.0.iter().any(|entry| !entry.is_duplicate && entry.status == status)
    }

    fn next_number(&self) -> u32 {
        self.0.last().map_or(1, |entry| entry.number.saturating_add(1))
    }
}

/// Inserts an entry, and emits an event for the first entry of each status.
pub(crate) fn insert_entry(
    connection: &Connection,
    current: &OutboundState,
    entry: &TimelineRow<'_>,
) -> SqlResult<()> {
    insert_entry_after(connection, current, &EarlierEntries::of(connection, current.message)?, entry)
}

/// Inserts an entry after earlier entries that are known, as [`insert_entry`] does.
pub(crate) fn insert_entry_after(
    connection: &Connection,
    current: &OutboundState,
    earlier: &EarlierEntries,
    entry: &TimelineRow<'_>,
) -> SqlResult<()> {
    connection
        .prepare_cached(
            "insert into message_timeline (
                 message_id, entry, workspace_id, status, occurred_at, received_at, is_report, wamid, is_duplicate, error, pricing,
                 payload_seq, payload_start, payload_length)
             values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
        )?
        .execute(params![
            current.message.as_bytes(),
            earlier.next_number(),
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
    if !entry.emits_event(current.status) || earlier.has_status(entry.status) {
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
