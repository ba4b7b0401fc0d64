//! Handing a message to Meta: once, or once more where it is certain that Meta did not take it.
//!
//! **Invariant:** the caller hears of an end only after it is on disk; an end that cannot be written is told as
//! unknown, never as an error that invites to send again.
//!
//! **Invariant:** each call to Meta follows a commit that says `sending` for that very attempt.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use domain::check::Violation;
use domain::id::WorkspaceId;
use domain::messages::admission::{Rejection, SentAs, check_sync_slot};
use domain::messages::outcome::{AcceptedMessage, SendOutcome};
use domain::messages::retry;
use domain::messages::retry::{RetryDecision, SendAttempt, SendMode, ThrottleScope};
use domain::messages::status_report::AttemptReference;
use domain::meta_error::{MetaError, MetaErrorClass};
use jiff::{SignedDuration, Timestamp};
use tokio::sync::oneshot;

use crate::media::{self, MediaError};
use crate::messages::admission;
use crate::messages::retry_wait;
use crate::messages::send::{Progress, SendError, Sent};
use crate::metrics::Label;
use crate::ports::{
    AccountRecord, AttemptResult, CachedResponse, InsertMessageResult, Lease, LeaseCheck, LeasedMessage,
    MessageFailure, MessageKey, NewMessage, OnUnknown, OutgoingMessage, SendSchedule, StoreError,
    StoreErrorKind,
};
use crate::{Deps, accounts, chain, directory};

/// How long the first wait is when an end cannot be written down; it doubles up to [`MAX_REWRITE_WAIT`].
const REWRITE_WAIT: SignedDuration = SignedDuration::from_secs(1);
const MAX_REWRITE_WAIT: SignedDuration = SignedDuration::from_secs(30);

/// Writes an end out as the answer that is kept for repeated requests; `None`: it is not kept.
pub type Render = Box<dyn Fn(&Result<Sent, SendError>) -> Option<CachedResponse> + Send + Sync>;

/// A message to accept and, unless it goes to the queue, to hand over.
pub(crate) struct Delivery {
    pub(crate) new: NewMessage,
    pub(crate) record: Arc<AccountRecord>,
    pub(crate) render: Option<Render>,
}

/// Accepts a message and hands it over, in a task of its own, and waits for its end.
///
/// Dropping the returned future changes nothing: the task goes on.
pub(crate) async fn start(deps: &Arc<Deps>, delivery: Delivery) -> Result<Sent, SendError> {
    let (tell, told) = oneshot::channel();
    let lost = sent(&delivery.new, Progress::Unknown, SentAs::Message);
    let workspace = delivery.new.workspace;
    deps.tasks.spawn(tracing::Instrument::in_current_span(accept_and_send(deps.clone(), delivery, tell)));
    match told.await {
        Ok(end) => end,
        Err(_) => without_a_word(deps, workspace, lost).await,
    }
}

/// The task is gone without a word: a panic. What it held is settled by the next round of the recovery; the caller is
/// told what the store knows of the message.
async fn without_a_word(deps: &Deps, workspace: WorkspaceId, lost: Sent) -> Result<Sent, SendError> {
    // A write of its own goes after whatever the task had under way.
    let is_there = match deps.workers.check_writable(deps.now()).await {
        Ok(()) => deps.messages.get_message(workspace, &MessageKey::Id(lost.id)).await,
        Err(error) => Err(error),
    };
    match is_there {
        Ok(None) => {
            let reason = "the task panicked before the message was stored";
            Err(SendError::Store(StoreError::new(StoreErrorKind::Bug, "accepting a message", reason)))
        }
        Ok(Some(detail)) if detail.message.is_queued_mode => Ok(Sent { progress: Progress::Queued, ..lost }),
        Ok(Some(_)) | Err(_) => Ok(lost),
    }
}

/// How a message that goes to the queue is answered.
pub(crate) fn queued(new: &NewMessage) -> Sent {
    sent(new, Progress::Queued, SentAs::Message)
}

