//! Integrity check of a database file. The file is neither migrated nor written, and other processes may use it.

use std::path::Path;

use jiff::Timestamp;
use rusqlite::{Connection, OpenFlags, OptionalExtension};

use crate::maintenance::reencrypt::SealedValueCounts;
use crate::maintenance::{reencrypt, workers};
use crate::seal::Sealer;
use crate::sqlite::connection::BUSY_TIMEOUT;
use crate::sqlite::migrate;
use crate::sqlite::migrate::MigrateError;

/// Result of an integrity check.
#[derive(Clone, Debug)]
pub struct IntegrityReport {
    /// Schema version of the database.
    pub version: i64,
    /// Newest schema version that this program supports.
    pub known: i64,
    /// Journal mode: `wal` after a gateway has opened the database.
    pub journal_mode: String,
    /// Result of SQLite's quick check: `ok`, or the problem.
    pub quick_check: String,
    /// Reason for which the database cannot be written; `None` if it can.
    pub write_refusal: Option<String>,
    /// Size of the file in bytes.
    pub size: u64,
    /// Unused bytes of the file.
    pub free: u64,
    /// Latest time that is stored in the database.
    pub newest: Option<Timestamp>,
    /// Number of processes that use the database.
    pub n_processes: u32,
    /// Creation time of the restored backup, until its messages are quarantined.
    pub backup_created_at: Option<Timestamp>,
    /// Number of sealed values by key.
    pub seals: Option<SealedValueCounts>,
    /// Number of messages with an unknown outcome.
    pub n_unknown: Option<u32>,
}

/// Error of [`check_integrity`].
#[derive(Debug, thiserror::Error)]
pub enum IntegrityCheckError {
    /// The file cannot be opened or read.
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
    /// The schema of the database is not one of this program.
    #[error(transparent)]
    Migrate(#[from] MigrateError),
}

/// Checks a database file without changing it.
///
/// # Errors
/// Fails if the file cannot be opened or read, or a development version created it.
pub fn check_integrity(
    path: &Path,
    sealer: Option<&Sealer>,
    now: Timestamp,
) -> Result<IntegrityReport, IntegrityCheckError> {
    let connection = open(path)?;
    // For a file that is no database, SQLite returns an error.
    migrate::applied(&connection)?;
    migrate::check_first(&connection)?;
    let text = |sql: &str| connection.query_row(sql, (), |row| row.get::<_, String>(0));
    let number = |sql: &str| connection.query_row(sql, (), |row| row.get::<_, i64>(0));
    let version = version(&connection)?;
    let page = number("pragma page_size")?;
    let bytes = |pages: i64| u64::try_from(pages.saturating_mul(page)).unwrap_or_default();
    let has_tables = version > 0;
    let write_refusal = match connection.execute_batch("begin immediate; rollback") {
        Ok(()) => None,
        Err(error) => Some(error.to_string()),
    };
    let seals = match (sealer, has_tables) {
        (Some(sealer), true) => Some(reencrypt::count(&connection, sealer)?),
        (Some(_) | None, _) => None,
    };
    Ok(IntegrityReport {
        version,
        known: migrate::known(),
        journal_mode: text("pragma journal_mode")?,
        quick_check: text("pragma quick_check(1)")?,
        write_refusal,
        size: bytes(number("pragma page_count")?),
        free: bytes(number("pragma freelist_count")?),
        newest: if has_tables { newest(&connection)? } else { None },
        n_processes: if has_tables { workers::count_alive(&connection, now)? } else { 0 },
        backup_created_at: backup_created_at(&connection)?,
        seals,
        n_unknown: if has_tables { Some(count_unknown(&connection)?) } else { None },
    })
}

fn open(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(
        path,
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    Ok(connection)
}

/// Returns the schema version; 0 for an empty database.
pub(crate) fn version(connection: &Connection) -> rusqlite::Result<i64> {
    migrate::applied(connection)
}

fn has_table(connection: &Connection, table: &str) -> rusqlite::Result<bool> {
    connection.query_row(
        "select exists (select 1 from sqlite_schema where type = 'table' and name = ?1)",
        [table],
        |row| row.get(0),
    )
}

fn newest(connection: &Connection) -> rusqlite::Result<Option<Timestamp>> {
    let newest: Option<i64> = connection.query_row(
        "select max(at) from (
             select max(heartbeat_at) as at from workers
             union all select * from (select created_at from messages order by seq desc limit 1)
             union all select * from (select received_at from webhook_payloads order by seq desc limit 1))",
        (),
        |row| row.get(0),
    )?;
    Ok(newest.and_then(|at| Timestamp::from_microsecond(at).ok()))
}

/// Returns `true` if a process uses the database file. A file that cannot be read is not in use.
pub(crate) fn is_in_use(path: &Path, now: Timestamp) -> bool {
    open(path)
        .and_then(|connection| workers::count_alive(&connection, now))
        .is_ok_and(|n_processes| n_processes > 0)
}

fn backup_created_at(connection: &Connection) -> rusqlite::Result<Option<Timestamp>> {
    if !has_table(connection, "backup_markers")? {
        return Ok(None);
    }
    let at: Option<i64> = connection
        .query_row("select created_at from backup_markers order by created_at limit 1", (), |row| row.get(0))
        .optional()?;
    Ok(at.and_then(|at| Timestamp::from_microsecond(at).ok()))
}

fn count_unknown(connection: &Connection) -> rusqlite::Result<u32> {
    connection.query_row(
        "select count(*) from workspaces w join messages m on m.workspace_id = w.id and m.status = 'unknown'",
        (),
        |row| row.get(0),
    )
}
