//! Queue: due messages are sent, oldest first, within the limits of each account.

use std::sync::Arc;

use domain::id::AccountId;
use domain::messages::retry::SendMode;
use jiff::{SignedDuration, Timestamp};
use tokio::task::JoinError;

use crate::background::Round;
use crate::messages::task::LeasedTask;
use crate::ports::{AccountRecord, LeaseRequest, StoreError, StoreErrorKind};
use crate::{Deps, accounts, chain, directory};

/// Interval of the queue's rounds without a hint: a scheduled message is sent within a second of its time.
pub const POLL_INTERVAL: SignedDuration = SignedDuration::from_millis(250);
/// Minimum time between two rounds of a queue that waits for its number's throughput: several messages share a commit.
const MIN_INTERVAL: SignedDuration = SignedDuration::from_millis(10);
/// Maximum number of queued messages of one account in flight: enough for its throughput if Meta responds slowly.
const MAX_IN_FLIGHT: u32 = 400;
/// Maximum number of messages that expire in one transaction.
const EXPIRE_BATCH: u32 = 500;

/// Round of the queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueueRound {
    /// Number of messages that were sent, or that expired.
    pub n_messages: u32,
    /// Time at which a number may send again whose queue waits for its throughput.
    pub next_at: Option<Timestamp>,
}

impl QueueRound {
    fn add(&mut self, other: Self) {
        self.n_messages = self.n_messages.saturating_add(other.n_messages);
        self.next_at = self.next_at.into_iter().chain(other.next_at).min();
    }
}

impl Round for QueueRound {
    fn next_at(&self) -> Option<Timestamp> {
        self.next_at
    }
}

/// Expires messages and starts the sends of due messages.
///
/// # Errors
/// The store cannot be used; the next round tries again.
pub async fn tick(deps: &Arc<Deps>) -> Result<QueueRound, StoreError> {
    if let Err(error) = accounts::write_suspensions(deps).await {
        // The first failure was logged. The queues of the other accounts do not wait.
        tracing::debug!(error = %chain(&error), "the suspension of an account still cannot be stored");
    }
    let depths = deps.message_queue.list_queue_depths().await?;
    if depths.is_empty() {
        return Ok(QueueRound::default());
    }
    let n_expired = deps.message_queue.expire_messages(deps.now(), EXPIRE_BATCH).await?;
    let mut round = QueueRound { n_messages: n_expired, next_at: None };
    let directory = deps.directory.current();
    let mut failed = None;
    for record in &directory.accounts {
        // The queue of a suspended account waits, except for probes; the other queues do not wait.
        let is_probe = accounts::is_probe_due(deps, record, deps.now());
        let can_send = is_probe || !accounts::is_suspended(deps, &record.account);
        if depths.contains_key(&record.account.id) && can_send {
            // In a task of its own: leased messages are sent even if this round is dropped.
            let leasing = deps.tasks.spawn(send_due(deps.clone(), record.clone(), is_probe)).await;
            match leasing.map_err(|error| panicked("leasing due messages", error)).flatten() {
                Ok(sent) => round.add(sent),
                // The queues of the other accounts do not wait.
                Err(error) => failed = failed.or(Some(error)),
            }
        }
    }
    failed.map_or(Ok(round), Err)
}

/// Starts the sends of an account's due messages, within its send capacity. A probe is one message.
async fn send_due(
    deps: Arc<Deps>,
    record: Arc<AccountRecord>,
    is_probe: bool,
) -> Result<QueueRound, StoreError> {
    let account = record.account.id;
    let now = deps.now();
    let capacity = deps.pacer.capacity(account, now);
    let n_messages = capacity.n_messages.min(MAX_IN_FLIGHT.saturating_sub(deps.in_flight.count(account)));
    let n_messages = if is_probe { n_messages.min(1) } else { n_messages };
    if n_messages == 0 {
        return Ok(QueueRound { n_messages: 0, next_at: next_round_at(&deps, account, now) });
    }
    let request = LeaseRequest {
        workspace: record.account.workspace,
        account,
        worker: deps.worker,
        tokens: (0..n_messages).map(|_| deps.new_token()).collect(),
        throttled_recipients: capacity.throttled_recipients,
        is_probe,
        now,
    };
    let batch = deps.messages.lease_due_messages(request).await?;
    let n_leased = u32::try_from(batch.leased.len()).unwrap_or(u32::MAX);
    if is_probe
        && n_leased > 0
        && let Err(error) = directory::refresh(&deps).await
    {
        // The store lets no second probe through.
        tracing::warn!(error = %chain(&error), "the time of the next probe could not be reloaded");
    }
    // The time for which an account was suspended does not count as time of retries.
    let resumed_at = if is_probe { Some(now) } else { record.resumed_at };
    for message in batch.leased {
        // Messages to throttled recipients are not leased: the reserved slot is now.
        deps.pacer.reserve(account, &message.recipient, now);
        let since = message.due_since.max(resumed_at.unwrap_or(Timestamp::MIN));
        let mode = SendMode::Queue { since, expires_at: message.expires_at };
        // Nobody waits for the response.
        drop(LeasedTask { record: record.clone(), message, mode, is_resend: false }.spawn(&deps));
    }
    let n_messages = n_leased.saturating_add(batch.n_finished);
    Ok(QueueRound { n_messages, next_at: next_round_at(&deps, account, now) })
}

/// Returns the time of the next round of an account's queue if the number has used up its throughput. Without this, the
/// throughput would be used in steps of [`POLL_INTERVAL`] only.
fn next_round_at(deps: &Deps, account: AccountId, now: Timestamp) -> Option<Timestamp> {
    let free_at = deps.pacer.free_at(account, now);
    let earliest = now.saturating_add(MIN_INTERVAL).unwrap_or(Timestamp::MAX);
    (free_at > now).then(|| free_at.max(earliest))
}

/// Returns the error of a task that panicked.
pub(crate) fn panicked(doing: &'static str, error: JoinError) -> StoreError {
    StoreError::new(StoreErrorKind::Bug, doing, error)
}