fn sent(new: &NewMessage, progress: Progress, sent_as: SentAs) -> Sent {
    Sent {
        id: new.id,
        progress,
        recipient: new.recipient.clone(),
        account: new.account,
        client_reference: new.client_reference.clone(),
        sent_as,
    }
}

async fn accept_and_send(
    deps: Arc<Deps>,
    delivery: Delivery,
    tell: oneshot::Sender<Result<Sent, SendError>>,
) {
    let Delivery { mut new, record, render } = delivery;
    let lease = Lease {
        workspace: new.workspace,
        message: new.id,
        account: new.account,
        attempt: 1,
        token: new.token,
    };
    // From here on a panic leaves a claim that the recovery settles.
    let mut held = Held { lease: Some(lease), dropped: deps.dropped.clone() };
    let now = deps.now();
    let deadline = now.saturating_add(retry::SYNC_TIMEOUT).unwrap_or(Timestamp::MAX);
    let slot_at = match new.schedule {
        SendSchedule::Queued { .. } => None,
        SendSchedule::Immediate | SendSchedule::Paced => {
            let slot_at = deps.pacer.book(new.account, &new.recipient, now);
            new.schedule = if slot_at <= now { SendSchedule::Immediate } else { SendSchedule::Paced };
            Some(slot_at)
        }
    };
    // Other sends may have reserved slots since the slot was checked.
    let admission = match slot_at.map_or(Ok(()), |slot_at| check_sync_slot(slot_at, now)) {
        Ok(()) => admit(&deps, new.clone()).await,
        Err(rejection) => Err(admission::rejected(rejection, now)),
    };
    match (admission, slot_at) {
        (Err(refused), slot_at) => {
            if let Some(slot_at) = slot_at {
                deps.pacer.release(new.account, &new.recipient, slot_at, deps.now());
            }
            // Whoever asked may have gone away; nothing was written.
            drop(tell.send(Err(refused)));
        }
        (Ok(_), None) => {
            deps.queue_hint.notify_one();
            drop(tell.send(Ok(queued(&new))));
        }
        (Ok(sent_as), Some(slot_at)) => {
            let fallback = new.fallback.as_ref().filter(|_| sent_as == SentAs::Template);
            let (kind, content, context_wamid) = match fallback {
                Some(fallback) => ("template", fallback.clone(), None),
                None => (new.kind, new.content.clone(), new.context_wamid.clone()),
            };
            let message = LeasedMessage {
                lease,
                recipient: new.recipient.clone(),
                kind: kind.to_owned(),
                content,
                context_wamid,
                recipient_identity_key_hash: new.recipient_identity_key_hash.clone(),
                on_unknown: new.on_unknown,
                expires_at: None,
                accepted_at: now,
            };
            let listener =
                Listener { tell: Some(tell), render, template: sent(&new, Progress::Unknown, sent_as) };
            let wait = (slot_at > now).then_some(slot_at);
            let run =
                Run { deps: &deps, record: &record, mode: SendMode::Sync { deadline }, is_resent: false };
            run.send(message, wait, listener).await;
        }
    }
    held.lease = None;
}

async fn admit(deps: &Deps, new: NewMessage) -> Result<SentAs, SendError> {
    let (account, now) = (Label::Account(new.account), new.now);
    let mode = if matches!(new.schedule, SendSchedule::Queued { .. }) { "queue" } else { "sync" };
    match deps.messages.insert_message(new).await {
        Ok(InsertMessageResult::Accepted { sent_as }) => {
            deps.metrics.accepted.increment(&[account, Label::Static(mode)]);
            Ok(sent_as)
        }
        Ok(InsertMessageResult::KeyAlreadyUsed(key)) => Err(SendError::IdempotencyKeyUsed(Box::new(key))),
        Ok(InsertMessageResult::Rejected(rejection)) => {
            if let Rejection::OutsideWindow(_) = rejection {
                deps.metrics.window_refusals.increment(&[account]);
            }
            Err(admission::rejected(rejection, now))
        }
        Err(error) => Err(SendError::Store(error)),
    }
}

