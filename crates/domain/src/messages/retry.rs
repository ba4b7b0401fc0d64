//! Retries of sends.
//!
//! After an attempt, the caller slows pacing as [`ThrottleScope::after`] says, gets the next send slot and then calls
//! [`decide`].
//!
//! **Invariant:** a message is never sent again if Meta may have accepted it.
//!
//! **Invariant:** an error that a retry cannot fix causes exactly one call.

use jiff::{SignedDuration, Timestamp};

use crate::messages::outcome::SendOutcome;
use crate::meta_error::MetaErrorClass;
use crate::time::later;

/// Maximum time for which a synchronous send waits for its slot and for retries.
pub const SYNC_TIMEOUT: SignedDuration = SignedDuration::from_secs(5);

/// Time for which a queued message without an expiry is retried.
///
/// A day is longer than the known outages of Meta. For an older message the sender should decide if it still makes
/// sense.
pub const QUEUE_RETRY_PERIOD: SignedDuration = SignedDuration::from_hours(24);

/// Failure code: Meta limits the rate, and the time for retries is over.
pub const META_RATE_LIMITED: &str = "meta_rate_limited";
/// Failure code: Meta is not reachable or has an outage, and the time for retries is over.
pub const META_UNAVAILABLE: &str = "meta_unavailable";
/// Failure code: the account is suspended.
pub const ACCOUNT_DISCONNECTED: &str = "account_disconnected";
/// Failure code: Meta refused the message.
pub const META_ERROR: &str = "meta_error";

/// Maximum wait of a synchronous send after the first call. The maximum doubles with each call.
const FIRST_WAIT_SYNC: SignedDuration = SignedDuration::from_millis(500);
/// Maximum wait of a queued message after the first call. The maximum doubles with each call.
const FIRST_WAIT_QUEUE: SignedDuration = SignedDuration::from_secs(1);
/// Maximum wait.
const MAX_WAIT: SignedDuration = SignedDuration::from_secs(60);
/// Minimum wait. Full jitter alone may draw zero, and an immediate call would meet the same failure. The minimum also
/// limits the number of calls of a synchronous send.
const MIN_WAIT: SignedDuration = SignedDuration::from_millis(100);
/// Minimum wait for a pair that Meta throttled: 4^0 s.
const MIN_PAIR_WAIT: SignedDuration = SignedDuration::from_secs(1);
/// Maximum wait that Meta can request; after it, Meta can request another one.
const MAX_ASKED: SignedDuration = SignedDuration::from_hours(1);

/// Decision about a message after an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetryDecision {
    /// Meta accepted the message.
    Sent,
    /// The outcome is unknown until Meta reports a status or a user resolves the message.
    Unknown,
    /// The message is sent again, not before this time.
    ///
    /// A message with an expiry is retried no later than its expiry; then it expires in the queue.
    Retry {
        /// Time of the retry: now or later.
        at: Timestamp,
    },
    /// The message goes back to the queue until the account is resumed. This call does not count.
    Suspend,
    /// The message fails.
    Fail {
        /// Failure code.
        code: &'static str,
        /// Time of the next call, if there is no call because the time for retries is over. It is the source of
        /// `Retry-After`.
        retry_at: Option<Timestamp>,
    },
}

/// A call that has ended.
#[derive(Clone, Copy, Debug)]
pub struct SendAttempt {
    /// Number of calls for this message, including this one, without calls after which the account was suspended.
    pub n_calls: u32,
    /// Mode of the send and its time limit.
    pub mode: SendMode,
    /// Time at which the call ended.
    pub now: Timestamp,
    /// Next send slot, after pacing was slowed as [`ThrottleScope::after`] says.
    pub slot_at: Timestamp,
    /// Random bits for the jitter.
    pub random: u64,
}

/// Mode of a send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendMode {
    /// The caller waits, for at most [`SYNC_TIMEOUT`] after the request arrived.
    Sync {
        /// Latest time at which a call may start.
        deadline: Timestamp,
    },
    /// The message is queued.
    Queue {
        /// Time at which the message was first due, or at which its account was last resumed, if that is later.
        since: Timestamp,
        /// Expiry of the message, if its sender set one.
        expires_at: Option<Timestamp>,
    },
}

/// Scope of a throttling by Meta.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ThrottleScope {
    /// All messages of the number.
    Number,
    /// Messages of the number to this recipient.
    Pair,
    /// All messages of the number, down to one message at a time.
    Spam,
}

impl ThrottleScope {
    /// Returns the scope that an outcome throttles; `None` if it throttles nothing.
    pub fn after(outcome: &SendOutcome) -> Option<Self> {
        match outcome {
            SendOutcome::Stopped { http_status: 429, .. } => Some(Self::Number),
            SendOutcome::Refused(error) => match error.class() {
                MetaErrorClass::ThrottleNumber => Some(Self::Number),
                MetaErrorClass::ThrottlePair => Some(Self::Pair),
                MetaErrorClass::ThrottleSpam => Some(Self::Spam),
                MetaErrorClass::Retry
                | MetaErrorClass::RetryLater
                | MetaErrorClass::SuspendAccount
                | MetaErrorClass::PauseTemplate
                | MetaErrorClass::OptOut
                | MetaErrorClass::LimitMarketing
                | MetaErrorClass::WindowClosed
                | MetaErrorClass::Permanent => None,
            },
            SendOutcome::Accepted(_)
            | SendOutcome::Stopped { .. }
            | SendOutcome::NotSent { .. }
            | SendOutcome::Unknown { .. } => None,
        }
    }
}

