//! The writer: one thread, one connection, and one transaction for all waiting jobs.
//!
//! Group commit: while one transaction is synced to disk, the next jobs gather. The thread runs all of them in the
//! next transaction and returns their results after the commit. At 64 callers, one sync serves 20 to 35 messages.
//!
//! **Invariant:** the result of a job is returned after the commit of its changes, never before.
//!
//! **Invariant:** a job that fails or panics does not affect the other jobs of its transaction.

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

/// Maximum number of jobs in one transaction, so that a caller never waits for thousands of others.
const MAX_BATCH: usize = 256;

/// Job that waits, was executed, or has returned its result.
trait Job: Send {
    /// Runs the job and stores its result. Returns `false` if the job failed and its changes must be rolled back.
    fn run(&mut self, connection: &Connection) -> bool;

    /// Returns the result to the caller, after the result of the commit is known.
    fn respond(self: Box<Self>, commit: Result<(), CommitError>);
}

/// Job with its result.
struct Typed<T, F> {
    job: F,
    doing: &'static str,
    result: Option<SqlResult<T>>,
    sender: oneshot::Sender<Result<T, StoreError>>,
}

impl<T: Send, F: Fn(&Connection) -> SqlResult<T> + Send> Job for Typed<T, F> {
    fn run(&mut self, connection: &Connection) -> bool {
        let result = catch_unwind(AssertUnwindSafe(|| (self.job)(connection)))
            .unwrap_or(Err(SqlError::Bug("a write panicked")));
        let has_succeeded = result.is_ok();
        self.result = Some(result);
        has_succeeded
    }

    fn respond(self: Box<Self>, commit: Result<(), CommitError>) {
        let Self { doing, result, sender, .. } = *self;
        // The job was not executed: its caller receives an error because the channel closes.
        let Some(result) = result else { return };
        let result = result.map_err(|error| error.while_doing(doing)).and_then(|value| {
            commit.map_err(|error| StoreError::new(StoreErrorKind::Unavailable, doing, error.0))?;
            Ok(value)
        });
        // If the caller no longer waits, the change stays.
        drop(sender.send(result));
    }
}

/// Task of the writer thread.
enum Task {
    /// In a transaction, together with other jobs.
    Shared(Box<dyn Job>),
    /// Between transactions.
    Exclusive(Box<dyn FnOnce(&Connection) + Send>),
}

/// Error of a transaction that was not committed.
#[derive(Debug, Clone)]
struct CommitError(String);

/// Handle to the writer thread. When it is dropped, the thread finishes the waiting jobs and ends.
pub(crate) struct Writer {
    jobs: Option<mpsc::Sender<Task>>,
    thread: Option<JoinHandle<()>>,
    committed: Arc<Notify>,
    metrics: Arc<Metrics>,
}

impl Writer {
    /// Starts the thread, which owns the connection.
    pub(crate) fn start(connection: Connection, metrics: Arc<Metrics>) -> std::io::Result<Self> {
        let (jobs, waiting) = mpsc::channel();
        let committed = Arc::new(Notify::new());
        let (notify, batch_metrics) = (committed.clone(), metrics.clone());
        let thread = std::thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || run_tasks(&connection, &waiting, &notify, &batch_metrics))?;
        Ok(Self { jobs: Some(jobs), thread: Some(thread), committed, metrics })
    }

    /// Returns the notification that follows each commit.
    pub(crate) fn committed(&self) -> Arc<Notify> {
        self.committed.clone()
    }

    /// Runs `job` in a transaction and returns its value after the commit is on disk.
    pub(crate) async fn run<T, F>(&self, doing: &'static str, job: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: Fn(&Connection) -> SqlResult<T> + Send + 'static,
    {
        let (sender, receiver) = oneshot::channel();
        let job = Box::new(Typed { job, doing, result: None, sender });
        let jobs = self.jobs.as_ref().ok_or_else(|| error::shut_down(doing))?;
        self.metrics.store_waiting.increment();
        jobs.send(Task::Shared(job)).map_err(|_| error::shut_down(doing))?;
        receiver.await.map_err(|_| error::shut_down(doing))?
    }

    /// Runs `job` between transactions: for operations on the database files.
    pub(crate) async fn run_exclusively<T, F>(&self, doing: &'static str, job: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> SqlResult<T> + Send + 'static,
    {
        let (sender, receiver) = oneshot::channel();
        let task = Task::Exclusive(Box::new(move |connection| {
            let result = catch_unwind(AssertUnwindSafe(|| job(connection)))
                .unwrap_or(Err(SqlError::Bug("a write panicked")));
            // If the caller no longer waits, the operation stays.
            drop(sender.send(result.map_err(|error| error.while_doing(doing))));
        }));
        let jobs = self.jobs.as_ref().ok_or_else(|| error::shut_down(doing))?;
        jobs.send(task).map_err(|_| error::shut_down(doing))?;
        receiver.await.map_err(|_| error::shut_down(doing))?
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            // If the thread has panicked, every caller has received an error.
            drop(thread.join());
        }
    }
}

