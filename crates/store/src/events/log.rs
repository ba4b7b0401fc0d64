//! The event log. Each event is written in the transaction of the change that it reports.
//!
//! **Invariant:** `seq` counts the events of a workspace in commit order, without gaps: there is one writer. The last
//! event of a workspace is never deleted, so that no position is used twice.

use domain::events::EventKind;
use domain::id::{AccountId, ContactId, EventId, WebhookId, WorkspaceId};
use engine::ports::{EventFilter, EventPage, EventStart, StoredEvent};
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};
use serde::Serialize;

use crate::error::SqlResult;
use crate::row::{Cells, SelectRow as _, json, micros, row};
use crate::scope::Scope;
use crate::sqlite::execute::Execute as _;

/// Subject and time of an event.
#[derive(Clone, Copy)]
pub(crate) struct About<'a> {
    pub(crate) workspace: WorkspaceId,
    /// Account of the event.
    pub(crate) account: Option<AccountId>,
    /// WhatsApp Business Account of the event, if it concerns all its accounts.
    pub(crate) waba_id: Option<&'a str>,
    /// Contact of the event: events of one contact are delivered in order.
    pub(crate) contact: Option<ContactId>,
    /// Endpoint that is tested by the event, and the only receiver of the event.
    pub(crate) webhook: Option<WebhookId>,
    pub(crate) now: Timestamp,
}

impl About<'_> {
    /// Creates the subject of an event about a workspace.
    pub(crate) fn workspace(workspace: WorkspaceId, now: Timestamp) -> Self {
        Self { workspace, account: None, waba_id: None, contact: None, webhook: None, now }
    }

    /// Creates the subject of an event about a contact.
    pub(crate) fn contact(scope: Scope, contact: ContactId, now: Timestamp) -> Self {
        Self { account: Some(scope.account), contact: Some(contact), ..Self::workspace(scope.workspace, now) }
    }
}

