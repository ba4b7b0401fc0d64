//! Attempts to send a message: one, and further attempts if it is certain that Meta did not accept the message.
//!
//! **Invariant:** each call to Meta follows a commit that sets the message to `sending` for this attempt.

use std::ops::ControlFlow;

use bytes::Bytes;
use domain::accounts::account::AccountStatus;
use domain::check::Violation;
use domain::messages::admission::SentAs;
use domain::messages::download_retry;
use domain::messages::outcome::SendOutcome;
use domain::messages::retry;
use domain::messages::retry::{RetryDecision, SendAttempt, SendMode, ThrottleScope};
use domain::messages::status_report::AttemptReference;
use domain::meta_error::{MetaError, MetaErrorClass};
use jiff::{SignedDuration, Timestamp};

use crate::media::{self, MediaError, MediaSender};
use crate::messages::outcome::SendProgress;
use crate::messages::send_end::{LastAttempt, SendEnd};
use crate::ports::{
    AccountRecord, AttemptResult, LeaseCheck, LeasedMessage, MessageFailure, OnUnknown, OutgoingMessage,
};
use crate::{Deps, accounts, chain};

/// Time within which the server of a link must begin its response at the first attempt to send a queued message.
const FIRST_RESPONSE_TIMEOUT: SignedDuration = SignedDuration::from_secs(15);

/// Attempts to send one message, from the first attempt to the end of the send.
pub(crate) struct AttemptRunner<'a> {
    pub(crate) deps: &'a Deps,
    pub(crate) record: &'a AccountRecord,
    pub(crate) message: LeasedMessage,
    pub(crate) mode: SendMode,
    pub(crate) sent_as: SentAs,
    /// `true` if an earlier attempt with an unknown outcome may have been accepted. There is only one more attempt then.
    pub(crate) is_resend: bool,
}

/// Step after an attempt: another attempt at a time, or the end of the send.
type NextStep = ControlFlow<Option<SendEnd>, Timestamp>;

