//! Customer service windows.
//!
//! Meta: Customer service windows, <https://developers.facebook.com/docs/whatsapp/cloud-api/guides/send-messages>

use domain::id::{AccountId, ContactId, WorkspaceId};
use domain::messages::window::Window;
use engine::ports::Windows;
use jiff::Timestamp;
use rusqlite::Connection;

use crate::error::SqlResult;
use crate::row::{SelectRow as _, micros, row};
use crate::scope::Scope;
use crate::sqlite::execute::Execute as _;

/// Opens the window with an inbound message received at `at`.
pub(crate) fn open_window(
    connection: &Connection,
    scope: Scope,
    contact: ContactId,
    at: Timestamp,
    now: Timestamp,
) -> SqlResult<()> {
    let Scope { workspace, account } = scope;
    let last_inbound_at = Window::default().after_inbound(at, now).last_inbound_at.map(micros);
    connection
        .prepare_cached(
            "insert into service_windows (workspace_id, account_id, contact_id, last_inbound_at) values (?1, ?2, ?3, ?4)
             on conflict (workspace_id, account_id, contact_id) do update
             set last_inbound_at = max(coalesce(last_inbound_at, 0), excluded.last_inbound_at),
                 refused_at = case when refused_at > excluded.last_inbound_at then refused_at end",
        )?
        .execute_one((workspace.as_bytes(), account.as_bytes(), contact.as_bytes(), last_inbound_at))?;
    connection
        .prepare_cached(
            "update contacts set last_inbound_at = max(coalesce(last_inbound_at, 0), ?3)
             where workspace_id = ?1 and id = ?2",
        )?
        .execute_one((workspace.as_bytes(), contact.as_bytes(), last_inbound_at))
}

/// Stores that Meta refused a message at `at` because the window was closed.
pub(crate) fn close_window(
    connection: &Connection,
    scope: Scope,
    contact: ContactId,
    at: Timestamp,
) -> SqlResult<()> {
    let Scope { workspace, account } = scope;
    let refused = Window::default().after_rejection(at).refused_at.map(micros);
    connection
        .prepare_cached(
            "insert into service_windows (workspace_id, account_id, contact_id, refused_at) values (?1, ?2, ?3, ?4)
             on conflict (workspace_id, account_id, contact_id) do update
             set refused_at = max(coalesce(refused_at, 0), excluded.refused_at)",
        )?
        .execute_one((workspace.as_bytes(), account.as_bytes(), contact.as_bytes(), refused))
}

row! {
    struct AccountWindowRow {
        account: AccountId = id "account_id",
        last_inbound_at: Option<Timestamp> = opt_at "last_inbound_at",
        refused_at: Option<Timestamp> = opt_at "refused_at",
    } from "service_windows where workspace_id = ?1 and contact_id = ?2"
}

pub(crate) fn list_windows(
    connection: &Connection,
    workspace: WorkspaceId,
    contact: ContactId,
) -> SqlResult<Windows> {
    let rows = AccountWindowRow::list(connection, (workspace.as_bytes(), contact.as_bytes()))?;
    let window =
        |row: &AccountWindowRow| Window { last_inbound_at: row.last_inbound_at, refused_at: row.refused_at };
    Ok(rows.iter().map(|row| (row.account, window(row))).collect())
}

row! {
    struct WindowRow {
        last_inbound_at: Option<Timestamp> = opt_at "last_inbound_at",
        refused_at: Option<Timestamp> = opt_at "refused_at",
    } from "service_windows where workspace_id = ?1 and account_id = ?2 and contact_id = ?3"
}

pub(crate) fn get_window(connection: &Connection, scope: Scope, contact: ContactId) -> SqlResult<Window> {
    let Scope { workspace, account } = scope;
    let key = (workspace.as_bytes(), account.as_bytes(), contact.as_bytes());
    let row = WindowRow::find(connection, key)?;
    Ok(row.map_or_else(Window::default, |row| Window {
        last_inbound_at: row.last_inbound_at,
        refused_at: row.refused_at,
    }))
}
