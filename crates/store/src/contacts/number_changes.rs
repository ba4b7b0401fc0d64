//! Changes of numbers and of business-scoped user IDs.
//!
//! A number that a WhatsApp user gives up may later belong to another user. Messages and reports from before the change
//! belong to the first user, even if they are received later. Messages and reports from after the change belong to the
//! second user.

use domain::contacts::whatsapp_user::WhatsAppUser;
use domain::id::WorkspaceId;
use domain::webhooks_in::update::NumberChange;
use jiff::Timestamp;
use rusqlite::Connection;

use crate::error::SqlResult;
use crate::row::{SelectRow as _, micros, row};
use crate::sqlite::execute::Execute as _;

/// Maximum number of changes of one user that are followed.
const MAX_CHANGES: usize = 16;

/// Returns the present identifiers of the user who had the identifiers `then` at the time `at`.
pub(crate) fn current_identifiers(
    connection: &Connection,
    workspace: WorkspaceId,
    then: &WhatsAppUser,
    at: Timestamp,
) -> SqlResult<WhatsAppUser> {
    let mut user = then.clone();
    let mut since = micros(at);
    for _ in 0..MAX_CHANGES {
        let by_number = match &user.wa_id {
            Some(wa_id) => find_change(connection, workspace, wa_id, since)?,
            None => None,
        };
        let by_user = match &user.user_id {
            Some(user_id) => find_change(connection, workspace, user_id, since)?,
            None => None,
        };
        if by_number.is_none() && by_user.is_none() {
            break;
        }
        for change in [by_number, by_user].into_iter().flatten() {
            user.wa_id = change.wa_id.or(user.wa_id);
            user.user_id = change.user_id.or(user.user_id);
            // Only later changes are followed: otherwise a user who returns to an old number would cause a loop.
            since = since.max(change.at.saturating_add(1));
        }
    }
    Ok(user)
}

row! {
    /// Change of an identifier: its time in microseconds, and the new identifiers.
    struct StoredNumberChange {
        at: i64 = get "changed_at",
        wa_id: Option<String> = get "wa_id",
        user_id: Option<String> = get "bsuid",
    } from "number_changes where workspace_id = ?1 and old_id = ?2 and changed_at >= ?3"
}

fn find_change(
    connection: &Connection,
    workspace: WorkspaceId,
    old_id: &str,
    since: i64,
) -> SqlResult<Option<StoredNumberChange>> {
    StoredNumberChange::find(connection, (workspace.as_bytes(), old_id, since))
}

/// Returns `true` if a contact has given up this number.
pub(crate) fn is_former(connection: &Connection, workspace: WorkspaceId, wa_id: &str) -> SqlResult<bool> {
    let mut statement = connection.prepare_cached(
        "select exists (select 1 from number_changes where workspace_id = ?1 and old_id = ?2)",
    )?;
    Ok(statement.query_row((workspace.as_bytes(), wa_id), |row| row.get(0))?)
}

pub(crate) fn insert_change(
    connection: &Connection,
    workspace: WorkspaceId,
    change: &NumberChange,
    to: &WhatsAppUser,
) -> SqlResult<()> {
    let old_ids = [
        change.from.wa_id.as_ref().filter(|old| to.wa_id.as_ref().is_some_and(|new| new != *old)),
        change.from.user_id.as_ref().filter(|old| to.user_id.as_ref().is_some_and(|new| new != *old)),
    ];
    for old_id in old_ids.into_iter().flatten() {
        connection
            .prepare_cached(
                "insert into number_changes (workspace_id, old_id, changed_at, wa_id, bsuid) values (?1, ?2, ?3, ?4, ?5)
                 on conflict (workspace_id, old_id) do update set
                     changed_at = excluded.changed_at, wa_id = excluded.wa_id, bsuid = excluded.bsuid
                 where excluded.changed_at > number_changes.changed_at",
            )?
            .execute_any((workspace.as_bytes(), old_id, micros(change.at), &change.to.wa_id, &change.to.user_id))?;
    }
    Ok(())
}
