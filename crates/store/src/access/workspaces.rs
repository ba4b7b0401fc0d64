//! Workspaces.

use std::collections::BTreeMap;

use domain::access::audit::AuditEntry;
use domain::id::WorkspaceId;
use rusqlite::Connection;

use crate::access::audit;
use crate::error::SqlResult;
use crate::revisions;
use crate::row::{SelectRow as _, micros, row};
use crate::sqlite::execute::Execute as _;

row! {
    struct WorkspaceRow {
        id: WorkspaceId = id "id",
        name: String = get "name",
    } from "workspaces"
}

pub(crate) fn list_workspaces(connection: &Connection) -> SqlResult<BTreeMap<WorkspaceId, String>> {
    let rows = WorkspaceRow::list(connection, ())?;
    Ok(rows.into_iter().map(|row| (row.id, row.name)).collect())
}

/// Inserts a workspace.
pub(crate) fn insert_workspace(
    connection: &Connection,
    id: WorkspaceId,
    name: &str,
    entry: &AuditEntry,
) -> SqlResult<()> {
    connection
        .prepare_cached("insert into workspaces (id, name, created_at) values (?1, ?2, ?3)")?
        .execute_one((id.as_bytes(), name, micros(entry.at)))?;
    audit::insert_entry(connection, entry)?;
    revisions::increment(connection, "directory")
}
