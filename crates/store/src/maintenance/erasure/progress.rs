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

/// Rows of one step: at most `limit` rows from the position `next`, up to the position `last`.
#[derive(Clone, Copy)]
pub(crate) struct StepRange {
    pub(crate) next: i64,
    pub(crate) last: i64,
    pub(crate) limit: u32,
}

impl StepRange {
    /// Returns the last position of this step; `None` if no rows are left.
    ///
    /// The parameters of the query are the workspace, `next`, `last` and `limit`.
    pub(crate) fn end(
        self,
        connection: &Connection,
        sql: &str,
        workspace: Option<WorkspaceId>,
    ) -> SqlResult<Option<i64>> {
        let workspace = workspace.as_ref().map(WorkspaceId::as_bytes);
        let parameters = params![workspace, self.next, self.last, self.limit];
        Ok(connection.prepare_cached(sql)?.query_row(parameters, |row| row.get::<_, Option<i64>>(0))?)
    }
}
