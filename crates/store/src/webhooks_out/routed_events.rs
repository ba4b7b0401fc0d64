//! Events with the columns that select their endpoints.

use domain::events::EventKind;
use domain::id::WorkspaceId;
use engine::ports::StoredEvent;
use rusqlite::Connection;

use crate::error::SqlResult;
use crate::events::log;
use crate::row::Cells;
use crate::webhooks_out::endpoints::EndpointFilter;

/// Event with the columns that select its endpoints.
pub(crate) struct RoutedEvent {
    pub(crate) event: StoredEvent,
    pub(crate) account: Option<[u8; 16]>,
    pub(crate) waba_id: Option<String>,
    pub(crate) contact: Option<[u8; 16]>,
}

impl RoutedEvent {
    pub(crate) fn is_for(&self, endpoint: &EndpointFilter) -> bool {
        let account = self.account.map(domain::id::AccountId::from_bytes);
        // A test event is delivered separately.
        self.event.kind != EventKind::WebhookTest
            && endpoint.filter.matches(self.event.kind, account, self.waba_id.as_deref())
    }

    /// Returns the queue of the event: the contact, or the workspace for other events.
    pub(crate) fn queue_key(&self, workspace: WorkspaceId) -> Vec<u8> {
        self.contact.unwrap_or(*workspace.as_bytes()).to_vec()
    }
}

pub(crate) fn list_routed(
    connection: &Connection,
    workspace: WorkspaceId,
    (after, last): (i64, i64),
    limit: u32,
) -> SqlResult<Vec<RoutedEvent>> {
    let mut statement = connection.prepare_cached(
        "select seq, kind, created_at, data, account_id, waba_id, contact_id from events
         where workspace_id = ?1 and seq > ?2 and seq <= ?3 order by seq limit ?4",
    )?;
    let mut rows = statement.query((workspace.as_bytes(), after, last, limit))?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let mut cells = Cells::new("events", row);
        found.push(RoutedEvent {
            event: log::read_event(workspace, &mut cells)?,
            account: cells.get()?,
            waba_id: cells.get()?,
            contact: cells.get()?,
        });
    }
    Ok(found)
}
