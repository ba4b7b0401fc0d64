//! Connections that may write.

use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

/// How long a statement waits for another process that holds the write lock.
pub(crate) const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// How much of the database the writer keeps at hand: the pages where rows are added, and the indexes above them.
const CACHE_KIB: i64 = 16 * 1024;

/// Statements kept prepared on each connection.
const STATEMENTS: usize = 128;

/// Opens a connection that may write.
pub(crate) fn connect(path: &Path) -> rusqlite::Result<Connection> {
    keep_private(path);
    let connection = Connection::open_with_flags(
        path,
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.pragma_update(None, "journal_mode", "wal")?;
    // FULL: a commit is on disk when it returns, power loss included. The API promises that.
    connection.pragma_update(None, "synchronous", "full")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "temp_store", "memory")?;
    connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
    // What is deleted or changed is overwritten: nobody who was erased is left in a gap of a page.
    connection.pragma_update(None, "secure_delete", true)?;
    prepare_once(&connection)?;
    Ok(connection)
}

/// Prepares each statement once for as long as the connection lives.
///
/// A plan must not depend on the values bound: otherwise SQLite plans a statement anew each time that its bindings
/// were cleared, which is what giving it back to the cache does. That was a quarter of the cost of a message.
pub(crate) fn prepare_once(connection: &Connection) -> rusqlite::Result<()> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    Ok(())
}

/// Makes a new database readable by its owner only: messages and numbers are in it. SQLite gives the same mode to the
/// files beside it.
pub(crate) fn keep_private(path: &Path) {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    // One that exists keeps its mode; one that cannot be made is SQLite's to complain about.
    drop(options.open(path));
}
