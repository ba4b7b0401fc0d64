//! Background work of a process: the loop that all workers share, and the work that belongs to no subject.
//!
//! **Invariant:** a call of a worker's function does a bounded round of work, and is repeated by [`run`] only.

use std::future::Future;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::access::{api_key, session};
use crate::messages::recovery;
use crate::ports::{Clock, StoreError, WORKER_TIMEOUT};
use crate::{Deps, accounts, chain, directory, templates};

/// Interval of the heartbeat of a process.
pub const HEARTBEAT_INTERVAL: SignedDuration = SignedDuration::from_secs(2);
/// Interval at which the last use of keys and sessions is written to the store.
pub const LAST_USED_INTERVAL: SignedDuration = SignedDuration::from_secs(30);
/// Interval at which the state of phone numbers is read from Meta. Quality rating and messaging limit change slowly.
pub const PHONE_NUMBERS_INTERVAL: SignedDuration = SignedDuration::from_hours(1);
/// Interval at which templates are synchronized whose time has come.
pub const TEMPLATES_INTERVAL: SignedDuration = SignedDuration::from_secs(60);
/// Maximum number of messages of dead processes that are finished in one transaction.
const RECOVER_BATCH: u32 = 500;
/// Age of the oldest sends that the pacer needs after a restart: the time until the burst to a recipient is available
/// again.
const RECENT_SENDS_PERIOD: SignedDuration = SignedDuration::from_mins(5);

/// Writes the heartbeat of this process, and finishes the messages of dead processes. Returns the number of finished
/// messages.
///
/// # Errors
/// The store cannot be written. The next call tries again.
pub async fn tick_recovery(deps: &Deps) -> Result<u32, StoreError> {
    let now = deps.now();
    deps.workers.record_heartbeat(deps.worker, now).await?;
    let mut n_finished = recovery::finish_dropped_leases(deps).await?;
    // Also expires idempotency records, therefore this does not depend on queued messages.
    deps.message_queue.expire_messages(now, RECOVER_BATCH).await?;
    deps.message_queue.update_messaging_limits(now).await?;
    let dead_before = now.saturating_sub(WORKER_TIMEOUT).unwrap_or(Timestamp::MIN);
    loop {
        let n = deps.workers.recover_messages(dead_before, now, RECOVER_BATCH).await?;
        n_finished += n;
        if n < RECOVER_BATCH {
            break;
        }
    }
    if n_finished > 0 {
        tracing::warn!(n_messages = n_finished, "finished the messages of a process that ended");
    }
    Ok(n_finished)
}

/// Writes the last use of keys and sessions to the store, and deregisters this process.
///
/// # Errors
/// The store cannot be written. The process is dead after [`WORKER_TIMEOUT`].
pub async fn deregister_worker(deps: &Deps) -> Result<(), StoreError> {
    tick_last_used(deps).await?;
    deps.workers.deregister_worker(deps.worker).await
}

/// Loads the state that is required before the first send: the directory, and the recent sends for the pacer.
///
/// # Errors
/// The store cannot be read.
pub async fn load_state(deps: &Deps) -> Result<(), StoreError> {
    directory::refresh(deps).await?;
    seed_pacer(deps).await
}

/// Passes the sends before a restart to the pacer.
async fn seed_pacer(deps: &Deps) -> Result<(), StoreError> {
    let since = deps.now().saturating_sub(RECENT_SENDS_PERIOD).unwrap_or(Timestamp::MIN);
    deps.pacer.seed(deps.workers.list_recent_sends(since).await?);
    Ok(())
}

/// Loads the changes of other processes into the directory.
///
/// # Errors
/// The store cannot be read. The next call tries again.
pub async fn tick_directory(deps: &Deps) -> Result<(), StoreError> {
    directory::refresh(deps).await
}

/// Reads the state of all phone numbers from Meta.
///
/// # Errors
/// The store cannot be written. The next call tries again.
pub async fn tick_phone_numbers(deps: &Deps) -> Result<(), StoreError> {
    accounts::refresh_phone_numbers(deps).await
}

/// Synchronizes the templates of the WhatsApp Business Accounts whose time has come.
///
/// # Errors
/// The store cannot be read or written. The next call tries again.
pub async fn tick_templates(deps: &Deps) -> Result<usize, StoreError> {
    templates::sync_due_templates(deps).await
}

/// Writes the last use of keys and sessions to the store.
///
/// # Errors
/// The store cannot be written. The next call tries again.
pub async fn tick_last_used(deps: &Deps) -> Result<(), StoreError> {
    api_key::update_last_used(deps).await?;
    session::update_last_used(deps).await
}

/// Result of a round of work.
pub trait Round {
    /// Returns the time of the next round if it is due before the poll interval has passed.
    fn next_at(&self) -> Option<Timestamp> {
        None
    }
}

impl Round for () {}
impl Round for u32 {}
impl Round for u64 {}
impl Round for usize {}

/// Time between two rounds of work.
#[derive(Clone, Copy)]
pub struct PollInterval<'a> {
    /// Maximum time between two rounds.
    pub interval: SignedDuration,
    /// Notification that starts the next round at once.
    pub hint: Option<&'a Notify>,
}

/// Runs a worker until it is stopped. The first round starts at once.
///
/// A failed round is logged, and the next round tries again. Only the first of several failures in a row is logged.
pub async fn run<T, F>(
    name: &'static str,
    clock: &dyn Clock,
    poll: PollInterval<'_>,
    stop: &CancellationToken,
    mut tick: impl FnMut() -> F,
) where
    F: Future<Output = Result<T, StoreError>>,
    T: Round,
{
    let mut is_healthy = true;
    while !stop.is_cancelled() {
        // Enabled before the round, so that a hint during the round starts the next round at once.
        let hint = poll.hint.map(Notify::notified);
        let mut hint = std::pin::pin!(hint);
        if let Some(hint) = hint.as_mut().as_pin_mut() {
            hint.enable();
        }
        let mut next_at = None;
        match tick().await {
            Ok(round) => {
                next_at = round.next_at();
                if !is_healthy {
                    tracing::info!(work = name, "background work succeeds again");
                }
                is_healthy = true;
            }
            Err(error) => {
                if is_healthy {
                    tracing::error!(work = name, error = %chain(&error), "background work failed");
                }
                is_healthy = false;
            }
        }
        let polled_at = clock.now().saturating_add(poll.interval).unwrap_or(Timestamp::MAX);
        let next_at = next_at.map_or(polled_at, |next_at| next_at.min(polled_at));
        let hinted = async {
            match hint.as_mut().as_pin_mut() {
                Some(hint) => hint.await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = clock.sleep_until(next_at) => {}
            () = hinted => {}
            () = stop.cancelled() => {}
        }
    }
}
