//! Whom templates have reached outside the window: what Meta's messaging limit counts (reference D.3).

use std::collections::BTreeMap;

use domain::id::{AccountId, ContactId, WorkspaceId};
use domain::window::Window;
use jiff::Timestamp;
use rusqlite::Connection;

use crate::error::SqlResult;
use crate::row::{Cells, micros};

/// Counts a person whom a template has reached at `now`, unless their window was open.
pub(super) fn count(
    connection: &Connection,
    (workspace, account): (WorkspaceId, AccountId),
    contact: ContactId,
    now: Timestamp,
) -> SqlResult<()> {
    if window(connection, (workspace, account), contact)?.is_open(now) {
        return Ok(());
    }
    connection
        .prepare_cached(
            "insert into reached (workspace_id, waba_id, contact_id, reached_at)
             select workspace_id, waba_id, ?3, ?4 from accounts where workspace_id = ?1 and id = ?2
             on conflict (workspace_id, waba_id, contact_id) do update set reached_at = excluded.reached_at",
        )?
        .execute((workspace.as_bytes(), account.as_bytes(), contact.as_bytes(), micros(now)))?;
    Ok(())
}

fn window(
    connection: &Connection,
    (workspace, account): (WorkspaceId, AccountId),
    contact: ContactId,
) -> SqlResult<Window> {
    let mut statement = connection.prepare_cached(
        "select last_inbound_at, refused_at from windows
         where workspace_id = ?1 and account_id = ?2 and contact_id = ?3",
    )?;
    let mut rows = statement.query((workspace.as_bytes(), account.as_bytes(), contact.as_bytes()))?;
    let Some(row) = rows.next()? else { return Ok(Window::default()) };
    let mut cells = Cells::new("windows", row);
    Ok(Window { last_inbound_at: cells.opt_at()?, refused_at: cells.opt_at()? })
}

/// How many people each WhatsApp Business Account has reached since a time.
pub(super) fn since(
    connection: &Connection,
    workspace: WorkspaceId,
    since: Timestamp,
) -> SqlResult<BTreeMap<String, u32>> {
    let mut statement = connection.prepare_cached(
        "select waba_id, count(*) from reached where workspace_id = ?1 and reached_at > ?2 group by waba_id",
    )?;
    let mut rows = statement.query((workspace.as_bytes(), micros(since)))?;
    let mut reached = BTreeMap::new();
    while let Some(row) = rows.next()? {
        let mut cells = Cells::new("reached", row);
        reached.insert(cells.get()?, cells.get()?);
    }
    Ok(reached)
}
