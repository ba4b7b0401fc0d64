//! Counters of changes: a process reloads its caches when a counter differs.

use engine::ports::Revision;
use rusqlite::Connection;

use crate::error::SqlResult;
use crate::row::{SelectRow as _, row};
use crate::sqlite::execute::Execute as _;

/// Increments a counter, so that other processes notice the change.
pub(crate) fn increment(connection: &Connection, name: &str) -> SqlResult<()> {
    connection.prepare_cached("update revisions set value = value + 1 where name = ?1")?.execute_one([name])
}

row! {
    struct CounterRow {
        name: String = get "name",
        value: i64 = get "value",
    } from "revisions"
}

pub(crate) fn get_revision(connection: &Connection) -> SqlResult<Revision> {
    let mut revision = Revision::default();
    for row in CounterRow::list(connection, ())? {
        match row.name.as_str() {
            "directory" => revision.directory = row.value,
            "templates" => revision.templates = row.value,
            _ => {}
        }
    }
    Ok(revision)
}
