//! Query parameters of the event operations.

use domain::check::Fields;
use domain::events::EventKind;
use domain::id::{AccountId, EventId, WorkspaceId};
use engine::access::api_key::Caller;
use engine::ports::{EventFilter, EventStart};
use engine::{Deps, events};

use crate::api::error::ApiError;
use crate::api::events::kinds::event_kinds;

/// The events that a client requests: where to start, and which.
pub(crate) struct EventQuery {
    /// Position to start after.
    pub(crate) start: EventStart,
    account: Option<AccountId>,
    kinds: Option<Vec<EventKind>>,
}

impl EventQuery {
    /// Reads the query. `last_event_id` is the value of the header `Last-Event-ID`.
    pub(crate) fn read(
        deps: &Deps,
        caller: &Caller,
        fields: &Fields<'_, '_>,
        last_event_id: Option<&str>,
    ) -> Self {
        let after = fields.optional("after");
        let start = match (last_event_id, after.string(1..)) {
            // A browser that reconnects sends the id of the last event that it received; the URL does not change.
            (Some(id), _) => event_start(caller.workspace(), id).or_else(|| {
                after.refuse("the header `Last-Event-ID` is not the id of an event of this workspace");
                None
            }),
            (None, Some(text)) => event_start(caller.workspace(), text).or_else(|| {
                after.refuse("must be the id of an event of this workspace, or `latest`");
                None
            }),
            (None, None) => None,
        };
        let account = fields.optional("account");
        let account = account.string(1..).and_then(|name| {
            let directory = deps.directory.current();
            let found = directory.account(caller.workspace(), name).map(|record| record.account.id);
            if found.is_none() {
                account.refuse("there is no such account");
            }
            found
        });
        let kinds = event_kinds(&fields.optional("events"));
        Self { start: start.unwrap_or(EventStart::Oldest), account, kinds }
    }

    /// The filter of the event log, for the accounts that the caller has access to now.
    pub(crate) fn filter(&self, deps: &Deps, caller: &Caller) -> EventFilter {
        events::filter(deps, caller, self.account, self.kinds.clone())
    }
}

fn event_start(workspace: WorkspaceId, text: &str) -> Option<EventStart> {
    if text == "latest" {
        return Some(EventStart::Newest);
    }
    let id: EventId = text.parse().ok()?;
    id.position(workspace).map(|_| EventStart::After(id))
}

/// The error of a position that is after the end of the log.
pub(crate) fn unknown_position() -> ApiError {
    ApiError::invalid_at(
        "/after",
        "the event log does not contain this event; the database may have been restored from an older backup",
    )
}