/// Inserts an event at the next position.
pub(crate) fn emit(
    connection: &Connection,
    about: &About<'_>,
    kind: EventKind,
    data: &impl Serialize,
) -> SqlResult<()> {
    connection
        .prepare_cached(
            "insert into events (workspace_id, seq, kind, account_id, waba_id, contact_id, webhook_id, created_at, data)
             values (?1, (select coalesce(max(seq), 0) + 1 from events where workspace_id = ?1), ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )?
        .execute_one(params![
            about.workspace.as_bytes(),
            kind.as_str(),
            about.account.as_ref().map(AccountId::as_bytes),
            about.waba_id,
            about.contact.as_ref().map(ContactId::as_bytes),
            about.webhook.as_ref().map(WebhookId::as_bytes),
            micros(about.now),
            json(data)?,
        ])
}

/// Returns the position of the workspace's last event; 0 before the first event.
pub(crate) fn last_position(connection: &Connection, workspace: WorkspaceId) -> SqlResult<i64> {
    Ok(last_event(connection, workspace)?.map_or(0, |last| last.position))
}

row! {
    struct LastEventRow {
        position: i64 = get "seq",
        created_at: Timestamp = at "created_at",
    } from "events where workspace_id = ?1 order by seq desc limit 1"
}

fn last_event(connection: &Connection, workspace: WorkspaceId) -> SqlResult<Option<LastEventRow>> {
    LastEventRow::find(connection, [workspace.as_bytes()])
}

/// Returns the position of the oldest stored event.
fn first_position(connection: &Connection, workspace: WorkspaceId) -> SqlResult<Option<i64>> {
    let mut statement =
        connection.prepare_cached("select seq from events where workspace_id = ?1 order by seq limit 1")?;
    Ok(statement.query_row([workspace.as_bytes()], |row| row.get(0)).optional()?)
}

/// Returns the first position of the workspace's events at or after a time; the position after the last event if
/// there is none.
///
/// The times are in the order of the positions, apart from small backward steps of the clock. A binary search finds
/// the position.
pub(crate) fn first_position_since(
    connection: &Connection,
    workspace: WorkspaceId,
    at: Timestamp,
) -> SqlResult<i64> {
    let Some(first) = first_position(connection, workspace)? else { return Ok(1) };
    let (mut low, mut high) = (first, last_position(connection, workspace)? + 1);
    let mut time = connection.prepare_cached(
        "select created_at from events where workspace_id = ?1 and seq >= ?2 order by seq limit 1",
    )?;
    while low < high {
        let middle = low + (high - low) / 2;
        let is_before =
            time.query_row((workspace.as_bytes(), middle), |row| row.get::<_, i64>(0))? < micros(at);
        if is_before {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    Ok(low)
}

row! {
    /// Columns of an event.
    pub(crate) struct EventRow {
        position: i64 = get "seq",
        kind: EventKind = parsed "kind",
        created_at: Timestamp = at "created_at",
        data: String = get "data",
        account: Option<AccountId> = opt_id "account_id",
        waba_id: Option<String> = get "waba_id",
        contact: Option<ContactId> = opt_id "contact_id",
        is_test: bool = flag "webhook_id is not null",
    }
}

impl EventRow {
    pub(crate) fn into_event(self, workspace: WorkspaceId) -> StoredEvent {
        StoredEvent {
            position: self.position,
            id: EventId::at(workspace, self.position, self.created_at),
            kind: self.kind,
            at: self.created_at,
            data: self.data,
            is_test: self.is_test,
        }
    }
}

/// Returns the position of an event of this log. Returns `None` if the log has not reached the position, or has
/// another event there. Both happen after a restore, if a client has read events that the backup does not contain.
fn find_position(connection: &Connection, workspace: WorkspaceId, id: EventId) -> SqlResult<Option<i64>> {
    let Some(position) = id.position(workspace) else { return Ok(None) };
    if position > last_position(connection, workspace)? {
        return Ok(None);
    }
    let mut statement =
        connection.prepare_cached("select created_at from events where workspace_id = ?1 and seq = ?2")?;
    let mut rows = statement.query((workspace.as_bytes(), position))?;
    let Some(row) = rows.next()? else { return Ok(Some(position)) };
    let at = Cells::new("events", row).at()?;
    Ok((EventId::at(workspace, position, at) == id).then_some(position))
}

/// Maximum number of events that are read for one page: a filter matches most events, or almost none.
const MAX_SCANNED: i64 = 5_000;

/// Lists the next events. Events that test an endpoint are not listed.
pub(crate) fn list_events(
    connection: &Connection,
    workspace: WorkspaceId,
    filter: &EventFilter,
    start: EventStart,
    limit: u32,
) -> SqlResult<Option<EventPage>> {
    let after = match start {
        EventStart::Oldest => 0,
        EventStart::After(id) => match find_position(connection, workspace, id)? {
            Some(position) => position,
            None => return Ok(None),
        },
        EventStart::Newest => {
            let newest = last_event(connection, workspace)?
                .map(|last| EventId::at(workspace, last.position, last.created_at));
            return Ok(Some(EventPage { events: Vec::new(), last: newest, has_more: false, has_gap: false }));
        }
    };
    let mut statement = connection.prepare_cached(&format!(
        "select {} from events where workspace_id = ?1 and seq > ?2 order by seq limit ?3",
        EventRow::COLUMNS
    ))?;
    let mut rows = statement.query((workspace.as_bytes(), after, MAX_SCANNED))?;
    let has_gap = start != EventStart::Oldest
        && first_position(connection, workspace)?.is_some_and(|first| first > after + 1);
    let mut page = EventPage { events: Vec::new(), last: None, has_more: false, has_gap };
    let mut n_scanned = 0;
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    while let Some(row) = rows.next()? {
        if page.events.len() >= limit {
            page.has_more = true;
            return Ok(Some(page));
        }
        let row = EventRow::read(&mut Cells::new("events", row))?;
        let is_match = !row.is_test && filter.matches(row.kind, row.account, row.waba_id.as_deref());
        let event = row.into_event(workspace);
        page.last = Some(event.id);
        n_scanned += 1;
        if is_match {
            page.events.push(event);
        }
    }
    page.has_more = n_scanned == MAX_SCANNED;
    Ok(Some(page))
}

pub(crate) fn get_event(
    connection: &Connection,
    workspace: WorkspaceId,
    position: i64,
) -> SqlResult<Option<StoredEvent>> {
    let mut statement = connection.prepare_cached(&format!(
        "select {} from events where workspace_id = ?1 and seq = ?2",
        EventRow::COLUMNS
    ))?;
    let mut rows = statement.query((workspace.as_bytes(), position))?;
    let Some(row) = rows.next()? else { return Ok(None) };
    Ok(Some(EventRow::read(&mut Cells::new("events", row))?.into_event(workspace)))
}