fn run_tasks(connection: &Connection, waiting: &mpsc::Receiver<Task>, committed: &Notify, metrics: &Metrics) {
    while let Ok(first) = waiting.recv() {
        let mut exclusive = None;
        let tasks = std::iter::once(first).chain(waiting.try_iter().take(MAX_BATCH - 1));
        let shared: Vec<_> = tasks
            .map_while(|task| match task {
                Task::Shared(job) => Some(job),
                Task::Exclusive(job) => {
                    exclusive = Some(job);
                    None
                }
            })
            .collect();
        if !shared.is_empty() {
            run_batch(connection, shared, metrics);
            committed.notify_waiters();
        }
        if let Some(job) = exclusive {
            job(connection);
        }
    }
    // Moves the write-ahead log into the database, so that the next start has nothing to replay.
    if let Err(error) = connection.query_row("pragma wal_checkpoint(truncate)", (), |_| Ok(())) {
        tracing::warn!(%error, "the write-ahead log could not be truncated at shutdown");
    }
}

fn run_batch(connection: &Connection, mut jobs: Vec<Box<dyn Job>>, metrics: &Metrics) {
    let start = metrics.now();
    let n_jobs = u64::try_from(jobs.len()).unwrap_or(u64::MAX);
    jobs.iter().for_each(|_| metrics.store_waiting.decrement());
    // Usually every job succeeds. If a job fails, the whole transaction is rolled back and all jobs run again, each
    // in a savepoint. A savepoint copies every page that changes, so the usual path has none.
    let commit_error = match run_together(connection, &mut jobs) {
        Ok(true) => None,
        Ok(false) => run_one_by_one(connection, &mut jobs).err(),
        Err(error) => Some(error),
    };
    let steps = step_counts::take();
    if commit_error.is_none() {
        metrics.observe_commit(n_jobs, start);
        steps.into_iter().for_each(|step| metrics.count_transition(step));
    }
    if let Some(error) = &commit_error {
        metrics.count_lost_commit();
        tracing::warn!(reason = error.0, "a transaction could not be committed");
        roll_back(connection);
    }
    for job in jobs {
        job.respond(commit_error.clone().map_or(Ok(()), Err));
    }
}

/// Runs all jobs in one transaction. Returns `false` if a job failed and the transaction was rolled back.
fn run_together(connection: &Connection, jobs: &mut [Box<dyn Job>]) -> Result<bool, CommitError> {
    execute(connection, "begin immediate")?;
    for job in jobs.iter_mut() {
        let has_succeeded = job.run(connection);
        check_open(connection)?;
        if !has_succeeded {
            step_counts::truncate(0);
            execute(connection, "rollback")?;
            return Ok(false);
        }
    }
    execute(connection, "commit")?;
    Ok(true)
}

/// Runs all jobs in one transaction, each in a savepoint: a failed job loses only its own changes.
fn run_one_by_one(connection: &Connection, jobs: &mut [Box<dyn Job>]) -> Result<(), CommitError> {
    execute(connection, "begin immediate")?;
    for job in jobs.iter_mut() {
        execute(connection, "savepoint job")?;
        let n_steps = step_counts::n_recorded();
        let has_succeeded = job.run(connection);
        check_open(connection)?;
        if !has_succeeded {
            step_counts::truncate(n_steps);
            execute(connection, "rollback to job")?;
        }
        execute(connection, "release job")?;
    }
    execute(connection, "commit")
}

fn execute(connection: &Connection, sql: &str) -> Result<(), CommitError> {
    let done = connection.prepare_cached(sql).and_then(|mut statement| statement.execute(()));
    done.map(|_| ()).map_err(|error| CommitError(error.to_string()))
}

/// Returns an error if SQLite has ended the transaction, for example because the disk is full.
fn check_open(connection: &Connection) -> Result<(), CommitError> {
    if connection.is_autocommit() {
        Err(CommitError("the transaction was rolled back".to_owned()))
    } else {
        Ok(())
    }
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
    use domain::messages::status::MessageStatus;
    use engine::metrics::{Label, MessageTransition};
    use engine::ports::Clock;
    use jiff::Timestamp;

    use super::*;

    struct StoppedClock;

    #[async_trait::async_trait]
    impl Clock for StoppedClock {
        fn now(&self) -> Timestamp {
            Timestamp::UNIX_EPOCH
        }

        async fn sleep_until(&self, _: Timestamp) {
            std::future::pending::<()>().await;
        }
    }

    #[test]
    fn status_changes_of_a_rolled_back_job_are_not_counted() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let metrics = Arc::new(Metrics::new(Arc::new(StoppedClock)));
        let connection = Connection::open_in_memory().unwrap();
        let writer = Writer::start(connection, metrics.clone()).unwrap();
        let account = AccountId::from_parts(1, &[1; 10]);
        let record =
            move || step_counts::record(MessageTransition::new(account, MessageStatus::Sent, None, None));
        let n_sent = || metrics.sent.get(&[Label::Account(account)]);
        runtime.block_on(async {
            let failed: Result<(), _> = writer
                .run("failing", move |_| {
                    record();
                    Err(SqlError::Bug("on purpose"))
                })
                .await;
            assert!(failed.is_err());
            let panicked: Result<(), _> = writer
                .run("panicking", move |_| {
                    record();
                    panic!("on purpose")
                })
                .await;
            assert!(panicked.is_err());
            let undone: Result<(), _> = writer
                .run("losing the transaction", move |connection| {
                    record();
                    connection.execute_batch("rollback")?;
                    Ok(())
                })
                .await;
            assert!(undone.is_err());
            assert_eq!(n_sent(), 0);
            let job = move |_: &Connection| {
                record();
                Ok(())
            };
            writer.run("working", job).await.unwrap();
            assert_eq!(n_sent(), 1);
        });
    }
}
