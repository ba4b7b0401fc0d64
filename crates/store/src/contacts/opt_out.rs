//! Who takes no marketing: for good, because they or the application said so, or for a while, because Meta did.
//!
//! **Invariant:** every wish goes through here, whoever tells of it; the last one by its own time counts, and of two at
//! once the one for less.

use domain::contacts::opt_out::{OptOut, OptOutReason, OptOutSignal};
use domain::id::{AccountId, ContactId, WorkspaceId};
use domain::webhooks_in::update::MarketingPreference;
use jiff::Timestamp;
use rusqlite::{Connection, params};

use crate::contacts::{number_changes, resolve};
use crate::error::SqlResult;
use crate::events::event_payloads;
use crate::row::{Cells, micros};

/// Writes down that a person takes no marketing, said at a time and for a reason.
pub(crate) fn stop_marketing(
    connection: &Connection,
    place: (WorkspaceId, Option<AccountId>),
    contact: ContactId,
    (at, reason): (Timestamp, OptOutReason),
    now: Timestamp,
) -> SqlResult<()> {
    hear(connection, place, contact, (OptOutSignal::Stop, at, reason), now)
}

/// Writes down that a person takes marketing again, said at a time and for a reason.
pub(crate) fn resume_marketing(
    connection: &Connection,
    place: (WorkspaceId, Option<AccountId>),
    contact: ContactId,
    (at, reason): (Timestamp, OptOutReason),
    now: Timestamp,
) -> SqlResult<()> {
    hear(connection, place, contact, (OptOutSignal::Start, at, reason), now)
}

/// Takes what Meta tells of a person's wish.
pub(crate) fn prefer(
    connection: &Connection,
    (workspace, account): (WorkspaceId, AccountId),
    fresh: ContactId,
    preference: &MarketingPreference,
    now: Timestamp,
) -> SqlResult<()> {
    let person = number_changes::of_then(connection, workspace, &preference.from, preference.at)?;
    let contact = resolve::recognise(connection, (workspace, account), fresh, &person, now)?;
    let wish = if preference.takes_marketing { OptOutSignal::Start } else { OptOutSignal::Stop };
    let said = (wish, preference.at, OptOutReason::Meta);
    hear(connection, (workspace, Some(account)), contact, said, now)
}

fn hear(
    connection: &Connection,
    (workspace, account): (WorkspaceId, Option<AccountId>),
    contact: ContactId,
    (wish, at, reason): (OptOutSignal, Timestamp, OptOutReason),
    now: Timestamp,
) -> SqlResult<()> {
    let Some(known) = known(connection, workspace, contact)? else { return Ok(()) };
    let after = known.after(wish, at, reason);
    write(connection, workspace, contact, after)?;
    if known.stopped.is_some() == after.stopped.is_some() {
        return Ok(());
    }
    event_payloads::person(connection, (workspace, account), contact, (&["opted_out"], None), now)
}

pub(crate) fn known(
    connection: &Connection,
    workspace: WorkspaceId,
    contact: ContactId,
) -> SqlResult<Option<OptOut>> {
    let mut statement = connection.prepare_cached(
        "select marketing_preference_at, opted_out_at, opted_out_reason from contacts where workspace_id = ?1 and id = ?2",
    )?;
    let mut rows = statement.query((workspace.as_bytes(), contact.as_bytes()))?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let mut cells = Cells::new("contacts", row);
    let wished_at = cells.opt_at()?;
    Ok(Some(OptOut { wished_at, stopped: stopped(&mut cells)? }))
}

/// Since when and why, from two columns.
pub(crate) fn stopped(cells: &mut Cells<'_>) -> SqlResult<Option<(Timestamp, OptOutReason)>> {
    let at = cells.opt_at()?;
    let reason: Option<String> = cells.get()?;
    let reason = reason.map(|word| word.parse().map_err(|_| cells.corrupt(word))).transpose()?;
    Ok(at.zip(reason))
}

pub(crate) fn write(
    connection: &Connection,
    workspace: WorkspaceId,
    contact: ContactId,
    opt_out: OptOut,
) -> SqlResult<()> {
    let OptOut { wished_at, stopped } = opt_out;
    connection
        .prepare_cached(
            "update contacts set marketing_preference_at = ?3, opted_out_at = ?4, opted_out_reason = ?5
             where workspace_id = ?1 and id = ?2",
        )?
        .execute(params![
            workspace.as_bytes(),
            contact.as_bytes(),
            wished_at.map(micros),
            stopped.map(|(at, _)| micros(at)),
            stopped.map(|(_, reason)| reason.as_str()),
        ])?;
    Ok(())
}

/// Writes down that Meta lets a person rest from marketing.
pub(crate) fn rest(
    connection: &Connection,
    workspace: WorkspaceId,
    contact: ContactId,
    until: Timestamp,
) -> SqlResult<()> {
    connection
        .prepare_cached(
            "update contacts set marketing_limited_until = max(coalesce(marketing_limited_until, 0), ?3)
             where workspace_id = ?1 and id = ?2",
        )?
        .execute((workspace.as_bytes(), contact.as_bytes(), micros(until)))?;
    Ok(())
}
