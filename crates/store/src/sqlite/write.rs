//! The writer: one thread, one connection, one transaction for all that wait.
//!
//! Group commit: while one transaction is being synced to disk, the next jobs gather; the thread takes them all into the
//! next transaction, each behind a savepoint, and answers after the one commit. At 64 callers that is 20 to 35 messages
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

/// What is left of a job after it ran: gives the answer once it is known whether the commit held.
type Answer = Box<dyn FnOnce(Result<(), Lost>) + Send>;
/// Runs on the connection; the flag says whether its changes are to be kept.
type Job = Box<dyn FnOnce(&Connection) -> (Answer, Keep) + Send>;

/// What the thread is asked to do.
enum Task {
    /// In a transaction, with others.
    Shared(Job),
    /// Between transactions.
    Alone(Box<dyn FnOnce(&Connection) + Send>),
}

/// Whether a job's changes are wanted.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Keep {
    Changes,
    Nothing,
}

/// The transaction did not reach the disk.
#[derive(Debug, Clone)]
struct Lost(String);

/// The handle to the writer thread. Dropping it lets the thread finish what waits, then ends it.
pub(super) struct Writer {
    jobs: Option<mpsc::Sender<Task>>,
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
        F: FnOnce(&Connection) -> SqlResult<T> + Send + 'static,
    {
        let (tell, told) = oneshot::channel();
        let job: Job = Box::new(move |connection| {
            let end = catch_unwind(AssertUnwindSafe(|| job(connection)))
                .unwrap_or(Err(SqlError::Bug("a write panicked")));
            let keep = if end.is_ok() { Keep::Changes } else { Keep::Nothing };
            let answer: Answer = Box::new(move |commit| {
                let end = end.map_err(|error| error.while_doing(doing)).and_then(|value| {
                    commit.map_err(|lost| StoreError::new(StoreErrorKind::Unavailable, doing, lost.0))?;
                    Ok(value)
                });
                // Nobody waits any more: the change stands all the same.
                drop(tell.send(end));
            });
            (answer, keep)
        });
        let jobs = self.jobs.as_ref().ok_or_else(|| gone(doing))?;
        jobs.send(Task::Shared(job)).map_err(|_| gone(doing))?;
        told.await.map_err(|_| gone(doing))?
    }

    /// Runs `job` between transactions: what SQLite does to its files as a whole.
    pub(super) async fn run_alone<T, F>(&self, doing: &'static str, job: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> SqlResult<T> + Send + 'static,
    {
        let (tell, told) = oneshot::channel();
        let task = Task::Alone(Box::new(move |connection| {
            let end = catch_unwind(AssertUnwindSafe(|| job(connection)))
                .unwrap_or(Err(SqlError::Bug("a write panicked")));
            // Nobody waits any more: it is done all the same.
            drop(tell.send(end.map_err(|error| error.while_doing(doing))));
        }));
        let jobs = self.jobs.as_ref().ok_or_else(|| gone(doing))?;
        jobs.send(task).map_err(|_| gone(doing))?;
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

fn work(connection: &Connection, waiting: &mpsc::Receiver<Task>, committed: &Notify) {
    while let Ok(first) = waiting.recv() {
        let mut alone = None;
        let tasks = std::iter::once(first).chain(waiting.try_iter().take(MAX_BATCH - 1));
        let mut shared = tasks
            .map_while(|task| match task {
                Task::Shared(job) => Some(job),
                Task::Alone(job) => {
                    alone = Some(job);
                    None
                }
            })
            .peekable();
        if shared.peek().is_some() {
            run_batch(connection, shared);
            committed.notify_waiters();
        }
        if let Some(job) = alone {
            job(connection);
        }
    }
    // What the log still holds goes into the database, so that the next start has nothing to replay.
    if let Err(error) = connection.query_row("pragma wal_checkpoint(truncate)", (), |_| Ok(())) {
        tracing::warn!(%error, "the write-ahead log was not emptied at the end");
    }
}

fn run_batch(connection: &Connection, batch: impl Iterator<Item = Job>) {
    let mut answers: Vec<Answer> = Vec::new();
    let begun = connection.prepare_cached("begin immediate").and_then(|mut begin| begin.execute(()));
    let mut lost = begun.err().map(|error| Lost(error.to_string()));
    for job in batch {
        if lost.is_some() {
            // The transaction is gone (a full disk ends it by itself): nothing more is tried in it.
            answers.push(refuse(job));
            continue;
        }
        match run_one(connection, job) {
            Ok(answer) => answers.push(answer),
            Err((answer, error)) => {
                answers.push(answer);
                lost = Some(error);
            }
        }
        if lost.is_none() && connection.is_autocommit() {
            lost = Some(Lost("the transaction was rolled back".to_owned()));
        }
    }
    if lost.is_none() {
        let committed = connection.prepare_cached("commit").and_then(|mut commit| commit.execute(()));
        lost = committed.err().map(|error| Lost(error.to_string()));
    }
    if let Some(lost) = &lost {
        tracing::warn!(reason = lost.0, "a transaction did not reach the disk");
        if !connection.is_autocommit()
            && let Err(error) = connection.execute_batch("rollback")
        {
            tracing::error!(%error, "a transaction cannot be rolled back");
        }
    }
    for answer in answers {
        answer(lost.clone().map_or(Ok(()), Err));
    }
}

/// Runs a job behind a savepoint.
fn run_one(connection: &Connection, job: Job) -> Result<Answer, (Answer, Lost)> {
    let savepoint = |sql| connection.prepare_cached(sql).and_then(|mut statement| statement.execute(()));
    if let Err(error) = savepoint("savepoint job") {
        return Err((refuse(job), Lost(error.to_string())));
    }
    let (answer, keep) = job(connection);
    if connection.is_autocommit() {
        return Err((answer, Lost("the transaction was rolled back".to_owned())));
    }
    let undone = match keep {
        Keep::Changes => Ok(0),
        Keep::Nothing => savepoint("rollback to job"),
    };
    match undone.and_then(|_| savepoint("release job")) {
        Ok(_) => Ok(answer),
        Err(error) => Err((answer, Lost(error.to_string()))),
    }
}

/// The answer of a job that is not run: it never sees the connection.
fn refuse(job: Job) -> Answer {
    // Dropping the job drops its sender, and its caller hears that the store did not take it.
    drop(job);
    Box::new(|_| ())
}
