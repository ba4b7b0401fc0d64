//! Customer service windows.
//!
//! Meta: Customer service windows, <https://developers.facebook.com/docs/whatsapp/cloud-api/guides/send-messages>

use domain::id::{AccountId, ContactId, WorkspaceId};
use domain::messages::window::Window;
use engine::ports::Windows;
use jiff::Timestamp;
use rusqlite::Connection;

use crate::error::SqlResult;
use crate::row::{Cells, micros};

/// Opens the window with an inbound message received at `at`.
pub(crate) fn open_window(
    connection: &Connection,
    (workspace, account): (WorkspaceId, AccountId),
    contact: ContactId,
    at: Timestamp,
    now: Timestamp,
) -> SqlResult<()> {
    let last_inbound_at = Window::default().after_inbound(at, now).last_inbound_at.map(micros);
    connection
        .prepare_cached(
            "insert into service_windows (workspace_id, account_id, contact_id, last_inbound_at) values (?1, ?2, ?3, ?4)
             on conflict (workspace_id, account_id, contact_id) do update
             set last_inbound_at = max(coalesce(last_inbound_at, 0), excluded.last_inbound_at),
                 refused_at = case when refused_at > excluded.last_inbound_at then refused_at end",
        )?
        .execute((workspace.as_bytes(), account.as_bytes(), contact.as_bytes(), last_inbound_at))?;
    connection
        .prepare_cached(
            "update contacts set last_inbound_at = max(coalesce(last_inbound_at, 0), ?3)
             where workspace_id = ?1 and id = ?2",
        )?
        .execute((workspace.as_bytes(), contact.as_bytes(), last_inbound_at))?;
    Ok(())
}

/// Stores that Meta refused a message at `at` because the window was closed.
pub(crate) fn close_window(
    connection: &Connection,
    workspace: WorkspaceId,
    account: AccountId,
    contact: ContactId,
    at: Timestamp,
) -> SqlResult<()> {
    let refused = Window::default().after_rejection(at).refused_at.map(micros);
    connection
        .prepare_cached(
            "insert into service_windows (workspace_id, account_id, contact_id, refused_at) values (?1, ?2, ?3, ?4)
             on conflict (workspace_id, account_id, contact_id) do update
             set refused_at = max(coalesce(refused_at, 0), excluded.refused_at)",
        )?
        .execute((workspace.as_bytes(), account.as_bytes(), contact.as_bytes(), refused))?;
    Ok(())
}

pub(crate) fn list_windows(
    connection: &Connection,
    workspace: WorkspaceId,
    contact: ContactId,
) -> SqlResult<Windows> {
    let mut statement = connection.prepare_cached(
        "select account_id, last_inbound_at, refused_at from service_windows where workspace_id = ?1 and contact_id = ?2",
    )?;
    let mut rows = statement.query((workspace.as_bytes(), contact.as_bytes()))?;
    let mut windows = Windows::new();
    while let Some(row) = rows.next()? {
        let mut cells = Cells::new("service_windows", row);
        let account: AccountId = cells.id()?;
        windows.push((account, Window { last_inbound_at: cells.opt_at()?, refused_at: cells.opt_at()? }));
    }
    Ok(windows)
}

pub(crate) fn get_window(
    connection: &Connection,
    (workspace, account): (WorkspaceId, AccountId),
    contact: ContactId,
) -> SqlResult<Window> {
    let mut statement = connection.prepare_cached(
        "select last_inbound_at, refused_at from service_windows
         where workspace_id = ?1 and account_id = ?2 and contact_id = ?3",
    )?;
    let mut rows = statement.query((workspace.as_bytes(), account.as_bytes(), contact.as_bytes()))?;
    let Some(row) = rows.next()? else { return Ok(Window::default()) };
    let mut cells = Cells::new("service_windows", row);
    Ok(Window { last_inbound_at: cells.opt_at()?, refused_at: cells.opt_at()? })
}
