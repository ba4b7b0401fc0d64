//! Events with the columns that select their endpoints.

use domain::id::{AccountId, ContactId, WorkspaceId};
use engine::ports::StoredEvent;
use rusqlite::Connection;

use crate::error::SqlResult;
use crate::events::log::EventRow;
use crate::row::Cells;
use crate::webhooks_out::endpoints::EndpointFilter;

/// Event with the columns that select its endpoints.
pub(crate) struct RoutedEvent {
    pub(crate) event: StoredEvent,
    pub(crate) account: Option<AccountId>,
    pub(crate) waba_id: Option<String>,
    pub(crate) contact: Option<ContactId>,
}

impl RoutedEvent {
    /// Returns `true` if the endpoint receives the event. The event of a test is delivered separately.
    pub(crate) fn is_for(&self, endpoint: &EndpointFilter) -> bool {
        !self.event.is_test && endpoint.filter.matches(self.event.kind, self.account, self.waba_id.as_deref())
    }

    /// Returns the key of the event's delivery queue: the contact, or the workspace for events without a contact.
    pub(crate) fn queue_key(&self, workspace: WorkspaceId) -> Vec<u8> {
        self.contact.map_or(*workspace.as_bytes(), |contact| *contact.as_bytes()).to_vec()
    }
}

/// Lists the events after the position `after`, up to the position `last`.
pub(crate) fn list_routed(
    connection: &Connection,
    workspace: WorkspaceId,
    after: i64,
    last: i64,
    limit: u32,
) -> SqlResult<Vec<RoutedEvent>> {
    let mut statement = connection.prepare_cached(&format!(
        "select {} from events where workspace_id = ?1 and seq > ?2 and seq <= ?3 order by seq limit ?4",
        EventRow::COLUMNS
    ))?;
    let mut rows = statement.query((workspace.as_bytes(), after, last, limit))?;
    let mut events = Vec::new();
    while let Some(row) = rows.next()? {
        let mut row = EventRow::read(&mut Cells::new("events", row))?;
        events.push(RoutedEvent {
            account: row.account,
            waba_id: row.waba_id.take(),
            contact: row.contact,
            event: row.into_event(workspace),
        });
    }
    Ok(events)
}
