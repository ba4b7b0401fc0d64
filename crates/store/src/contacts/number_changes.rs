//! Changes of numbers and of business-scoped user IDs.
//!
//! A number that a person gives up may later belong to another person. Messages and reports from before the change
//! belong to the first person, whenever they are received. Later ones belong to the other person.

use domain::contacts::whatsapp_user::WhatsAppUser;
use domain::id::WorkspaceId;
use domain::webhooks_in::update::NumberChange;
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension};

use crate::error::SqlResult;
use crate::row::micros;

/// Maximum number of changes of one person that are followed.
const MAX_CHANGES: usize = 16;

/// Returns the present identifiers of the person who had these identifiers at `at`.
pub(crate) fn current_identifiers(
    connection: &Connection,
    workspace: WorkspaceId,
    then: &WhatsAppUser,
    at: Timestamp,
) -> SqlResult<WhatsAppUser> {
    let mut person = then.clone();
    let mut since = micros(at);
    for _ in 0..MAX_CHANGES {
        let by_number = match &person.wa_id {
            Some(wa_id) => find_change(connection, workspace, wa_id, since)?,
            None => None,
        };
        let by_user = match &person.user_id {
            Some(user_id) => find_change(connection, workspace, user_id, since)?,
            None => None,
        };
        if by_number.is_none() && by_user.is_none() {
            break;
        }
        for left in [by_number, by_user].into_iter().flatten() {
            person.wa_id = left.wa_id.or(person.wa_id);
            person.user_id = left.user_id.or(person.user_id);
            // Only later changes are followed: a person who returns to an old number would lead to a loop.
            since = since.max(left.at.saturating_add(1));
        }
    }
    Ok(person)
}

/// Change of an identifier: its time, and the new number and business-scoped user ID.
struct StoredNumberChange {
    at: i64,
    wa_id: Option<String>,
    user_id: Option<String>,
}

fn find_change(
    connection: &Connection,
    workspace: WorkspaceId,
    old_id: &str,
    since: i64,
) -> SqlResult<Option<StoredNumberChange>> {
    let mut statement = connection.prepare_cached(
        "select changed_at, wa_id, bsuid from number_changes where workspace_id = ?1 and old_id = ?2 and changed_at >= ?3",
    )?;
    let found = statement
        .query_row((workspace.as_bytes(), old_id, since), |row| {
            Ok(StoredNumberChange { at: row.get(0)?, wa_id: row.get(1)?, user_id: row.get(2)? })
        })
        .optional()?;
    Ok(found)
}

/// Returns `true` if a person has given up this number.
pub(crate) fn is_former(connection: &Connection, workspace: WorkspaceId, wa_id: &str) -> SqlResult<bool> {
    let mut statement = connection.prepare_cached(
        "select exists (select 1 from number_changes where workspace_id = ?1 and old_id = ?2)",
    )?;
    Ok(statement.query_row((workspace.as_bytes(), wa_id), |row| row.get(0))?)
}

pub(crate) fn insert_change(
    connection: &Connection,
    workspace: WorkspaceId,
    moved: &NumberChange,
    to: &WhatsAppUser,
) -> SqlResult<()> {
    let old_ids = [
        moved.from.wa_id.as_ref().filter(|old| to.wa_id.as_ref().is_some_and(|new| new != *old)),
        moved.from.user_id.as_ref().filter(|old| to.user_id.as_ref().is_some_and(|new| new != *old)),
    ];
    for old_id in old_ids.into_iter().flatten() {
        connection
            .prepare_cached(
                "insert into number_changes (workspace_id, old_id, changed_at, wa_id, bsuid) values (?1, ?2, ?3, ?4, ?5)
                 on conflict (workspace_id, old_id) do update set
                     changed_at = excluded.changed_at, wa_id = excluded.wa_id, bsuid = excluded.bsuid
                 where excluded.changed_at > number_changes.changed_at",
            )?
            .execute((workspace.as_bytes(), old_id, micros(moved.at), &moved.to.wa_id, &moved.to.user_id))?;
    }
    Ok(())
}
