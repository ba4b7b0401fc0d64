//! Tags of contacts.

use domain::id::{ContactId, WorkspaceId};
use rusqlite::Connection;

use crate::error::SqlResult;
use crate::sqlite::execute::Execute as _;

pub(crate) fn replace_tags(
    connection: &Connection,
    workspace: WorkspaceId,
    contact: ContactId,
    tags: &[String],
) -> SqlResult<()> {
    delete_tags(connection, workspace, contact)?;
    let mut insert = connection
        .prepare_cached("insert into contact_tags (workspace_id, tag, contact_id) values (?1, ?2, ?3)")?;
    for tag in tags {
        insert.execute_one((workspace.as_bytes(), tag, contact.as_bytes()))?;
    }
    Ok(())
}

pub(crate) fn delete_tags(
    connection: &Connection,
    workspace: WorkspaceId,
    contact: ContactId,
) -> SqlResult<()> {
    connection
        .prepare_cached("delete from contact_tags where contact_id = ?2 and workspace_id = ?1")?
        .execute_any((workspace.as_bytes(), contact.as_bytes()))
}
