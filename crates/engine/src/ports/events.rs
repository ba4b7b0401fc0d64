//! Event log.

use super::StoreError;
use super::port_macro::port;
use domain::events::EventKind;
use domain::id::WorkspaceId;
use domain::id::{AccountId, EventId};
use jiff::Timestamp;

port! {
    storage events_port;

    /// Event log of each workspace.
    pub trait Events {
        /// The next events of a workspace, in order. `None`: this log has not come as far as the event that is named, or
        /// something else happened there.
        async fn list_events(
            &self,
            workspace: WorkspaceId,
            filter: &EventFilter,
            start: EventStart,
            limit: u32,
        ) -> Result<Option<EventPage>, StoreError>;
    }
}

/// An event that is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredEvent {
    /// Its place in the workspace's log, from 1, in commit order.
    pub position: i64,
    /// Its id, which holds the position.
    pub id: EventId,
    /// Its kind.
    pub kind: EventKind,
    /// When it was written down.
    pub at: Timestamp,
    /// What it says: JSON text.
    pub data: String,
}

impl StoredEvent {
    /// The event as every receiver gets it: `{"id","event","timestamp","data"}`.
    pub fn body(&self) -> String {
        let Self { id, kind, at, data, .. } = self;
        format!(r#"{{"id":"{id}","event":"{kind}","timestamp":"{at}","data":{data}}}"#)
    }
}

/// Which events are wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventFilter {
    /// Of these kinds; `None` is any.
    pub kinds: Option<Vec<EventKind>>,
    /// Of these accounts and their WhatsApp Business Accounts; `None` is any.
    pub accounts: Option<Vec<(AccountId, String)>>,
    /// Whether events of no account are wanted too, where accounts are named.
    pub has_unplaced: bool,
}

impl EventFilter {
    /// Whether an event is wanted that concerns this account, or the accounts of this WhatsApp Business Account.
    pub fn takes(&self, kind: EventKind, account: Option<AccountId>, waba_id: Option<&str>) -> bool {
        if self.kinds.as_ref().is_some_and(|kinds| !kinds.contains(&kind)) {
            return false;
        }
        let Some(accounts) = &self.accounts else { return true };
        match (account, waba_id) {
            (Some(account), _) => accounts.iter().any(|(id, _)| *id == account),
            (None, Some(waba_id)) => accounts.iter().any(|(_, of)| of == waba_id),
            (None, None) => self.has_unplaced,
        }
    }
}

/// Some events, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventPage {
    /// The events.
    pub events: Vec<StoredEvent>,
    /// How far was looked: the next page starts after this event. `None`: nothing comes after where it began.
    pub last: Option<EventId>,
    /// Whether there may be more at once.
    pub has_more: bool,
    /// Whether events between where it began and its first one are no longer kept.
    pub has_gap: bool,
}

/// Where to begin in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventStart {
    /// At the oldest event that is kept.
    Oldest,
    /// After the newest event.
    Newest,
    /// After this event, which may be gone already.
    After(EventId),
}
