//! Workspaces.

use std::collections::BTreeMap;

use domain::access::audit::AuditEntry;
use domain::id::WorkspaceId;
use rusqlite::Connection;

use crate::access::audit;
use crate::error::SqlResult;
use crate::revisions;
use crate::row::{Cells, micros};

pub(crate) fn list_workspaces(connection: &Connection) -> SqlResult<BTreeMap<WorkspaceId, String>> {
    let mut statement = connection.prepare_cached("select id, name from workspaces")?;
    let mut rows = statement.query(())?;
    let mut workspaces = BTreeMap::new();
    while let Some(row) = rows.next()? {
        let mut cells = Cells::new("workspaces", row);
        workspaces.insert(cells.id()?, cells.get()?);
    }
    Ok(workspaces)
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
        .execute((id.as_bytes(), name, micros(entry.at)))?;
    audit::insert_entry(connection, entry)?;
    revisions::increment(connection, "directory")
}
