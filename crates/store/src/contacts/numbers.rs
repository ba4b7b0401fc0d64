//! Numbers of contacts.

use domain::id::{ContactId, WorkspaceId};
use rusqlite::Connection;

use crate::error::SqlResult;
use crate::sqlite::execute::Execute as _;

pub(crate) fn insert_number(
    connection: &Connection,
    workspace: WorkspaceId,
    contact: ContactId,
    wa_id: &str,
) -> SqlResult<()> {
    connection
        .prepare_cached("insert into contact_numbers (workspace_id, wa_id, contact_id) values (?1, ?2, ?3)")?
        .execute_one((workspace.as_bytes(), wa_id, contact.as_bytes()))
}