impl AttemptRunner<'_> {
    /// Makes attempts until the send ends. The first attempt waits for `slot_at`; without a slot, the message is
    /// `sending` already.
    ///
    /// Returns `None` if nothing is left to store: the message was returned to the queue, or another task has finished
    /// it.
    pub(crate) async fn run(mut self, slot_at: Option<Timestamp>) -> Option<SendEnd> {
        let mut slot_at = slot_at;
        loop {
            if let Some(slot_at) = slot_at {
                self.deps.clock.sleep_until(slot_at).await;
                if let Some(end) = self.begin_attempt().await {
                    return Some(end);
                }
            }
            // Later messages of the contact wait only for a server that answers quickly.
            let is_first =
                matches!(self.mode, SendMode::Queue { .. }) && self.message.media_failing_since.is_none();
            let response_timeout = is_first.then_some(FIRST_RESPONSE_TIMEOUT);
            let sender = MediaSender { deps: self.deps, record: self.record, response_timeout };
            let prepared = media::prepare(sender, &mut self.message, self.sent_as).await;
            let next_step = match prepared {
                Ok(()) => {
                    let outcome =
                        self.deps.upstream.send_message(&self.record.credentials(), self.body()).await;
                    self.after_attempt(outcome).await
                }
                Err(MediaError::Outcome(outcome)) => self.after_attempt(outcome).await,
                // An earlier attempt may have been accepted; this attempt was not made.
                Err(MediaError::Unusable(_) | MediaError::Unavailable(_)) if self.is_resend => {
                    return Some(SendEnd::unknown(self.message.lease, "a file cannot be sent again"));
                }
                Err(MediaError::Unusable(violation)) => {
                    return Some(SendEnd::media_failed(self.message.lease, violation));
                }
                Err(MediaError::Unavailable(violation)) => self.after_failed_download(violation).await,
            };
            match next_step {
                NextStep::Continue(at) => slot_at = Some(at),
                NextStep::Break(end) => return end,
            }
        }
    }

    /// Sets the message to `sending` for the next attempt. Returns the end of the send if the attempt must not be made.
    async fn begin_attempt(&self) -> Option<SendEnd> {
        let lease = self.message.lease;
        match self.deps.messages.begin_attempt(&lease, self.deps.now()).await {
            Ok(LeaseCheck::Valid) => None,
            // Another task has finished the message: it must not be sent.
            Ok(LeaseCheck::Lost) => {
                Some(SendEnd::unknown(lease, "the message was finished before this attempt"))
            }
            // An earlier attempt may have been accepted; this attempt was not made.
            Err(error) if self.is_resend => Some(SendEnd::unknown(lease, chain(&error))),
            Err(error) => Some(SendEnd::store_failed(lease, error)),
        }
    }

    fn body(&self) -> Bytes {
        let message = &self.message;
        let reference =
            AttemptReference { message: message.lease.message, attempt: message.lease.attempt }.to_string();
        self.deps.upstream.message_body(&OutgoingMessage {
            recipient: &message.recipient,
            kind: &message.kind,
            content: &message.content,
            context_wamid: message.context_wamid.as_deref(),
            recipient_identity_key_hash: message.recipient_identity_key_hash.as_deref(),
            reference: &reference,
        })
    }

    /// Decides what follows the outcome of an attempt.
    async fn after_attempt(&mut self, outcome: SendOutcome) -> NextStep {
        let now = self.deps.now();
        let decision = self.decide(&outcome, now);
        match decision {
            RetryDecision::Retry { at } => self.retry(&outcome, at).await,
            RetryDecision::Unknown if self.message.on_unknown == OnUnknown::Resend && !self.is_resend => {
                self.is_resend = true;
                let lease = &mut self.message.lease;
                lease.attempt = lease.attempt.saturating_add(1);
                NextStep::Continue(self.deps.pacer.reserve(lease.account, &self.message.recipient, now))
            }
            RetryDecision::Sent
            | RetryDecision::Unknown
            | RetryDecision::Suspend
            | RetryDecision::Fail { .. } => {
                if let SendOutcome::Refused(error) = &outcome {
                    self.suspend_account(error).await;
                }
                self.finish_probe(&outcome).await;
                let (lease, now) = (self.message.lease, self.deps.now());
                let attempt = LastAttempt { lease, record: self.record, decision, now };
                NextStep::Break(Some(attempt.end(outcome)))
            }
        }
    }

    /// Updates pacing after an attempt, and decides about a retry.
    fn decide(&self, outcome: &SendOutcome, now: Timestamp) -> RetryDecision {
        let (account, recipient) = (self.message.lease.account, &self.message.recipient);
        if matches!(outcome, SendOutcome::Accepted(_)) {
            self.deps.pacer.record_accepted(account, recipient, now);
        }
        let throttled = ThrottleScope::after(outcome);
        let slot_at = self.deps.pacer.next_slot_after_attempt(account, recipient, throttled, now);
        match retry::decide(outcome, &self.send_attempt(slot_at, now)) {
            // An earlier attempt may have been accepted: only the acceptance of this attempt makes the outcome known.
            decision if self.is_resend && decision != RetryDecision::Sent => RetryDecision::Unknown,
            decision => decision,
        }
    }

    fn send_attempt(&self, slot_at: Timestamp, now: Timestamp) -> SendAttempt {
        let mut random = [0; 8];
        self.deps.random.fill(&mut random);
        SendAttempt {
            n_calls: self.message.lease.attempt,
            mode: self.mode,
            now,
            slot_at,
            random: u64::from_le_bytes(random),
        }
    }

    /// Prepares another attempt after a failed download, or fails the message if the time for retries is over.
    async fn after_failed_download(&mut self, violation: Violation) -> NextStep {
        let now = self.deps.now();
        let (account, recipient) = (self.message.lease.account, &self.message.recipient);
        // Nothing was sent to the recipient: the next message does not wait for it.
        self.deps.pacer.release(account, recipient, now, now);
        let slot_at = self.deps.pacer.next_slot(account, recipient, now);
        let attempt = self.send_attempt(slot_at, now);
        let failing_since = *self.message.media_failing_since.get_or_insert(now);
        let RetryDecision::Retry { at } = download_retry::decide_download(&attempt, failing_since) else {
            return NextStep::Break(Some(SendEnd::media_failed(self.message.lease, violation)));
        };
        let failure = media::failure(&violation);
        let error = failure.meta.clone().unwrap_or_default();
        let keeps_lease = matches!(self.mode, SendMode::Sync { .. });
        let retry = AttemptResult::RetryDownload { due_at: at, keeps_lease, failing_since, error };
        self.store_retry(retry, failure, at).await
    }

    /// Prepares another attempt.
    async fn retry(&mut self, outcome: &SendOutcome, at: Timestamp) -> NextStep {
        let keeps_lease = matches!(self.mode, SendMode::Sync { .. });
        let error = match outcome {
            SendOutcome::Refused(error) => Some(error.clone()),
            SendOutcome::Accepted(_)
            | SendOutcome::Stopped { .. }
            | SendOutcome::NotSent { .. }
            | SendOutcome::Unknown { .. } => None,
        };
        let retry = AttemptResult::Retry { due_at: at, keeps_lease, error: error.clone() };
        self.store_retry(retry, MessageFailure { code: retry::META_UNAVAILABLE, meta: error }, at).await
    }

    /// Stores that another attempt follows at a time. A synchronous message stays leased; a queued message returns to the
    /// queue. `failure` is the end of a synchronous message if the store fails.
    async fn store_retry(
        &mut self,
        retry: AttemptResult,
        failure: MessageFailure,
        at: Timestamp,
    ) -> NextStep {
        let keeps_lease = matches!(self.mode, SendMode::Sync { .. });
        let lease = &mut self.message.lease;
        match self.deps.messages.finish_attempt(lease, &retry, None, self.deps.now()).await {
            Ok(LeaseCheck::Valid) if keeps_lease => {
                lease.attempt = lease.attempt.saturating_add(1);
                let slot_at = self.deps.pacer.reserve(lease.account, &self.message.recipient, at);
                NextStep::Continue(slot_at.max(at))
            }
            Ok(LeaseCheck::Valid | LeaseCheck::Lost) => NextStep::Break(None),
            Err(failed) => {
                tracing::error!(error = %chain(&failed), message.id = %lease.message,
                    "a message could not be prepared for another attempt");
                // Meta did not accept the message. Without a commit there is no further synchronous attempt.
                let result = if keeps_lease { AttemptResult::Failed(failure) } else { retry };
                let response = Ok(SendProgress::Unknown);
                NextStep::Break(Some(SendEnd { lease: *lease, result, response }))
            }
        }
    }

    /// Resumes the account if the message was a probe and shows that Meta accepts the account again.
    async fn finish_probe(&self, outcome: &SendOutcome) {
        let is_probe = self.record.account.status == AccountStatus::Suspended;
        if is_probe
            && outcome.shows_working_account()
            && let Err(error) = accounts::resume_after_probe(self.deps, self.record).await
        {
            tracing::error!(error = %chain(&error), account.id = %self.message.lease.account,
                "an account that meta accepts again could not be resumed; the next probe tries again");
        }
    }

    /// Suspends the account if Meta's error concerns the account.
    async fn suspend_account(&self, error: &MetaError) {
        if error.class() == MetaErrorClass::SuspendAccount
            && let Err(error) = accounts::suspend_sender(self.deps, self.record, error).await
        {
            tracing::error!(error = %chain(&error), account.id = %self.message.lease.account,
                "an account that meta refuses could not be suspended");
        }
    }
}
