//! Opt-outs from marketing, and Meta's temporary limits on marketing messages to a contact.
//!
//! **Invariant:** every opt-out signal is applied here. The latest signal counts, by its own time. Of two signals at
//! the same time, the opt-out counts.

use domain::contacts::opt_out::{OptOut, OptOutReason, OptOutSignal};
use domain::id::{AccountId, ContactId, WorkspaceId};
use jiff::Timestamp;
use rusqlite::{Connection, params};

use crate::contacts::contact_events;
use crate::error::SqlResult;
use crate::row::{Cells, micros};

/// Applies an opt-out.
pub(crate) fn opt_out(
    connection: &Connection,
    place: (WorkspaceId, Option<AccountId>),
    contact: ContactId,
    (at, reason): (Timestamp, OptOutReason),
    now: Timestamp,
) -> SqlResult<()> {
    apply_signal(connection, place, contact, (OptOutSignal::Stop, at, reason), now)
}

/// Applies an opt-in.
pub(crate) fn opt_in(
    connection: &Connection,
    place: (WorkspaceId, Option<AccountId>),
    contact: ContactId,
    (at, reason): (Timestamp, OptOutReason),
    now: Timestamp,
) -> SqlResult<()> {
    apply_signal(connection, place, contact, (OptOutSignal::Start, at, reason), now)
}

pub(crate) fn apply_signal(
    connection: &Connection,
    (workspace, account): (WorkspaceId, Option<AccountId>),
    contact: ContactId,
    (signal, at, reason): (OptOutSignal, Timestamp, OptOutReason),
    now: Timestamp,
) -> SqlResult<()> {
    let Some(known) = get_opt_out(connection, workspace, contact)? else { return Ok(()) };
    let after = known.after(signal, at, reason);
    update_opt_out(connection, workspace, contact, after)?;
    if known.stopped.is_some() == after.stopped.is_some() {
        return Ok(());
    }
    contact_events::emit_contact(connection, (workspace, account), contact, (&["opted_out"], None), now)
}

pub(crate) fn get_opt_out(
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
    Ok(Some(OptOut { wished_at, stopped: cells.opt_at_and_word()? }))
}

pub(crate) fn update_opt_out(
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

/// Stores that Meta limits marketing messages to a contact until a time.
pub(crate) fn limit_marketing(
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
