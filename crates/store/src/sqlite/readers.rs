//! Read-only connections, each used by one call at a time.
//!
//! **Invariant:** lists of callers leave connections for sessions, the directory, idempotency and sends: they use at most
//! [`LISTS`] of the [`READERS`] connections, and readers of the event log use at most two.
//!
//! **Invariant:** a list ends after [`MAX_LIST_TICKS`] × [`STEPS_PER_TICK`] steps of SQLite's virtual machine. Steps are
//! counted and not the time: the same list on the same data has the same answer on every machine and under every load.

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
const READERS: usize = 6;

/// Maximum number of concurrent reads of lists.
const LISTS: usize = 2;

/// Number of steps of SQLite's virtual machine between two calls of the progress handler.
const STEPS_PER_TICK: i32 = 1000;

/// Maximum number of calls of the progress handler in one read of a list: four million steps, which read about 400,000
/// messages in one to two seconds.
const MAX_LIST_TICKS: u32 = 4000;

pub(crate) struct Readers {
    pub(crate) idle: Arc<Mutex<Vec<Connection>>>,
    pub(crate) permits: Arc<Semaphore>,
    lists: Arc<Semaphore>,
}

impl Readers {
    pub(crate) fn open(path: &Path) -> rusqlite::Result<Self> {
        let idle = (0..READERS).map(|_| connect(path)).collect::<rusqlite::Result<Vec<_>>>()?;
        Ok(Self {
            idle: Arc::new(Mutex::new(idle)),
            permits: Arc::new(Semaphore::new(READERS)),
            lists: Arc::new(Semaphore::new(LISTS)),
        })
    }

    /// Runs `job` in one snapshot of the database.
    pub(crate) async fn run<T, F>(&self, doing: &'static str, job: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> SqlResult<T> + Send + 'static,
    {
        self.run_within(None, doing, job).await
    }

    /// Runs `job`, which reads a list, in one snapshot of the database and within the budget of lists.
    pub(crate) async fn run_list<T, F>(&self, doing: &'static str, job: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> SqlResult<T> + Send + 'static,
    {
        let permit = self.lists.clone().acquire_owned().await.map_err(|_| error::shut_down(doing))?;
        let job = move |connection: &Connection| {
            // A caller that disconnects does not stop the read, which holds its permit to the end.
            let _permit = permit;
            job(connection)
        };
        self.run_within(Some(MAX_LIST_TICKS), doing, job).await
    }

    async fn run_within<T, F>(
        &self,
        max_ticks: Option<u32>,
        doing: &'static str,
        job: F,
    ) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> SqlResult<T> + Send + 'static,
    {
        let permit = self.permits.clone().acquire_owned().await.map_err(|_| error::shut_down(doing))?;
        let idle = self.idle.clone();
        let result = tokio::task::spawn_blocking(move || {
            let connection = idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let Some(mut connection) = connection else {
                return Err(SqlError::Bug("more readers than permits"));
            };
            let result = bound_steps(&mut connection, max_ticks)
                .map_err(SqlError::from)
                .and_then(|()| in_snapshot(&connection, job));
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

/// Interrupts the next read after a number of calls of the progress handler, or never.
fn bound_steps(connection: &mut Connection, max_ticks: Option<u32>) -> rusqlite::Result<()> {
    let handler = max_ticks.map(|max_ticks| {
        let mut n_ticks = 0_u32;
        move || {
            n_ticks = n_ticks.saturating_add(1);
            n_ticks > max_ticks
        }
    });
    connection.progress_handler(STEPS_PER_TICK, handler)
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

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use engine::ports::StoreErrorKind;

    use super::*;

    fn readers(folder: &tempfile::TempDir) -> Arc<Readers> {
        let path = folder.path().join("waypost.db");
        // The writer creates the database.
        drop(Connection::open(&path).unwrap());
        Arc::new(Readers::open(&path).unwrap())
    }

    fn count_to(connection: &Connection, n: u32) -> SqlResult<u32> {
        let sql = "with recursive n (i) as (select 1 union all select i + 1 from n limit ?1) select count(*) from n";
        Ok(connection.query_row(sql, [n], |row| row.get(0))?)
    }

    #[tokio::test]
    async fn a_list_ends_at_its_budget_and_other_reads_have_none() {
        let folder = tempfile::tempdir().unwrap();
        let readers = readers(&folder);
        // Each number takes more than four steps.
        let n = 1_000_000;
        for _ in 0..READERS {
            let refused = readers.run_list("listing", move |tx| count_to(tx, n)).await.unwrap_err();
            assert_eq!(refused.kind(), StoreErrorKind::TooExpensive);
        }
        assert_eq!(readers.run_list("listing", move |tx| count_to(tx, 1000)).await.unwrap(), 1000);
        assert_eq!(readers.run("reading", move |tx| count_to(tx, n)).await.unwrap(), n);
    }

    #[tokio::test]
    async fn lists_leave_connections_for_other_reads() {
        let folder = tempfile::tempdir().unwrap();
        let readers = readers(&folder);
        let (started, mut starts) = tokio::sync::mpsc::unbounded_channel();
        let mut lists = tokio::task::JoinSet::new();
        let mut ends = Vec::new();
        for _ in 0..10 {
            let (end, ended) = mpsc::channel::<()>();
            ends.push(end);
            let (readers, started) = (readers.clone(), started.clone());
            lists.spawn(async move {
                let job = move |_: &Connection| {
                    started.send(()).unwrap();
                    // Waits until the test drops the sender.
                    assert!(ended.recv().is_err());
                    Ok(())
                };
                readers.run_list("listing", job).await
            });
        }
        for _ in 0..LISTS {
            starts.recv().await.unwrap();
        }
        assert_eq!(readers.run("reading a session", |tx| count_to(tx, 7)).await.unwrap(), 7);
        assert_eq!(readers.permits.available_permits(), READERS - LISTS);
        assert!(starts.is_empty());
        drop(ends);
        while let Some(result) = lists.join_next().await {
            result.unwrap().unwrap();
        }
    }
}
