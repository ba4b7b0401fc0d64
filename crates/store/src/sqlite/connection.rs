//! Connections that may write.

use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

/// Time for which a statement waits for the write lock of another process.
pub(crate) const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Page cache of the writer: the pages of new rows and the upper pages of the indexes.
const CACHE_KIB: i64 = 16 * 1024;

/// Number of prepared statements that each connection caches.
const STATEMENTS: usize = 128;

/// Opens a connection that may write.
pub(crate) fn connect(path: &Path) -> rusqlite::Result<Connection> {
    create_private(path);
    let connection = Connection::open_with_flags(
        path,
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.pragma_update(None, "journal_mode", "wal")?;
    // FULL: a commit is on disk when it returns, also after a power loss. The API guarantees this.
    connection.pragma_update(None, "synchronous", "full")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "temp_store", "memory")?;
    connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
    // Deleted and changed bytes are overwritten: no data of an erased contact stays in a free part of a page.
    connection.pragma_update(None, "secure_delete", true)?;
    prepare_once(&connection)?;
    Ok(connection)
}

/// Makes SQLite prepare each statement once for the lifetime of the connection.
///
/// Without this setting a plan may depend on the bound values. SQLite then prepares a cached statement again whenever
/// its bindings were cleared, which was a quarter of the cost of a message.
pub(crate) fn prepare_once(connection: &Connection) -> rusqlite::Result<()> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    Ok(())
}

/// Creates a new database file that only its owner can read. SQLite gives the same mode to the files beside it.
pub(crate) fn create_private(path: &Path) {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    // An existing file keeps its mode. SQLite reports the error if the file cannot be created.
    drop(options.open(path));
}
