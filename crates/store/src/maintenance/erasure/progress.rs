//! Progress of an erasure.

use std::collections::BTreeMap;

use domain::id::{ContactId, WorkspaceId};
use rusqlite::{Connection, params};

use crate::error::SqlResult;
use crate::row::Cells;

/// The work that is left for one person.
pub(crate) struct Erasure {
    pub(crate) contact: ContactId,
    pub(crate) workspace: WorkspaceId,
    pub(crate) marks: Vec<String>,
    pub(crate) old_marks: BTreeMap<String, i64>,
    pub(crate) step: String,
    pub(crate) next: i64,
    /// The last rows of posts, events, deliveries and messages when it began.
    pub(crate) last: [i64; 4],
}

pub(crate) fn get_oldest(connection: &Connection) -> SqlResult<Option<Erasure>> {
    // Those that only wait for the files come last: one look at the files does for all of them.
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
        marks: cells.json()?,
        old_marks: cells.json()?,
        step: cells.get()?,
        next: cells.get()?,
        last: [cells.get()?, cells.get()?, cells.get()?, cells.get()?],
    }))
}

/// The end of the next rows of a table: those with positions from `next` up to it are looked at in this step.
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
