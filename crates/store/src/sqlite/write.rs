//! The writer: one thread, one connection, one transaction for all that wait.
//!
//! Group commit: while one transaction is being synced to disk, the next jobs gather; the thread takes them all into the
//! next transaction, and answers after the one commit. At 64 callers that is 20 to 35 messages
//! a sync instead of one.
//!
//! **Invariant:** a job's answer goes out after the commit that holds its changes, never before.
//!
//! **Invariant:** a job that fails or panics takes nothing of its neighbours with it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;

use engine::ports::{StoreError, StoreErrorKind};
use rusqlite::Connection;
use tokio::sync::{Notify, oneshot};

use super::gone;
use crate::error::{SqlError, SqlResult};

/// How many jobs share a transaction at most, so that one sync never makes a caller wait for thousands of others.
const MAX_BATCH: usize = 256;

/// A job that waits for the writer, ran, or is answered.
trait Job: Send {
    /// Runs on the connection, and keeps the end. `false`: its changes are not wanted.
    fn run(&mut self, connection: &Connection) -> bool;

    /// Gives the answer, once it is known whether the commit held.
    fn answer(self: Box<Self>, commit: Result<(), Lost>);
}

/// A job with what it ends with.
struct Typed<T, F> {
    job: F,
    doing: &'static str,
    end: Option<SqlResult<T>>,
    tell: oneshot::Sender<Result<T, StoreError>>,
}

impl<T: Send, F: Fn(&Connection) -> SqlResult<T> + Send> Job for Typed<T, F> {
    fn run(&mut self, connection: &Connection) -> bool {
        let end = catch_unwind(AssertUnwindSafe(|| (self.job)(connection)))
            .unwrap_or(Err(SqlError::Bug("a write panicked")));
        let is_wanted = end.is_ok();
        self.end = Some(end);
        is_wanted
    }

    fn answer(self: Box<Self>, commit: Result<(), Lost>) {
        let Self { doing, end, tell, .. } = *self;
        // One that did not run: its caller hears that the store did not take it.
        let Some(end) = end else { return };
        let end = end.map_err(|error| error.while_doing(doing)).and_then(|value| {
            commit.map_err(|lost| StoreError::new(StoreErrorKind::Unavailable, doing, lost.0))?;
            Ok(value)
        });
        // Nobody waits any more: the change stands all the same.
        drop(tell.send(end));
    }
}

/// The transaction did not reach the disk.
#[derive(Debug, Clone)]
struct Lost(String);

/// The handle to the writer thread. Dropping it lets the thread finish what waits, then ends it.
pub(super) struct Writer {
    jobs: Option<mpsc::Sender<Box<dyn Job>>>,
    thread: Option<JoinHandle<()>>,
    committed: Arc<Notify>,
}

impl Writer {
    /// Starts the thread, which owns the connection from now on.
    pub(super) fn start(connection: Connection) -> std::io::Result<Self> {
        let (jobs, waiting) = mpsc::channel();
        let committed = Arc::new(Notify::new());
        let hint = committed.clone();
        let thread = std::thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || work(&connection, &waiting, &hint))?;
        Ok(Self { jobs: Some(jobs), thread: Some(thread), committed })
    }

    /// Wakes those who wait for changes, after each commit.
    pub(super) fn committed(&self) -> Arc<Notify> {
        self.committed.clone()
    }

    /// Runs `job` in a transaction and returns its value once it is on disk.
    pub(super) async fn run<T, F>(&self, doing: &'static str, job: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: Fn(&Connection) -> SqlResult<T> + Send + 'static,
    {
        let (tell, told) = oneshot::channel();
        let job = Box::new(Typed { job, doing, end: None, tell });
        let jobs = self.jobs.as_ref().ok_or_else(|| gone(doing))?;
        jobs.send(job).map_err(|_| gone(doing))?;
        told.await.map_err(|_| gone(doing))?
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            // A panic of the thread was told to every caller already.
            drop(thread.join());
        }
    }
}

fn work(connection: &Connection, waiting: &mpsc::Receiver<Box<dyn Job>>, committed: &Notify) {
    while let Ok(first) = waiting.recv() {
        let batch = std::iter::once(first).chain(waiting.try_iter().take(MAX_BATCH - 1));
        run_batch(connection, batch.collect());
        committed.notify_waiters();
    }
    // What the log still holds goes into the database, so that the next start has nothing to replay.
    if let Err(error) = connection.query_row("pragma wal_checkpoint(truncate)", (), |_| Ok(())) {
        tracing::warn!(%error, "the write-ahead log was not emptied at the end");
    }
}

fn run_batch(connection: &Connection, mut jobs: Vec<Box<dyn Job>>) {
    // Nearly always every job succeeds. One that does not takes the others' changes with it: then all are done again,
    // each behind a savepoint of its own. A savepoint copies each page that is changed behind it, so the common way has
    // none.
    let lost = match together(connection, &mut jobs) {
        Ok(true) => None,
        Ok(false) => one_by_one(connection, &mut jobs).err(),
        Err(lost) => Some(lost),
    };
    if let Some(lost) = &lost {
        tracing::warn!(reason = lost.0, "a transaction did not reach the disk");
        roll_back(connection);
    }
    for job in jobs {
        job.answer(lost.clone().map_or(Ok(()), Err));
    }
}

/// Runs all jobs in one transaction. `false`: one of them failed, and nothing was kept.
fn together(connection: &Connection, jobs: &mut [Box<dyn Job>]) -> Result<bool, Lost> {
    execute(connection, "begin immediate")?;
    for job in jobs.iter_mut() {
        let is_wanted = job.run(connection);
        still_open(connection)?;
        if !is_wanted {
            execute(connection, "rollback")?;
            return Ok(false);
        }
    }
    execute(connection, "commit")?;
    Ok(true)
}

/// Runs all jobs in one transaction, each behind a savepoint: one that fails loses its own changes only.
fn one_by_one(connection: &Connection, jobs: &mut [Box<dyn Job>]) -> Result<(), Lost> {
    execute(connection, "begin immediate")?;
    for job in jobs.iter_mut() {
        execute(connection, "savepoint job")?;
        let is_wanted = job.run(connection);
        still_open(connection)?;
        if !is_wanted {
            execute(connection, "rollback to job")?;
        }
        execute(connection, "release job")?;
    }
    execute(connection, "commit")
}

fn execute(connection: &Connection, sql: &str) -> Result<(), Lost> {
    let done = connection.prepare_cached(sql).and_then(|mut statement| statement.execute(()));
    done.map(|_| ()).map_err(|error| Lost(error.to_string()))
}

/// A full disk ends the transaction by itself: nothing more is tried in it.
fn still_open(connection: &Connection) -> Result<(), Lost> {
    if connection.is_autocommit() { Err(Lost("the transaction was rolled back".to_owned())) } else { Ok(()) }
}

fn roll_back(connection: &Connection) {
    if !connection.is_autocommit()
        && let Err(error) = connection.execute_batch("rollback")
    {
        tracing::error!(%error, "a transaction cannot be rolled back");
    }
}
