//! Event log.

use super::port_macro::port;
use super::storage::StoreError;
use domain::events::EventKind;
use domain::id::WorkspaceId;
use domain::id::{AccountId, EventId};
use domain::time::rfc3339;
use jiff::Timestamp;

port! {
    storage events_port;

    /// Event log of each workspace.
    pub trait Events {
        /// Returns the next events of a workspace, in order. Returns `None` if the event in `start` is not an event of this
        /// log.
        async fn list_events(
            &self,
            workspace: WorkspaceId,
            filter: &EventFilter,
            start: EventStart,
            limit: u32,
        ) -> Result<Option<EventPage>, StoreError>;
    }
}

/// Event read from the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredEvent {
    /// Position in the log of the workspace, from 1, in commit order.
    pub position: i64,
    /// Identifier, which contains the position.
    pub id: EventId,
    /// Kind.
    pub kind: EventKind,
    /// Time at which the event was written.
    pub at: Timestamp,
    /// Data: JSON text.
    pub data: String,
    /// `true` if the event was written by a test of an endpoint: nothing has happened, and no other reader gets it.
    pub is_test: bool,
}

impl StoredEvent {
    /// Returns the event as JSON: `{"id","event","sequence","timestamp","data"}`, with `"test":true` before the data of a
    /// test. The sequence is the position: it ascends in the workspace, and so for each contact, also after a merge of
    /// contacts.
    pub fn body(&self) -> String {
        let Self { position, id, kind, data, .. } = self;
        let timestamp = rfc3339(self.at);
        let test = if self.is_test { r#""test":true,"# } else { "" };
        format!(
            r#"{{"id":"{id}","event":"{kind}","sequence":{position},"timestamp":"{timestamp}",{test}"data":{data}}}"#
        )
    }
}

/// Filter of events; `None` matches all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventFilter {
    /// Kinds.
    pub kinds: Option<Vec<EventKind>>,
    /// Accounts, each with Meta's id of its WhatsApp Business Account.
    pub accounts: Option<Vec<(AccountId, String)>>,
    /// `true` if events that concern no account match as well. No effect without `accounts`.
    pub includes_workspace_events: bool,
}

impl EventFilter {
    /// Returns `true` if an event that concerns this account, or all accounts of this WhatsApp Business Account, matches.
    pub fn matches(&self, kind: EventKind, account: Option<AccountId>, waba_id: Option<&str>) -> bool {
        if self.kinds.as_ref().is_some_and(|kinds| !kinds.contains(&kind)) {
            return false;
        }
        let Some(accounts) = &self.accounts else { return true };
        match (account, waba_id) {
            (Some(account), _) => accounts.iter().any(|(id, _)| *id == account),
            (None, Some(waba_id)) => accounts.iter().any(|(_, of)| of == waba_id),
            (None, None) => self.includes_workspace_events,
        }
    }
}

/// Page of the event log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventPage {
    /// Events that match the filter, in order.
    pub events: Vec<StoredEvent>,
    /// Last event that was read, matching or not: the next page starts after it. `None` if the log has no event after the
    /// start.
    pub last: Option<EventId>,
    /// `true` if more events may follow.
    pub has_more: bool,
    /// `true` if events between the start and the first event of the page were deleted by retention.
    pub has_gap: bool,
}

/// Start of a page in the event log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventStart {
    /// Oldest event of the log.
    Oldest,
    /// End of the log: only events that are written later.
    Newest,
    /// After this event, which may have been deleted.
    After(EventId),
}
