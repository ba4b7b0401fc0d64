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

use engine::metrics::Metrics;
use engine::ports::{StoreError, StoreErrorKind};
use rusqlite::Connection;
use tokio::sync::{Notify, oneshot};

use super::{gone, tally};
use crate::error::{SqlError, SqlResult};

/// How many jobs share a transaction at most, so that one sync never makes a caller wait for thousands of others.
const MAX_BATCH: usize = 256;

/// What is left of a job after it ran: gives the answer once it is known whether the commit held.
type Answer = Box<dyn FnOnce(Result<(), Lost>) + Send>;
/// Runs on the connection; the flag says whether its changes are to be kept.
type Job = Box<dyn FnOnce(&Connection) -> (Answer, Keep) + Send>;

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
    jobs: Option<mpsc::Sender<Job>>,
    thread: Option<JoinHandle<()>>,
    committed: Arc<Notify>,
    metrics: Arc<Metrics>,
}

impl Writer {
    /// Starts the thread, which owns the connection from now on.
    pub(super) fn start(connection: Connection, metrics: Arc<Metrics>) -> std::io::Result<Self> {
        let (jobs, waiting) = mpsc::channel();
        let committed = Arc::new(Notify::new());
        let (hint, counting) = (committed.clone(), metrics.clone());
        let thread = std::thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || work(&connection, &waiting, &hint, &counting))?;
        Ok(Self { jobs: Some(jobs), thread: Some(thread), committed, metrics })
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
        self.metrics.store_waiting.up();
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

fn work(connection: &Connection, waiting: &mpsc::Receiver<Job>, committed: &Notify, metrics: &Metrics) {
    while let Ok(first) = waiting.recv() {
        let batch = std::iter::once(first).chain(waiting.try_iter().take(MAX_BATCH - 1));
        run_batch(connection, batch, metrics);
        committed.notify_waiters();
    }
    // What the log still holds goes into the database, so that the next start has nothing to replay.
    if let Err(error) = connection.query_row("pragma wal_checkpoint(truncate)", (), |_| Ok(())) {
        tracing::warn!(%error, "the write-ahead log was not emptied at the end");
    }
}

fn run_batch(connection: &Connection, batch: impl Iterator<Item = Job>, metrics: &Metrics) {
    let start = metrics.now();
    let mut n_jobs = 0;
    let mut answers: Vec<Answer> = Vec::new();
    let begun = connection.prepare_cached("begin immediate").and_then(|mut begin| begin.execute(()));
    let mut lost = begun.err().map(|error| Lost(error.to_string()));
    for job in batch {
        n_jobs += 1;
        metrics.store_waiting.down();
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
    let steps = tally::take();
    if lost.is_none() {
        metrics.committed(n_jobs, start);
        steps.into_iter().for_each(|step| metrics.step(step));
    }
    if let Some(lost) = &lost {
        metrics.commit_lost();
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
    let n_steps = tally::len();
    let (answer, keep) = job(connection);
    if keep == Keep::Nothing {
        tally::back_to(n_steps);
    }
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

#[cfg(test)]
mod tests {
    use domain::id::AccountId;
    use domain::message::Status;
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
        let note = move || tally::note(Step::new(account, Status::Sent, None, None));
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
