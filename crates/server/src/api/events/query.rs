//! Query parameters of the event operations.

use domain::check::Fields;
use domain::events::{EventKind, EventSelection};
use domain::id::{AccountId, EventId, WorkspaceId};
use engine::access::caller::Caller;
use engine::events::readers::EventReaderLimit;
use engine::ports::{EventFilter, EventStart};
use engine::{Deps, events};

use crate::api::error::{ApiError, Code};
use crate::api::events::kinds::{PATTERNS, selection_of_text, selection_schema};
use crate::api::openapi::schema::Schema;

/// Documentation of `after`.
const AFTER: &str = "ID of an event: the response has the events after this event. `latest`: events from now on. Default: all \
                     stored events.";

/// The events that a client requests: where to start, and which.
pub(crate) struct EventQuery {
    /// Position to start after.
    pub(crate) start: EventStart,
    account: Option<AccountId>,
    kinds: Option<Vec<EventKind>>,
}

impl EventQuery {
    /// Reads the query. `last_event_id` is the value of the header `Last-Event-ID`. Without a caller the reader can only
    /// be described.
    pub(crate) fn read(
        context: Option<(&Deps, &Caller)>,
        fields: &Fields<'_, '_>,
        last_event_id: Option<&str>,
    ) -> Self {
        let workspace = context.map(|(_, caller)| caller.workspace());
        let event_start = |text: &str| workspace.and_then(|workspace| event_start(workspace, text));
        let after = fields.optional("after").about(AFTER).written_as(|| {
            Schema::any_of([Schema::uuid().set("maxLength", 36), Schema::constant("latest")]).into()
        });
        let start = match (last_event_id, after.string(1..)) {
            // A browser that reconnects sends the id of the last event that it received; the URL does not change.
            (Some(id), _) => event_start(id).or_else(|| {
                after.refuse("the header `Last-Event-ID` is not the id of an event of this workspace");
                None
            }),
            (None, Some(text)) => event_start(text).or_else(|| {
                after.refuse("must be the id of an event of this workspace, or `latest`");
                None
            }),
            (None, None) => None,
        };
        let account = fields.optional("account").about("ID or name of an account.");
        let account = account.string(1..).zip(context).and_then(|(name, (deps, caller))| {
            let directory = deps.directory.current();
            let found = directory.account(caller.workspace(), name).map(|record| record.account.id);
            if found.is_none() {
                account.refuse("there is no such account");
            }
            found
        });
        let kinds = fields
            .optional("events")
            .about(PATTERNS)
            .about("Events, separated by commas.")
            .written_as(|| selection_schema().into());
        let kinds = selection_of_text(&kinds).map(|selection: EventSelection| selection.kinds());
        Self { start: start.unwrap_or(EventStart::Oldest), account, kinds }
    }

    /// The filter of the event log, for the accounts that the caller has access to now.
    pub(crate) fn filter(&self, deps: &Deps, caller: &Caller) -> EventFilter {
        events::event_filter(deps, caller, self.account, self.kinds.clone())
    }
}

fn event_start(workspace: WorkspaceId, text: &str) -> Option<EventStart> {
    if text == "latest" {
        return Some(EventStart::Newest);
    }
    let id: EventId = text.parse().ok()?;
    id.position(workspace).map(|_| EventStart::After(id))
}

/// `Retry-After` when too many streams and long polls are open, in seconds.
const READERS_WAIT: u32 = 5;

impl From<EventReaderLimit> for ApiError {
    fn from(limit: EventReaderLimit) -> Self {
        let owner = match limit {
            EventReaderLimit::Caller => "one API key or user",
            EventReaderLimit::Workspace => "one workspace",
            EventReaderLimit::Total => "the gateway",
        };
        let message = format!(
            "At most {} event streams and long polls of {owner} can be open at the same time. Close one, or try again in \
             {READERS_WAIT} s.",
            limit.max()
        );
        Self::new(Code::RateLimited, message).retry_after(READERS_WAIT)
    }
}

/// The error of a position that is after the end of the log.
pub(crate) fn unknown_position() -> ApiError {
    ApiError::invalid_at(
        "/after",
        "the event log does not contain this event; the database may have been restored from an older backup",
    )
}