/// Decides what follows the outcome of a call.
pub fn decide(outcome: &SendOutcome, attempt: &SendAttempt) -> RetryDecision {
    let for_good = |code| RetryDecision::Fail { code, retry_at: None };
    match outcome {
        SendOutcome::Accepted(_) => RetryDecision::Sent,
        SendOutcome::Unknown { .. } => RetryDecision::Unknown,
        SendOutcome::NotSent { .. } => attempt.retry(META_UNAVAILABLE, attempt.backoff(), None),
        SendOutcome::Stopped { http_status: 429, retry_after } => {
            attempt.retry(META_RATE_LIMITED, attempt.backoff(), *retry_after)
        }
        SendOutcome::Stopped { retry_after, .. } => match attempt.mode {
            // A proxy or firewall refuses the same request also five seconds later. An operator must fix it.
            SendMode::Sync { .. } => for_good(META_UNAVAILABLE),
            SendMode::Queue { .. } => attempt.retry(META_UNAVAILABLE, attempt.backoff(), *retry_after),
        },
        // The Graph client reports this error as `Unknown`. The rule does not depend on the client.
        SendOutcome::Refused(error) if error.is_ambiguous() => RetryDecision::Unknown,
        SendOutcome::Refused(error) => match error.class() {
            MetaErrorClass::Retry => attempt.retry(META_UNAVAILABLE, attempt.backoff(), error.retry_after),
            MetaErrorClass::RetryLater => attempt.retry(META_RATE_LIMITED, attempt.backoff(), error.wait()),
            MetaErrorClass::ThrottleNumber | MetaErrorClass::ThrottleSpam => {
                attempt.retry(META_RATE_LIMITED, attempt.backoff(), error.retry_after)
            }
            // The wait of the pair grows with each refusal and concerns one recipient only; so it has no jitter.
            MetaErrorClass::ThrottlePair => {
                attempt.retry(META_RATE_LIMITED, MIN_PAIR_WAIT, error.retry_after)
            }
            MetaErrorClass::SuspendAccount => match attempt.mode {
                SendMode::Sync { .. } => for_good(ACCOUNT_DISCONNECTED),
                SendMode::Queue { .. } => RetryDecision::Suspend,
            },
            MetaErrorClass::PauseTemplate
            | MetaErrorClass::OptOut
            | MetaErrorClass::LimitMarketing
            | MetaErrorClass::WindowClosed
            | MetaErrorClass::Permanent => for_good(META_ERROR),
        },
    }
}

impl SendAttempt {
    /// Retries after `wait`, after the time that Meta requested and at the next slot; fails with `code` if that is too
    /// late.
    pub(super) fn retry(
        &self,
        code: &'static str,
        wait: SignedDuration,
        asked: Option<u32>,
    ) -> RetryDecision {
        let asked = SignedDuration::from_secs(asked.unwrap_or(0).into()).min(MAX_ASKED);
        let at = later(self.now, wait.max(asked)).max(self.slot_at);
        let too_late = RetryDecision::Fail { code, retry_at: Some(at) };
        match self.mode {
            SendMode::Sync { deadline } if at > deadline => too_late,
            SendMode::Sync { .. } => RetryDecision::Retry { at },
            SendMode::Queue { expires_at: Some(end), .. } => {
                RetryDecision::Retry { at: at.min(end.max(self.now)) }
            }
            SendMode::Queue { since, expires_at: None } if at > later(since, QUEUE_RETRY_PERIOD) => too_late,
            SendMode::Queue { .. } => RetryDecision::Retry { at },
        }
    }

    /// Returns a random wait: full jitter below a maximum that doubles with each call.
    pub(super) fn backoff(&self) -> SignedDuration {
        let first = match self.mode {
            SendMode::Sync { .. } => FIRST_WAIT_SYNC,
            SendMode::Queue { .. } => FIRST_WAIT_QUEUE,
        };
        let doublings = self.n_calls.saturating_sub(1).min(30);
        let ceiling = first.saturating_mul(2_i32.saturating_pow(doublings)).min(MAX_WAIT);
        let width = ceiling.saturating_sub(MIN_WAIT).as_micros().unsigned_abs();
        // The random number is a fraction of 2^64.
        let drawn = width.saturating_mul(self.random.into()) >> 64;
        MIN_WAIT.saturating_add(SignedDuration::from_micros(i64::try_from(drawn).unwrap_or(0)))
    }
}

#[cfg(test)]
mod tests;
