//! Progress of an erasure.

use std::collections::BTreeMap;

use domain::id::{ContactId, WorkspaceId};
use rusqlite::{Connection, params};

use crate::error::SqlResult;
use crate::row::{Cells, row};

row! {
    /// Erasure that is in progress.
    pub(crate) struct Erasure {
        contact: ContactId = id "contact_id",
        workspace: WorkspaceId = id "workspace_id",
        identifiers: Vec<String> = json "identifiers",
        former_identifiers: BTreeMap<String, i64> = json "former_identifiers",
        step: String = get "step",
        next: i64 = get "next_seq",
        last_payload: i64 = get "last_payload",
        last_event: i64 = get "last_event",
        last_delivery: i64 = get "last_delivery",
        last_message: i64 = get "last_message",
    }
}

/// Returns the oldest erasure.
pub(crate) fn get_oldest(connection: &Connection) -> SqlResult<Option<Erasure>> {
    // Erasures at the step `file` come last: one checkpoint completes all of them.
    let sql = format!(
        "select {} from erasures order by step = 'file', created_at, contact_id limit 1",
        Erasure::COLUMNS
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query(())?;
    rows.next()?.map(|row| Erasure::read(&mut Cells::new("erasures", row))).transpose()
}

/// Returns the last position of this step: the rows from `next` to that position are read.
pub(crate) fn last_of_step(
    connection: &Connection,
    sql: &str,
    workspace: Option<WorkspaceId>,
    (next, last, limit): (i64, i64, u32),
) -> SqlResult<Option<i64>> {
    let workspace = workspace.map(|workspace| workspace.as_bytes().to_vec());
    Ok(connection
        .prepare_cached(sql)?
        .query_row(params![workspace, next, last, limit], |row| row.get::<_, Option<i64>>(0))?)
}
