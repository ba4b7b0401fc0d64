//! The event log as its readers follow it.

use domain::events::EventKind;
use domain::id::AccountId;
use jiff::{SignedDuration, Timestamp};

use crate::Deps;
use crate::access::api_key::Caller;
use crate::ports::{EventFilter, EventPage, EventStart, StoreError};

/// How often the log is looked at while nothing is heard from this process: another may have written.
const LOOK_EVERY: SignedDuration = SignedDuration::from_secs(1);

/// Which events a caller gets: those of the accounts that the key may see, of one account, of some kinds.
pub fn filter(
    deps: &Deps,
    caller: &Caller,
    account: Option<AccountId>,
    kinds: Option<Vec<EventKind>>,
) -> EventFilter {
    let directory = deps.directory.current();
    let visible = caller.visible(deps);
    let accounts = (visible.is_some() || account.is_some()).then(|| {
        let of_caller = |id: &AccountId| visible.as_ref().is_none_or(|visible| visible.contains(id));
        directory
            .accounts_of(caller.workspace())
            .map(|record| &record.account)
            .filter(|found| of_caller(&found.id) && account.is_none_or(|wanted| wanted == found.id))
            .map(|found| (found.id, found.waba_id.clone()))
            .collect()
    });
    // What belongs to no account is the workspace's: a key that names accounts is not asked for it.
    let has_unplaced = account.is_none() && !caller.names_accounts();
    EventFilter { kinds, accounts, has_unplaced }
}

/// The next events; waits for one until `deadline`, and ends early when the process is to stop.
/// `None`: there is no such event in this log.
///
/// # Errors
/// When the store cannot be read.
pub async fn next(
    deps: &Deps,
    filter: impl Fn() -> Option<EventFilter>,
    caller: &Caller,
    (start, limit): (EventStart, u32),
    deadline: Timestamp,
) -> Result<Option<EventPage>, StoreError> {
    let (mut start, mut last, mut has_gap) = (start, None, false);
    loop {
        let committed = deps.committed.notified();
        let mut committed = std::pin::pin!(committed);
        // Before the look, or what is committed during it would not be heard.
        committed.as_mut().enable();
        let nothing = EventPage { events: Vec::new(), last, has_more: false, has_gap };
        let Some(filter) = filter() else { return Ok(Some(nothing)) };
        let Some(page) = deps.events.list_events(caller.workspace(), &filter, start, limit).await? else {
            return Ok(None);
        };
        let now = deps.now();
        last = page.last.or(last);
        has_gap |= page.has_gap;
        if !page.events.is_empty() || (now >= deadline && !page.has_more) || deps.stopping.is_cancelled() {
            return Ok(Some(EventPage { last, has_gap, ..page }));
        }
        // What was looked at and was not wanted is not looked at again.
        start = last.map_or(start, EventStart::After);
        if page.has_more {
            continue;
        }
        let next_look = now.saturating_add(LOOK_EVERY).unwrap_or(deadline).min(deadline);
        tokio::select! {
            () = committed => {}
            () = deps.clock.sleep_until(next_look) => {}
            () = deps.stopping.cancelled() => {}
        }
    }
}
