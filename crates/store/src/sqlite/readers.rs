//! Read-only connections, each used by one call at a time.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use engine::ports::StoreError;
use rusqlite::{Connection, OpenFlags};
use tokio::sync::Semaphore;

use crate::error;
use crate::error::{SqlError, SqlResult};
use crate::sqlite::connection;
use crate::sqlite::connection::BUSY_TIMEOUT;

/// Maximum number of concurrent reads.
const READERS: usize = 4;

pub(crate) struct Readers {
    pub(crate) idle: Arc<Mutex<Vec<Connection>>>,
    pub(crate) permits: Arc<Semaphore>,
}

impl Readers {
    pub(crate) fn open(path: &Path) -> rusqlite::Result<Self> {
        let idle = (0..READERS).map(|_| connect(path)).collect::<rusqlite::Result<Vec<_>>>()?;
        Ok(Self { idle: Arc::new(Mutex::new(idle)), permits: Arc::new(Semaphore::new(READERS)) })
    }

    /// Runs `job` in one snapshot of the database.
    pub(crate) async fn run<T, F>(&self, doing: &'static str, job: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> SqlResult<T> + Send + 'static,
    {
        let permit = self.permits.clone().acquire_owned().await.map_err(|_| error::shut_down(doing))?;
        let idle = self.idle.clone();
        let result = tokio::task::spawn_blocking(move || {
            let connection = idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let Some(connection) = connection else { return Err(SqlError::Bug("more readers than permits")) };
            let result = in_snapshot(&connection, job);
            idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
            drop(permit);
            result
        });
        result
            .await
            .unwrap_or(Err(SqlError::Bug("a read panicked")))
            .map_err(|error| error.while_doing(doing))
    }
}

fn in_snapshot<T>(connection: &Connection, job: impl FnOnce(&Connection) -> SqlResult<T>) -> SqlResult<T> {
    let tx = connection.unchecked_transaction()?;
    let value = job(&tx)?;
    tx.finish()?;
    Ok(value)
}

fn connect(path: &Path) -> rusqlite::Result<Connection> {
    // The connection is opened for writing, because a reader sets up the shared memory of the write-ahead log.
    // `query_only` prevents writes.
    let connection = Connection::open_with_flags(
        path,
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.pragma_update(None, "query_only", true)?;
    connection::prepare_once(&connection)?;
    Ok(connection)
}