/// Hands over a message of the queue, or one whose outcome is unknown, in a task of its own.
pub(crate) fn start_claimed(
    deps: &Arc<Deps>,
    record: Arc<AccountRecord>,
    message: LeasedMessage,
    mode: SendMode,
    tell: Option<oneshot::Sender<Result<Sent, SendError>>>,
) {
    let held = Held { lease: Some(message.lease), dropped: deps.dropped.clone() };
    let deps = deps.clone();
    let tasks = deps.tasks.clone();
    tasks.spawn(async move {
        let mut held = held;
        let template = Sent {
            id: message.lease.message,
            progress: Progress::Unknown,
            recipient: message.recipient.clone(),
            account: message.lease.account,
            client_reference: None,
            sent_as: SentAs::Message,
        };
        let is_resent = tell.is_some();
        // What was claimed from the queue was claimed at its turn; a message sent again by hand waits for one.
        let now = deps.now();
        let wait = is_resent
            .then(|| deps.pacer.book(message.lease.account, &message.recipient, now))
            .filter(|slot_at| *slot_at > now);
        let listener = Listener { tell, render: None, template };
        let _running = deps.in_flight.enter(message.lease.account);
        Run { deps: &deps, record: &record, mode, is_resent }.send(message, wait, listener).await;
        held.lease = None;
        deps.queue_hint.notify_one();
    });
}

/// Whoever waits for the end of a send, and how the end is kept for repeated requests.
struct Listener {
    tell: Option<oneshot::Sender<Result<Sent, SendError>>>,
    render: Option<Render>,
    template: Sent,
}

impl Listener {
    fn sent(&self, progress: Progress) -> Result<Sent, SendError> {
        Ok(Sent { progress, ..self.template.clone() })
    }

    fn kept(&self, end: &Result<Sent, SendError>) -> Option<CachedResponse> {
        self.render.as_ref().and_then(|render| render(end))
    }

    fn hear(&mut self, end: Result<Sent, SendError>) {
        if let Some(tell) = self.tell.take() {
            // The caller may have gone away: what happened to the message happened all the same.
            drop(tell.send(end));
        }
    }
}

/// What one send needs from its first attempt to its end.
struct Run<'a> {
    deps: &'a Deps,
    record: &'a AccountRecord,
    mode: SendMode,
    /// Whether this is the one repetition after an unknown outcome.
    is_resent: bool,
}

/// What follows an attempt.
enum Next {
    /// Another attempt at this time.
    Again(Timestamp),
    /// Nothing.
    End,
}

