//! Opt-outs from marketing, and Meta's temporary limits on marketing messages to a contact.
//!
//! **Invariant:** every opt-out signal is applied here. The latest signal counts, by its own time. Of two signals at
//! the same time, the opt-out counts.

use domain::contacts::opt_out::{OptOut, OptOutReason, OptOutSignal};
use domain::id::{ContactId, WorkspaceId};
use jiff::Timestamp;
use rusqlite::{Connection, params};

use crate::contacts::contact_events;
use crate::contacts::contact_events::ContactEvent;
use crate::error::SqlResult;
use crate::row::{SelectRow as _, micros, row};
use crate::scope::Scope;
use crate::sqlite::execute::Execute as _;

/// Opt-out signal of a contact.
pub(crate) struct OptOutUpdate {
    pub(crate) scope: Scope,
    pub(crate) contact: ContactId,
    pub(crate) signal: OptOutSignal,
    /// Time at which the signal was given.
    pub(crate) at: Timestamp,
    pub(crate) reason: OptOutReason,
}

/// Applies an opt-out signal, and emits an event if the contact's opt-out changes.
pub(crate) fn apply_signal(connection: &Connection, update: &OptOutUpdate, now: Timestamp) -> SqlResult<()> {
    let OptOutUpdate { scope, contact, signal, at, reason } = *update;
    let Some(known) = get_opt_out(connection, scope.workspace, contact)? else { return Ok(()) };
    let after = known.after(signal, at, reason);
    update_opt_out(connection, scope.workspace, contact, after)?;
    if known.opted_out.is_some() == after.opted_out.is_some() {
        return Ok(());
    }
    let event = ContactEvent { changes: &["opted_out"], ..ContactEvent::in_scope(scope, contact, now) };
    contact_events::emit_contact(connection, &event)
}

row! {
    struct OptOutRow {
        preference_at: Option<Timestamp> = opt_at "marketing_preference_at",
        opted_out: Option<(Timestamp, OptOutReason)> = opt_at_and_parsed "opted_out_at, opted_out_reason",
    } from "contacts where workspace_id = ?1 and id = ?2"
}

fn get_opt_out(
    connection: &Connection,
    workspace: WorkspaceId,
    contact: ContactId,
) -> SqlResult<Option<OptOut>> {
    let row = OptOutRow::find(connection, (workspace.as_bytes(), contact.as_bytes()))?;
    Ok(row.map(|row| OptOut { preference_at: row.preference_at, opted_out: row.opted_out }))
}

pub(crate) fn update_opt_out(
    connection: &Connection,
    workspace: WorkspaceId,
    contact: ContactId,
    opt_out: OptOut,
) -> SqlResult<()> {
    let OptOut { preference_at, opted_out } = opt_out;
    connection
        .prepare_cached(
            "update contacts set marketing_preference_at = ?3, opted_out_at = ?4, opted_out_reason = ?5
             where workspace_id = ?1 and id = ?2",
        )?
        .execute_one(params![
            workspace.as_bytes(),
            contact.as_bytes(),
            preference_at.map(micros),
            opted_out.map(|(at, _)| micros(at)),
            opted_out.map(|(_, reason)| reason.as_str()),
        ])
}

/// Stores that Meta limits marketing messages to a contact until a time. The contact may have been erased.
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
        .execute_any((workspace.as_bytes(), contact.as_bytes(), micros(until)))
}
