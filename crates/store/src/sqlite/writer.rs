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

use engine::metrics::Metrics;
use engine::ports::{StoreError, StoreErrorKind};
use rusqlite::Connection;
use tokio::sync::{Notify, oneshot};

use crate::error;
use crate::error::{SqlError, SqlResult};
use crate::sqlite::step_counts;

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

/// What the thread is asked to do.
enum Task {
    /// In a transaction, with others.
    Shared(Box<dyn Job>),
    /// Between transactions.
    Alone(Box<dyn FnOnce(&Connection) + Send>),
}

/// The transaction did not reach the disk.
#[derive(Debug, Clone)]
struct Lost(String);

/// The handle to the writer thread. Dropping it lets the thread finish what waits, then ends it.
pub(crate) struct Writer {
    jobs: Option<mpsc::Sender<Task>>,
    thread: Option<JoinHandle<()>>,
    committed: Arc<Notify>,
    metrics: Arc<Metrics>,
}

impl Writer {
    /// Starts the thread, which owns the connection from now on.
    pub(crate) fn start(connection: Connection, metrics: Arc<Metrics>) -> std::io::Result<Self> {
        let (jobs, waiting) = mpsc::channel();
        let committed = Arc::new(Notify::new());
        let (hint, counting) = (committed.clone(), metrics.clone());
        let thread = std::thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || work(&connection, &waiting, &hint, &counting))?;
        Ok(Self { jobs: Some(jobs), thread: Some(thread), committed, metrics })
    }

    /// Wakes those who wait for changes, after each commit.
    pub(crate) fn committed(&self) -> Arc<Notify> {
        self.committed.clone()
    }

    /// Runs `job` in a transaction and returns its value once it is on disk.
    pub(crate) async fn run<T, F>(&self, doing: &'static str, job: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: Fn(&Connection) -> SqlResult<T> + Send + 'static,
    {
        let (tell, told) = oneshot::channel();
        let job = Box::new(Typed { job, doing, end: None, tell });
        let jobs = self.jobs.as_ref().ok_or_else(|| error::shut_down(doing))?;
        self.metrics.store_waiting.up();
        jobs.send(Task::Shared(job)).map_err(|_| error::shut_down(doing))?;
        told.await.map_err(|_| error::shut_down(doing))?
    }

    /// Runs `job` between transactions: what SQLite does to its files as a whole.
    pub(crate) async fn run_alone<T, F>(&self, doing: &'static str, job: F) -> Result<T, StoreError>
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
        let jobs = self.jobs.as_ref().ok_or_else(|| error::shut_down(doing))?;
        jobs.send(task).map_err(|_| error::shut_down(doing))?;
        told.await.map_err(|_| error::shut_down(doing))?
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

fn work(connection: &Connection, waiting: &mpsc::Receiver<Task>, committed: &Notify, metrics: &Metrics) {
    while let Ok(first) = waiting.recv() {
        let mut alone = None;
        let tasks = std::iter::once(first).chain(waiting.try_iter().take(MAX_BATCH - 1));
        let shared: Vec<_> = tasks
            .map_while(|task| match task {
                Task::Shared(job) => Some(job),
                Task::Alone(job) => {
                    alone = Some(job);
                    None
                }
            })
            .collect();
        if !shared.is_empty() {
            run_batch(connection, shared, metrics);
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

fn run_batch(connection: &Connection, mut jobs: Vec<Box<dyn Job>>, metrics: &Metrics) {
    let start = metrics.now();
    let n_jobs = u64::try_from(jobs.len()).unwrap_or(u64::MAX);
    jobs.iter().for_each(|_| metrics.store_waiting.down());
    // Nearly always every job succeeds. One that does not takes the others' changes with it: then all are done again,
    // each behind a savepoint of its own. A savepoint copies each page that is changed behind it, so the common way has
    // none.
    let lost = match together(connection, &mut jobs) {
        Ok(true) => None,
        Ok(false) => one_by_one(connection, &mut jobs).err(),
        Err(lost) => Some(lost),
    };
    let steps = step_counts::take();
    if lost.is_none() {
        metrics.committed(n_jobs, start);
        steps.into_iter().for_each(|step| metrics.step(step));
    }
    if let Some(lost) = &lost {
        metrics.commit_lost();
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
            step_counts::truncate(0);
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
        let n_steps = step_counts::n_recorded();
        let is_wanted = job.run(connection);
        still_open(connection)?;
        if !is_wanted {
            step_counts::truncate(n_steps);
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

#[cfg(test)]
mod tests {
    use domain::id::AccountId;
    use domain::messages::message::MessageStatus;
    use engine::metrics::{Label, Step};
    use engine::ports::Clock;
    use jiff::Timestamp;

    use super::*;

    struct Still;

    #[async_trait::async_trait]
    impl Clock for Still {
        fn now(&self) -> Timestamp {
            Timestamp::UNIX_EPOCH
        }

        async fn sleep_until(&self, _: Timestamp) {
            std::future::pending::<()>().await;
        }
    }

    #[test]
    fn what_is_rolled_back_is_not_counted() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let metrics = Arc::new(Metrics::new(Arc::new(Still)));
        let connection = Connection::open_in_memory().unwrap();
        let writer = Writer::start(connection, metrics.clone()).unwrap();
        let account = AccountId::from_parts(1, &[1; 10]);
        let note = move || step_counts::record(Step::new(account, MessageStatus::Sent, None, None));
        let n_sent = || metrics.sent.get(&[Label::Account(account)]);
        runtime.block_on(async {
            let failed: Result<(), _> = writer
                .run("failing", move |_| {
                    note();
                    Err(SqlError::Bug("on purpose"))
                })
                .await;
            assert!(failed.is_err());
            let panicked: Result<(), _> = writer
                .run("panicking", move |_| {
                    note();
                    panic!("on purpose")
                })
                .await;
            assert!(panicked.is_err());
            let undone: Result<(), _> = writer
                .run("losing the transaction", move |connection| {
                    note();
                    connection.execute_batch("rollback")?;
                    Ok(())
                })
                .await;
            assert!(undone.is_err());
            assert_eq!(n_sent(), 0);
            let job = move |_: &Connection| {
                note();
                Ok(())
            };
            writer.run("working", job).await.unwrap();
            assert_eq!(n_sent(), 1);
        });
    }
}
