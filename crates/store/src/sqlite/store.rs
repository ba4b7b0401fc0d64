//! The store in one SQLite file.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use domain::id::WorkspaceId;
use engine::metrics::Metrics;
use engine::ports::{Clock, Cursors, Random, StoreError, StoreErrorKind};
use engine::side_effects;
use rusqlite::Connection;
use tokio::sync::Notify;

use crate::error::SqlResult;
use crate::row::micros;
use crate::seal::Sealer;
use crate::sqlite::migrate::OpenError;
use crate::sqlite::readers::Readers;
use crate::sqlite::writer::Writer;
use crate::sqlite::{connection, migrate};

/// The store in one SQLite file.
pub struct SqliteStore {
    pub(crate) writer: Writer,
    pub(crate) readers: Readers,
    pub(crate) sealer: Sealer,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) path: PathBuf,
}

impl SqliteStore {
    /// Opens the database file. Creates it if it is missing, and applies pending migrations.
    ///
    /// # Errors
    /// Fails if the file cannot be opened, or its schema is not one of this program.
    pub fn open(
        path: &Path,
        sealer: Sealer,
        clock: &dyn Clock,
        random: &dyn Random,
        metrics: Arc<Metrics>,
    ) -> Result<Self, OpenError> {
        let failed = |source| OpenError::Open { path: path.to_owned(), source };
        let mut connection = connection::connect(path).map_err(failed)?;
        migrate::run(&mut connection, clock.now())?;
        ensure_default_workspace(&connection, clock, random).map_err(failed)?;
        let readers = Readers::open(path).map_err(failed)?;
        let writer = Writer::start(connection, metrics.clone()).map_err(OpenError::Thread)?;
        Ok(Self { writer, readers, sealer, metrics, path: path.to_owned() })
    }

    /// Returns the notification that follows each commit of this process.
    pub fn committed(&self) -> Arc<Notify> {
        self.writer.committed()
    }

    /// Runs `job` in a transaction, and returns after the commit is on disk.
    pub(crate) async fn write<T, F>(&self, doing: &'static str, job: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: Fn(&Connection) -> SqlResult<T> + Send + 'static,
    {
        let result = self.writer.run(doing, job).await;
        if result.is_ok() {
            side_effects::record();
        }
        self.counted(result)
    }

    /// Runs `job` on the writing connection, outside of any transaction.
    pub(crate) async fn exclusively<T, F>(&self, doing: &'static str, job: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> SqlResult<T> + Send + 'static,
    {
        self.writer.run_exclusively(doing, job).await
    }

    /// Runs `job` on a read-only connection, in one snapshot.
    pub(crate) async fn read<T, F>(&self, doing: &'static str, job: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> SqlResult<T> + Send + 'static,
    {
        let start = self.metrics.now();
        let result = self.readers.run(doing, job).await;
        self.metrics.observe_store_read(start);
        self.counted(result)
    }

    /// Runs `job` like [`SqliteStore::read`], within the budget of a list that a caller asked for.
    pub(crate) async fn list<T, F>(&self, doing: &'static str, job: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> SqlResult<T> + Send + 'static,
    {
        let start = self.metrics.now();
        let result = self.readers.run_list(doing, job).await;
        self.metrics.observe_store_read(start);
        self.counted(result)
    }

    /// Counts an error in the metrics.
    fn counted<T>(&self, result: Result<T, StoreError>) -> Result<T, StoreError> {
        result.inspect_err(|error| self.metrics.count_store_error(error.kind()))
    }
}

impl Cursors for SqliteStore {
    fn seal_cursor(&self, workspace: WorkspaceId, list: &str, position: i64) -> Result<Vec<u8>, StoreError> {
        self.sealer
            .cursor_key()
            .seal(workspace, list, position)
            .map_err(|error| StoreError::new(StoreErrorKind::Bug, "encrypting a cursor", error.to_string()))
    }

    fn open_cursor(&self, workspace: WorkspaceId, list: &str, cursor: &[u8]) -> Option<i64> {
        self.sealer.cursor_keys().find_map(|key| key.open(workspace, list, cursor))
    }
}

fn ensure_default_workspace(
    connection: &Connection,
    clock: &dyn Clock,
    random: &dyn Random,
) -> rusqlite::Result<()> {
    let now = clock.now();
    let mut bytes = [0; 10];
    random.fill(&mut bytes);
    let unix_ms = u64::try_from(now.as_millisecond()).unwrap_or_default();
    let id = WorkspaceId::from_parts(unix_ms, &bytes);
    connection.execute(
        "insert into workspaces (id, name, created_at) values (?1, 'default', ?2) on conflict (name) do nothing",
        (id.as_bytes(), micros(now)),
    )?;
    Ok(())
}
