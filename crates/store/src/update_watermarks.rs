//! Watermarks of updates: an update from Meta that arrives after a newer update of the same subject is not applied.

use domain::id::WorkspaceId;
use jiff::Timestamp;
use rusqlite::Connection;

use crate::error::SqlResult;
use crate::row::micros;

/// Advances the watermark of a subject. Returns `false` if a newer update was received before. An update without a
/// time is always applied.
pub(crate) fn advance(
    connection: &Connection,
    workspace: WorkspaceId,
    waba_id: &str,
    subject: &str,
    at: Option<Timestamp>,
) -> SqlResult<bool> {
    let Some(at) = at else { return Ok(true) };
    let n_rows = connection
        .prepare_cached(
            "insert into update_watermarks (workspace_id, waba_id, subject, updated_at) values (?1, ?2, ?3, ?4)
             on conflict (workspace_id, waba_id, subject) do update set updated_at = excluded.updated_at
             where excluded.updated_at >= update_watermarks.updated_at",
        )?
        .execute((workspace.as_bytes(), waba_id, subject, micros(at)))?;
    Ok(n_rows == 1)
}
