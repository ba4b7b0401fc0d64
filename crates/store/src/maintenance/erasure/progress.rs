//! Progress of an erasure.

use std::collections::BTreeMap;

use domain::id::{ContactId, WorkspaceId};
use rusqlite::{Connection, params};

use crate::error::SqlResult;
use crate::row::Cells;

/// Erasure that is in progress.
pub(crate) struct Erasure {
    pub(crate) contact: ContactId,
    pub(crate) workspace: WorkspaceId,
    pub(crate) identifiers: Vec<String>,
    pub(crate) former_identifiers: BTreeMap<String, i64>,
    pub(crate) step: String,
    pub(crate) next: i64,
    /// Last rows of payloads, events, deliveries and messages at the start of the erasure.
    pub(crate) last: [i64; 4],
}

pub(crate) fn get_oldest(connection: &Connection) -> SqlResult<Option<Erasure>> {
    // Erasures at the step `file` come last: one checkpoint completes all of them.
    let mut statement = connection.prepare_cached(
        "select contact_id, workspace_id, identifiers, former_identifiers, step, next_seq, last_payload, last_event, last_delivery, last_message
         from erasures order by step = 'file', created_at, contact_id limit 1",
    )?;
    let mut rows = statement.query(())?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let mut cells = Cells::new("erasures", row);
    Ok(Some(Erasure {
        contact: cells.id()?,
        workspace: cells.id()?,
        identifiers: cells.json()?,
        former_identifiers: cells.json()?,
        step: cells.get()?,
        next: cells.get()?,
        last: [cells.get()?, cells.get()?, cells.get()?, cells.get()?],
    }))
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
