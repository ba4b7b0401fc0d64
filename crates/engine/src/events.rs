//! Reads of the event log for a caller.

pub mod readers;

use domain::events::EventKind;
use domain::id::AccountId;
use jiff::{SignedDuration, Timestamp};

use crate::Deps;
use crate::access::caller::Caller;
use crate::events::readers::{EventReader, EventReaderLimit};
use crate::ports::{EventFilter, EventPage, EventStart, StoreError};

/// Interval at which a waiting reader reads the log. Commits of this process wake the reader at once; the interval is for
/// commits of other processes.
const POLL_INTERVAL: SignedDuration = SignedDuration::from_secs(1);

/// Returns a filter for the events that the caller may see, restricted to one account and to some kinds.
pub fn event_filter(
    deps: &Deps,
    caller: &Caller,
    account: Option<AccountId>,
    kinds: Option<Vec<EventKind>>,
) -> EventFilter {
    let directory = deps.directory.current();
    let visible = caller.visible_accounts(deps);
    let accounts = (visible.is_some() || account.is_some()).then(|| {
        let is_visible = |id: &AccountId| visible.as_ref().is_none_or(|visible| visible.contains(id));
        directory
            .accounts_of(caller.workspace())
            .map(|record| &record.account)
            .filter(|found| is_visible(&found.id) && account.is_none_or(|wanted| wanted == found.id))
            .map(|found| (found.id, found.waba_id.clone()))
            .collect()
    });
    // A key that lists accounts does not get events of the workspace that concern no account.
    let includes_workspace_events = account.is_none() && !caller.is_account_restricted();
    EventFilter { kinds, accounts, includes_workspace_events }
}

/// Opens an event stream or a long poll of a caller.
///
/// # Errors
/// If too many are open.
pub fn open_reader(deps: &Deps, caller: &Caller) -> Result<EventReader, EventReaderLimit> {
    deps.event_readers.open(caller.workspace(), caller.owner())
}

/// Start, length and deadline of a read of the event log.
#[derive(Clone, Copy, Debug)]
pub struct EventWait {
    /// Start of the page.
    pub start: EventStart,
    /// Maximum number of events.
    pub limit: u32,
    /// Time until which the read waits for an event.
    pub deadline: Timestamp,
}

/// Returns the next events. Without events, waits for one until the deadline, or until the process stops. `filter` is
/// called before each read; if it returns `None`, the wait ends. Returns `None` if the start is not an event of the log.
///
/// # Errors
/// The store cannot be read.
pub async fn wait_for_events(
    deps: &Deps,
    caller: &Caller,
    filter: impl Fn() -> Option<EventFilter>,
    wait: EventWait,
) -> Result<Option<EventPage>, StoreError> {
    let EventWait { mut start, limit, deadline } = wait;
    let (mut last, mut has_gap) = (None, false);
    loop {
        let committed = deps.committed.notified();
        let mut committed = std::pin::pin!(committed);
        // Enabled before the read, so that a commit during the read ends the wait.
        committed.as_mut().enable();
        let no_events = EventPage { events: Vec::new(), last, has_more: false, has_gap };
        let Some(filter) = filter() else { return Ok(Some(no_events)) };
        let turn = deps.event_readers.turn().await;
        let read = deps.events.list_events(caller.workspace(), &filter, start, limit).await;
        drop(turn);
        let Some(page) = read? else { return Ok(None) };
        let now = deps.now();
        last = page.last.or(last);
        has_gap |= page.has_gap;
        if !page.events.is_empty() || (now >= deadline && !page.has_more) || deps.stopping.is_cancelled() {
            return Ok(Some(EventPage { last, has_gap, ..page }));
        }
        // Events that do not match are not read again.
        start = last.map_or(start, EventStart::After);
        if page.has_more {
            continue;
        }
        let next_read_at = now.saturating_add(POLL_INTERVAL).unwrap_or(deadline).min(deadline);
        tokio::select! {
            () = committed => {}
            () = deps.clock.sleep_until(next_read_at) => {}
            () = deps.stopping.cancelled() => {}
        }
    }
}
