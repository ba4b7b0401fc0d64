//! The rounds of work that a process does beside its requests. Each is a `tick`; [`run`] is the only loop.

use std::future::Future;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::access::{api_key, session};
use crate::messages::recovery;
use crate::ports::{Clock, StoreError};
use crate::{Deps, accounts, chain, directory};

/// How often a process says that it lives.
pub const HEARTBEAT_EVERY: SignedDuration = SignedDuration::from_secs(2);
/// After how long a silence a process is taken for dead.
pub const DEAD_AFTER: SignedDuration = SignedDuration::from_secs(10);
/// How often the use of keys is written down.
pub const NOTE_USE_EVERY: SignedDuration = SignedDuration::from_secs(30);
/// How many messages of dead processes are settled in one transaction.
const RECOVER_BATCH: u32 = 500;

/// Says that this process lives, and settles what dead ones left behind. Returns how many messages were settled.
///
/// # Errors
/// When the store cannot be written; the next round tries again.
pub async fn tick_recovery(deps: &Deps) -> Result<u32, StoreError> {
    let now = deps.now();
    deps.workers.record_heartbeat(deps.worker, now).await?;
    let mut n_finished = recovery::finish_dropped_leases(deps).await?;
    // Kept answers end, whether or not anything waits in a queue.
    deps.message_queue.expire_messages(now, RECOVER_BATCH).await?;
    deps.message_queue.update_messaging_limits(now).await?;
    let silent_since = now.saturating_sub(DEAD_AFTER).unwrap_or(Timestamp::MIN);
    loop {
        let n = deps.workers.recover_messages(silent_since, now, RECOVER_BATCH).await?;
        n_finished += n;
        if n < RECOVER_BATCH {
            break;
        }
    }
    if n_finished > 0 {
        tracing::warn!(n_messages = n_finished, "messages of a process that ended were settled");
    }
    Ok(n_finished)
}

/// Says that this process ends, and writes down what it only remembers: the last use of keys and sessions.
///
/// # Errors
/// When the store cannot be written: then the process counts as living until it was silent for [`DEAD_AFTER`].
pub async fn deregister_worker(deps: &Deps) -> Result<(), StoreError> {
    tick_key_use(deps).await?;
    deps.workers.deregister_worker(deps.worker).await
}

/// How far back departures matter: as long as a full burst to one person is paid for.
const DEPARTURES_FOR: SignedDuration = SignedDuration::from_mins(5);

/// Reads what has to be known before the first message leaves: the accounts and keys, and what left before a restart.
///
/// # Errors
/// When the store cannot be read.
pub async fn prime(deps: &Deps) -> Result<(), StoreError> {
    directory::refresh(deps).await?;
    let since = deps.now().saturating_sub(DEPARTURES_FOR).unwrap_or(Timestamp::MIN);
    deps.pacer.seed(deps.workers.list_recent_sends(since).await?);
    Ok(())
}

/// Sees what other processes have changed.
///
/// # Errors
/// When the store cannot be read; the next round tries again.
pub async fn tick_directory(deps: &Deps) -> Result<(), StoreError> {
    directory::refresh(deps).await
}

/// How often Meta is asked about each number: its quality and its limit change slowly.
pub const NUMBERS_EVERY: SignedDuration = SignedDuration::from_hours(1);

/// Asks Meta about each number.
///
/// # Errors
/// When the store cannot be written; the next round tries again.
pub async fn tick_numbers(deps: &Deps) -> Result<(), StoreError> {
    accounts::look_at_numbers(deps).await
}

/// Writes down when keys and sessions were last used.
///
/// # Errors
/// When the store cannot be written; the next round tries again.
pub async fn tick_key_use(deps: &Deps) -> Result<(), StoreError> {
    api_key::update_last_used(deps).await?;
    session::update_last_used(deps).await
}

/// When a loop does its next round: after a time, or at a hint.
#[derive(Clone, Copy)]
pub struct PollInterval<'a> {
    /// The longest rest between two rounds.
    pub every: SignedDuration,
    /// Ends the rest.
    pub hint: Option<&'a Notify>,
}

/// Does rounds of work until told to stop: at once, then in its rhythm.
///
/// A round that fails is said once and tried again at the next.
pub async fn run<T, F>(
    name: &'static str,
    clock: &dyn Clock,
    rhythm: PollInterval<'_>,
    stop: &CancellationToken,
    mut tick: impl FnMut() -> F,
) where
    F: Future<Output = Result<T, StoreError>>,
{
    let mut is_well = true;
    while !stop.is_cancelled() {
        // A hint that comes during the round is not lost: it ends the rest after it at once.
        let hint = rhythm.hint.map(Notify::notified);
        let mut hint = std::pin::pin!(hint);
        if let Some(hint) = hint.as_mut().as_pin_mut() {
            hint.enable();
        }
        match tick().await {
            Ok(_) if !is_well => {
                is_well = true;
                tracing::info!(work = name, "works again");
            }
            Ok(_) => {}
            Err(error) => {
                if is_well {
                    tracing::error!(
                        work = name,
                        error = %chain(&error),
                        "a round of work failed"
                    );
                }
                is_well = false;
            }
        }
        let next = clock.now().saturating_add(rhythm.every).unwrap_or(Timestamp::MAX);
        let hinted = async {
            match hint.as_mut().as_pin_mut() {
                Some(hint) => hint.await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = clock.sleep_until(next) => {}
            () = hinted => {}
            () = stop.cancelled() => {}
        }
    }
}
