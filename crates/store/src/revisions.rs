//! Counters of changes: a process reloads its caches when a counter differs.

use engine::ports::Revision;
use rusqlite::Connection;

use crate::error::SqlResult;

/// Increments a counter, so that other processes notice the change.
pub(crate) fn increment(connection: &Connection, what: &str) -> SqlResult<()> {
    connection.prepare_cached("update revisions set value = value + 1 where name = ?1")?.execute([what])?;
    Ok(())
}

pub(crate) fn get_revision(connection: &Connection) -> SqlResult<Revision> {
    let mut statement = connection.prepare_cached("select name, value from revisions")?;
    let mut rows = statement.query(())?;
    let mut revision = Revision::default();
    while let Some(row) = rows.next()? {
        let name: String = row.get(0)?;
        match name.as_str() {
            "directory" => revision.directory = row.get(1)?,
            "templates" => revision.templates = row.get(1)?,
            _ => {}
        }
    }
    Ok(revision)
}