impl Run<'_> {
    /// Makes attempts until there is an end, and writes it down.
    async fn send(mut self, mut message: LeasedMessage, mut wait: Option<Timestamp>, mut listener: Listener) {
        loop {
            if let Some(at) = wait {
                self.deps.clock.sleep_until(at).await;
                match self.deps.messages.begin_attempt(&message.lease, self.deps.now()).await {
                    Ok(LeaseCheck::Valid) => {}
                    // Somebody else has decided about it: it must not be sent.
                    Ok(LeaseCheck::Lost) => {
                        let reason = "it was settled before this attempt".to_owned();
                        let end = listener.sent(Progress::Unknown);
                        return self.finish(&message, AttemptResult::Unknown { reason }, end, listener).await;
                    }
                    Err(error) if self.is_resent => {
                        // This attempt was not made, but an earlier one may have arrived.
                        let reason = chain(&error);
                        let end = listener.sent(Progress::Unknown);
                        return self.finish(&message, AttemptResult::Unknown { reason }, end, listener).await;
                    }
                    Err(error) => {
                        let failure = MessageFailure { code: "store_unavailable", meta: None };
                        let end = Err(SendError::Store(error));
                        return self.finish(&message, AttemptResult::Failed(failure), end, listener).await;
                    }
                }
            }
            let sent_as = listener.template.sent_as;
            let outcome = match media::ready(self.deps, self.record, &mut message, sent_as).await {
                Ok(()) => {
                    self.deps.upstream.send_message(&self.record.credentials(), self.body(&message)).await
                }
                Err(MediaError::Tried(outcome)) => outcome,
                Err(MediaError::Never(violation)) => {
                    return self.without_file(message, violation, listener).await;
                }
            };
            match self.after(&mut message, outcome, &mut listener).await {
                Next::Again(at) => wait = Some(at),
                Next::End => return,
            }
        }
    }

    /// Ends a message one of whose files can never be handed over.
    async fn without_file(&self, message: LeasedMessage, violation: Violation, listener: Listener) {
        let (failure, error) = media::failure(violation);
        let (settlement, end) = if self.is_resent {
            // This attempt was not made, but an earlier one may have arrived.
            let reason = "a file cannot be handed over again".to_owned();
            (AttemptResult::Unknown { reason }, listener.sent(Progress::Unknown))
        } else {
            (AttemptResult::Failed(failure), Err(error))
        };
        self.finish(&message, settlement, end, listener).await;
    }

    fn body(&self, message: &LeasedMessage) -> Bytes {
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

    async fn after(
        &mut self,
        message: &mut LeasedMessage,
        outcome: SendOutcome,
        listener: &mut Listener,
    ) -> Next {
        let now = self.deps.now();
        let account = message.lease.account;
        if matches!(outcome, SendOutcome::Accepted(_)) {
            self.deps.pacer.accepted(account, &message.recipient, now);
        }
        let slot_at =
            self.deps.pacer.refused(account, &message.recipient, ThrottleScope::after(&outcome), now);
        let mut random = [0; 8];
        self.deps.random.fill(&mut random);
        let attempt = SendAttempt {
            n_calls: message.lease.attempt,
            mode: self.mode,
            now,
            slot_at: slot_at,
            random: u64::from_le_bytes(random),
        };
        let decision = match retry::decide(&outcome, &attempt) {
            // An earlier attempt may have arrived, whatever becomes of this one: only its own acceptance says more.
            decision if self.is_resent && decision != RetryDecision::Sent => RetryDecision::Unknown,
            decision => decision,
        };
        match decision {
            RetryDecision::Retry { at } => self.again(message, &outcome, at, listener).await,
            RetryDecision::Unknown if self.may_resend(message) => {
                self.is_resent = true;
                let at = self.deps.pacer.book(account, &message.recipient, now);
                message.lease.attempt = message.lease.attempt.saturating_add(1);
                Next::Again(at)
            }
            RetryDecision::Sent
            | RetryDecision::Unknown
            | RetryDecision::Suspend
            | RetryDecision::Fail { .. } => {
                let again_at = match decision {
                    RetryDecision::Fail { retry_at, .. } => retry_at,
                    RetryDecision::Sent
                    | RetryDecision::Unknown
                    | RetryDecision::Suspend
                    | RetryDecision::Retry { .. } => None,
                };
                let wait = again_at.map(|at| retry_wait::seconds_until(at, now));
                if let SendOutcome::Refused(error) = &outcome {
                    self.act_on(message, error).await;
                }
                let (settlement, end) = self.conclude(outcome, decision, wait, listener);
                let listener = std::mem::replace(listener, listener.empty());
                self.finish(message, settlement, end, listener).await;
                Next::End
            }
        }
    }

    /// Whether an unknown outcome may be followed by another attempt: the caller asked for it, and then once.
    fn may_resend(&self, message: &LeasedMessage) -> bool {
        message.on_unknown == OnUnknown::Resend && !self.is_resent
    }

    /// Puts the message back for another attempt: here, while somebody waits for it; else in the queue.
    async fn again(
        &self,
        message: &mut LeasedMessage,
        outcome: &SendOutcome,
        at: Timestamp,
        listener: &mut Listener,
    ) -> Next {
        let keeps_lease = matches!(self.mode, SendMode::Sync { .. });
        let error = match outcome {
            SendOutcome::Refused(error) => Some(error.clone()),
            SendOutcome::Accepted(_)
            | SendOutcome::Stopped { .. }
            | SendOutcome::NotSent { .. }
            | SendOutcome::Unknown { .. } => None,
        };
        let again = AttemptResult::Retry { due_at: at, keeps_lease, error: error.clone() };
        let now = self.deps.now();
        match self.deps.messages.finish_attempt(&message.lease, &again, None, now).await {
            Ok(LeaseCheck::Valid) if keeps_lease => {
                message.lease.attempt = message.lease.attempt.saturating_add(1);
                let slot_at = self.deps.pacer.book(message.lease.account, &message.recipient, at);
                Next::Again(slot_at.max(at))
            }
            Ok(LeaseCheck::Valid | LeaseCheck::Lost) => {
                let end = listener.sent(Progress::Unknown);
                listener.hear(end);
                Next::End
            }
            Err(failed) if !keeps_lease => {
                tracing::error!(error = %chain(&failed), message.id = %message.lease.message,
                    "a message could not be put back; trying again");
                let end = listener.sent(Progress::Unknown);
                let listener = std::mem::replace(listener, listener.empty());
                self.finish(message, again, end, listener).await;
                Next::End
            }
            Err(failed) => {
                // Meta did not take it, but the store cannot say so: then this was the last attempt.
                tracing::error!(error = %chain(&failed), message.id = %message.lease.message,
                    "a message could not be put back");
                let failure = MessageFailure { code: "meta_unavailable", meta: error };
                let end = listener.sent(Progress::Unknown);
                let listener = std::mem::replace(listener, listener.empty());
                self.finish(message, AttemptResult::Failed(failure), end, listener).await;
                Next::End
            }
        }
    }

    /// What Meta's refusal asks for beyond the message.
    async fn act_on(&self, message: &LeasedMessage, error: &MetaError) {
        if error.class() == MetaErrorClass::SuspendAccount
            && let Err(error) = accounts::suspend_sender(self.deps, self.record, error).await
        {
            tracing::error!(error = %chain(&error), account.id = %message.lease.account,
                "an account that Meta refuses could not be held");
        }
    }

    /// A template that Meta refused is marked with the message's end: what is remembered of it is old by now.
    async fn look_at_templates(&self, settlement: &AttemptResult) {
        let AttemptResult::Failed(MessageFailure { meta: Some(error), .. }) = settlement else { return };
        if error.class() == MetaErrorClass::PauseTemplate
            && let Err(error) = directory::refresh(self.deps).await
        {
            tracing::warn!(error = %chain(&error), "templates could not be read again");
        }
    }

    /// What an outcome after which nothing is tried means for the message and for its caller.
    fn conclude(
        &self,
        outcome: SendOutcome,
        decision: RetryDecision,
        wait: Option<u32>,
        listener: &Listener,
    ) -> (AttemptResult, Result<Sent, SendError>) {
        let code = match decision {
            RetryDecision::Fail { code, .. } => code,
            RetryDecision::Suspend => retry::ACCOUNT_DISCONNECTED,
            RetryDecision::Sent | RetryDecision::Unknown | RetryDecision::Retry { .. } => retry::META_ERROR,
        };
        if decision == RetryDecision::Unknown {
            let reason = match outcome {
                SendOutcome::Unknown { reason } => reason,
                SendOutcome::Accepted(_)
                | SendOutcome::Refused(_)
                | SendOutcome::Stopped { .. }
                | SendOutcome::NotSent { .. } => "an earlier attempt may have arrived".to_owned(),
            };
            return (AttemptResult::Unknown { reason }, listener.sent(Progress::Unknown));
        }
        let failed = |meta: Option<MetaError>| AttemptResult::Failed(MessageFailure { code, meta });
        match outcome {
            SendOutcome::Accepted(accepted) => {
                let AcceptedMessage { wamid, .. } = &accepted;
                let end = listener.sent(Progress::Sent { wamid: wamid.clone() });
                (AttemptResult::Sent(accepted), end)
            }
            SendOutcome::Unknown { reason } => {
                (AttemptResult::Unknown { reason }, listener.sent(Progress::Unknown))
            }
            SendOutcome::NotSent { reason } => {
                tracing::warn!(reason, "meta cannot be reached");
                (failed(None), Err(SendError::MetaUnavailable(None)))
            }
            SendOutcome::Stopped { http_status, retry_after } => {
                tracing::warn!(http_status, "something before meta refused a message");
                let end = if code == retry::META_RATE_LIMITED {
                    let retry_after = wait.or(retry_after).unwrap_or(retry_wait::DEFAULT_WAIT).max(1);
                    SendError::MetaRateLimited { retry_after, error: None }
                } else {
                    SendError::MetaUnavailable(None)
                };
                (failed(None), Err(end))
            }
            SendOutcome::Refused(error) if error.is_ambiguous() => (
                AttemptResult::Unknown { reason: "an ambiguous error".to_owned() },
                listener.sent(Progress::Unknown),
            ),
            SendOutcome::Refused(error) => {
                if decision == RetryDecision::Suspend {
                    // The account's queue waits until somebody resumes it; this message with it.
                    let due_at = self.deps.now();
                    let again = AttemptResult::Retry { due_at, keeps_lease: false, error: Some(error) };
                    return (again, listener.sent(Progress::Queued));
                }
                let end = match code {
                    retry::META_RATE_LIMITED => {
                        let retry_after = wait.unwrap_or_else(|| retry_wait::wait_after(&error)).max(1);
                        SendError::MetaRateLimited { retry_after, error: Some(Box::new(error.clone())) }
                    }
                    retry::META_UNAVAILABLE => SendError::MetaUnavailable(Some(Box::new(error.clone()))),
                    retry::ACCOUNT_DISCONNECTED => SendError::AccountHeld {
                        account: Box::new(self.record.account.clone()),
                        error: Some(Box::new(error.clone())),
                    },
                    _ => SendError::Refused(Box::new(error.clone())),
                };
                (failed(Some(error)), Err(end))
            }
        }
    }

    /// Writes the end down, and then tells it.
    async fn finish(
        &self,
        message: &LeasedMessage,
        settlement: AttemptResult,
        end: Result<Sent, SendError>,
        mut listener: Listener,
    ) {
        let mut answer = listener.kept(&end);
        let mut end = Some(end);
        let mut wait = REWRITE_WAIT;
        loop {
            let now = self.deps.now();
            match self.deps.messages.finish_attempt(&message.lease, &settlement, answer.clone(), now).await {
                Ok(_) => {
                    self.look_at_templates(&settlement).await;
                    break;
                }
                Err(error) => {
                    tracing::error!(error = %chain(&error), message.id = %message.lease.message,
                        "the end of a send could not be written down; trying again");
                }
            }
            // The end is known here, but not on disk: the caller is told what a restart would know.
            if end.take().is_some() {
                let unknown = listener.sent(Progress::Unknown);
                answer = listener.kept(&unknown);
                listener.hear(unknown);
            }
            let next = self.deps.now().saturating_add(wait).unwrap_or(Timestamp::MAX);
            self.deps.clock.sleep_until(next).await;
            wait = wait.saturating_mul(2).min(MAX_REWRITE_WAIT);
        }
        if let Some(end) = end {
            listener.hear(end);
        }
    }
}

impl Listener {
    /// A listener that hears nothing, to stand where the other was.
    fn empty(&self) -> Self {
        Self { tell: None, render: None, template: self.template.clone() }
    }
}

/// Hands a claim back when its task ends without settling it: a panic.
struct Held {
    lease: Option<Lease>,
    dropped: Arc<Mutex<Vec<Lease>>>,
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(lease) = self.lease.take() {
            self.dropped.lock().unwrap_or_else(PoisonError::into_inner).push(lease);
        }
    }
}
