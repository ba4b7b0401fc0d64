//! SQLite: one writer thread with group commit, a few read-only connections beside it.

pub(crate) mod migrate;
pub(crate) mod page;
#[cfg(test)]
pub(crate) mod plans;
pub(crate) mod ports;
pub(crate) mod readers;
pub(crate) mod writer;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use engine::metrics::Metrics;
use engine::ports::{Chance, Clock, StoreError, StoreErrorKind};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};
use tokio::sync::Notify;

pub use migrate::{MigrateError, MigrationState, migrate, migration_state};

use crate::error::SqlResult;
use crate::row::micros;
use crate::seal::Sealer;
use crate::sqlite::readers::Readers;
use crate::sqlite::writer::Writer;

/// How long a statement waits for another process that holds the write lock.
pub(crate) const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// How much of the database the writer keeps at hand: the pages where rows are added, and the indexes above them.
const CACHE_KIB: i64 = 16 * 1024;
/// Statements kept prepared on each connection.
const STATEMENTS: usize = 128;

/// Why a database cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// SQLite cannot open the file.
    #[error("opening the database {path}", path = path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// What SQLite said.
        source: rusqlite::Error,
    },
    /// A migration failed, or the database is newer than this program.
    #[error(transparent)]
    Migrate(#[from] migrate::MigrateError),
    /// A thread cannot be started.
    #[error("starting the writer thread")]
    Thread(#[source] std::io::Error),
}

/// The store in one SQLite file.
pub struct SqliteStore {
    writer: Writer,
    readers: Readers,
    sealer: Sealer,
    metrics: Arc<Metrics>,
    path: PathBuf,
}

impl SqliteStore {
    /// Opens the file, makes it if it is missing, brings it up to date.
    ///
    /// # Errors
    /// When the file cannot be opened, or was written by a newer program.
    pub fn open(
        path: &Path,
        sealer: Sealer,
        clock: &dyn Clock,
        chance: &dyn Chance,
        metrics: Arc<Metrics>,
    ) -> Result<Self, OpenError> {
        let failed = |source| OpenError::Open { path: path.to_owned(), source };
        let mut connection = connect(path).map_err(failed)?;
        migrate::run(&mut connection, clock.now())?;
        ensure_default_workspace(&connection, clock, chance).map_err(failed)?;
        let readers = Readers::open(path).map_err(failed)?;
        let writer = Writer::start(connection, metrics.clone()).map_err(OpenError::Thread)?;
        Ok(Self { writer, readers, sealer, metrics, path: path.to_owned() })
    }

    /// Wakes those who wait for changes, after each commit of this process.
    pub fn committed(&self) -> Arc<Notify> {
        self.writer.committed()
    }

    /// Does `job` in a transaction, and returns once it is on disk.
    pub(crate) async fn write<T, F>(&self, doing: &'static str, job: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: Fn(&Connection) -> SqlResult<T> + Send + 'static,
    {
        self.counted(self.writer.run(doing, job).await)
    }

    /// Does `job` on the connection that writes, outside of any transaction.
    pub(crate) async fn alone<T, F>(&self, doing: &'static str, job: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> SqlResult<T> + Send + 'static,
    {
        self.writer.run_alone(doing, job).await
    }

    /// Does `job` on a read-only connection, in one snapshot.
    pub(crate) async fn read<T, F>(&self, doing: &'static str, job: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> SqlResult<T> + Send + 'static,
    {
        let start = self.metrics.now();
        let end = self.readers.run(doing, job).await;
        self.metrics.store_read(start);
        self.counted(end)
    }

    /// Counts an error.
    fn counted<T>(&self, end: Result<T, StoreError>) -> Result<T, StoreError> {
        end.inspect_err(|error| self.metrics.store_failed(error.kind()))
    }
}

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
fn prepare_once(connection: &Connection) -> rusqlite::Result<()> {
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

fn ensure_default_workspace(
    connection: &Connection,
    clock: &dyn Clock,
    chance: &dyn Chance,
) -> rusqlite::Result<()> {
    let now = clock.now();
    let mut random = [0; 10];
    chance.fill(&mut random);
    let unix_ms = u64::try_from(now.as_millisecond()).unwrap_or_default();
    let id = domain::id::WorkspaceId::from_parts(unix_ms, &random);
    connection.execute(
        "insert into workspaces (id, name, created_at) values (?1, 'default', ?2) on conflict (name) do nothing",
        (id.as_bytes(), micros(now)),
    )?;
    Ok(())
}

/// The error of a store whose thread is gone.
fn gone(doing: &'static str) -> StoreError {
    StoreError::new(StoreErrorKind::Unavailable, doing, "the store is shut down")
}
