//! Tasks that send a message: a new message, a message of the queue, or a message that is resent.
//!
//! **Invariant:** the caller gets the response only after the result is on disk. If the result cannot be stored, the
//! response is `unknown`, never an error after which the caller would send again.

use std::sync::Arc;

use domain::id::WorkspaceId;
use domain::messages::admission::{Rejection, SentAs, check_sync_slot};
use domain::messages::retry;
use domain::messages::retry::SendMode;
use domain::meta_error::MetaErrorClass;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::oneshot;

use crate::messages::admission;
use crate::messages::attempt::AttemptRunner;
use crate::messages::idempotency::CacheResponse;
use crate::messages::outcome::{SendError, SendProgress, SendReceipt, SendResult};
use crate::messages::recovery::LeaseGuard;
use crate::messages::send_end::SendEnd;
use crate::metrics::Label;
use crate::ports::{
    AccountRecord, AttemptResult, CachedResponse, InsertMessageResult, Lease, LeasedMessage, MessageFailure,
    MessageKey, NewMessage, SendSchedule, StoreError, StoreErrorKind,
};
use crate::{Deps, chain, directory};

/// First wait before a result that could not be stored is stored again. The wait doubles up to [`MAX_STORE_WAIT`].
const FIRST_STORE_WAIT: SignedDuration = SignedDuration::from_secs(1);
/// Maximum wait before a result is stored again.
const MAX_STORE_WAIT: SignedDuration = SignedDuration::from_secs(30);

/// Task that accepts a message and, if the message is synchronous, sends it.
pub(crate) struct SendTask {
    pub(crate) new: NewMessage,
    pub(crate) record: Arc<AccountRecord>,
    pub(crate) cache_response: Option<CacheResponse>,
}

impl SendTask {
    /// Spawns the task and waits for its response. Dropping the returned future does not stop the task.
    pub(crate) async fn run(self, deps: &Arc<Deps>) -> SendResult {
        let (sender, receiver) = oneshot::channel();
        let unknown = SendReceipt::of(&self.new, SendProgress::Unknown, SentAs::Message);
        let workspace = self.new.workspace;
        deps.tasks.spawn(tracing::Instrument::in_current_span(self.accept_and_send(deps.clone(), sender)));
        match receiver.await {
            Ok(result) => result,
            Err(_) => result_after_panic(deps, workspace, unknown).await,
        }
    }

    async fn accept_and_send(self, deps: Arc<Deps>, sender: oneshot::Sender<SendResult>) {
        let Self { mut new, record, cache_response } = self;
        let lease = Lease {
            workspace: new.workspace,
            message: new.id,
            account: new.account,
            attempt: 1,
            token: new.token,
        };
        // After a panic, the recovery finishes the lease.
        let guard = LeaseGuard::new(&deps, lease);
        let now = deps.now();
        let slot_at = reserve_slot(&deps, &mut new, now);
        // Other sends may have reserved slots since the slot was checked.
        let admission = match slot_at.map_or(Ok(()), |slot_at| check_sync_slot(slot_at, now)) {
            Ok(()) => insert_message(&deps, new.clone()).await,
            Err(rejection) => Err(admission::rejected(rejection, now)),
        };
        match (admission, slot_at) {
            (Err(error), slot_at) => {
                if let Some(slot_at) = slot_at {
                    deps.pacer.release(new.account, &new.recipient, slot_at, deps.now());
                }
                // The caller may have disconnected. Nothing was stored.
                drop(sender.send(Err(error)));
            }
            (Ok(_), None) => {
                deps.queue_hint.notify_one();
                drop(sender.send(Ok(SendReceipt::of(&new, SendProgress::Queued, SentAs::Message))));
            }
            (Ok(sent_as), Some(slot_at)) => {
                let responder = Responder {
                    sender,
                    cache_response,
                    receipt: SendReceipt::of(&new, SendProgress::Unknown, sent_as),
                };
                let deadline = now.saturating_add(retry::SYNC_TIMEOUT).unwrap_or(Timestamp::MAX);
                let runner = AttemptRunner {
                    deps: &deps,
                    record: &record,
                    message: leased_message(&new, lease, sent_as),
                    mode: SendMode::Sync { deadline },
                    sent_as,
                    is_resend: false,
                };
                let end = runner.run((slot_at > now).then_some(slot_at)).await;
                finish(&deps, end, responder).await;
            }
        }
        guard.disarm();
    }
}

/// Reserves the send slot of a synchronous message, and sets the schedule of the message accordingly.
fn reserve_slot(deps: &Deps, new: &mut NewMessage, now: Timestamp) -> Option<Timestamp> {
    match new.schedule {
        SendSchedule::Queued { .. } => None,
        SendSchedule::Immediate | SendSchedule::Paced => {
            let slot_at = deps.pacer.reserve(new.account, &new.recipient, now);
            new.schedule = if slot_at <= now { SendSchedule::Immediate } else { SendSchedule::Paced };
            Some(slot_at)
        }
    }
}

/// Inserts a message. Returns the form in which the message is sent.
async fn insert_message(deps: &Deps, new: NewMessage) -> Result<SentAs, SendError> {
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

/// Returns the message that the sender of a new message has leased.
fn leased_message(new: &NewMessage, lease: Lease, sent_as: SentAs) -> LeasedMessage {
    let fallback = new.fallback.as_ref().filter(|_| sent_as == SentAs::Template);
    let (kind, content, context_wamid) = match fallback {
        Some(fallback) => ("template", fallback.clone(), None),
        None => (new.kind, new.content.clone(), new.context_wamid.clone()),
    };
    LeasedMessage {
        lease,
        recipient: new.recipient.clone(),
        kind: kind.to_owned(),
        content,
        context_wamid,
        recipient_identity_key_hash: new.recipient_identity_key_hash.clone(),
        on_unknown: new.on_unknown,
        expires_at: None,
        media_failing_since: None,
        due_since: new.now,
    }
}

/// Returns the result of a send whose task panicked. The next recovery finishes its lease; the caller gets what the
/// store knows of the message.
async fn result_after_panic(deps: &Deps, workspace: WorkspaceId, unknown: SendReceipt) -> SendResult {
    // The write is done after the writes of the task.
    let stored = match deps.workers.check_writable(deps.now()).await {
        Ok(()) => deps.messages.get_message(workspace, &MessageKey::Id(unknown.id)).await,
        Err(error) => Err(error),
    };
    match stored {
        Ok(None) => {
            let reason = "the task panicked before the message was stored";
            Err(SendError::Store(StoreError::new(StoreErrorKind::Bug, "accepting a message", reason)))
        }
        Ok(Some(detail)) if detail.message.is_queued_mode => {
            Ok(SendReceipt { progress: SendProgress::Queued, ..unknown })
        }
        Ok(Some(_)) | Err(_) => Ok(unknown),
    }
}

/// Task that sends a leased message: a due message of the queue, or a message that is resent.
pub(crate) struct LeasedTask {
    pub(crate) record: Arc<AccountRecord>,
    pub(crate) message: LeasedMessage,
    pub(crate) mode: SendMode,
    /// `true` if the message was sent before and its outcome is unknown.
    pub(crate) is_resend: bool,
}

impl LeasedTask {
    /// Spawns the task. The receiver gets the response when the task ends.
    pub(crate) fn spawn(self, deps: &Arc<Deps>) -> oneshot::Receiver<SendResult> {
        let (sender, receiver) = oneshot::channel();
        let guard = LeaseGuard::new(deps, self.message.lease);
        let deps = deps.clone();
        let tasks = deps.tasks.clone();
        tasks.spawn(async move {
            self.send(&deps, sender).await;
            guard.disarm();
            deps.queue_hint.notify_one();
        });
        receiver
    }

    async fn send(self, deps: &Deps, sender: oneshot::Sender<SendResult>) {
        let Self { record, message, mode, is_resend } = self;
        let account = message.lease.account;
        let receipt = SendReceipt {
            id: message.lease.message,
            progress: SendProgress::Unknown,
            recipient: message.recipient.clone(),
            account,
            client_reference: None,
            sent_as: SentAs::Message,
            send_at: None,
            due_at: None,
        };
        // A due message was leased at its slot. A message that is resent waits for a slot.
        let now = deps.now();
        let slot_at = is_resend
            .then(|| deps.pacer.reserve(account, &message.recipient, now))
            .filter(|slot_at| *slot_at > now);
        let _in_flight = deps.in_flight.enter(account);
        let runner =
            AttemptRunner { deps, record: &record, message, mode, sent_as: SentAs::Message, is_resend };
        let end = runner.run(slot_at).await;
        finish(deps, end, Responder { sender, cache_response: None, receipt }).await;
    }
}

/// Caller that waits for the response to a send.
struct Responder {
    sender: oneshot::Sender<SendResult>,
    cache_response: Option<CacheResponse>,
    /// Receipt of the message, without its progress.
    receipt: SendReceipt,
}

impl Responder {
    fn result(&self, response: Result<SendProgress, SendError>) -> SendResult {
        response.map(|progress| SendReceipt { progress, ..self.receipt.clone() })
    }

    fn response_to_cache(&self, result: &SendResult) -> Option<CachedResponse> {
        self.cache_response.as_ref().and_then(|cache_response| cache_response(result))
    }
}

/// Stores the result of a send with the response to cache, and then responds to the caller.
async fn finish(deps: &Deps, end: Option<SendEnd>, responder: Responder) {
    let Some(SendEnd { lease, result, response }) = end else {
        let result = responder.result(Ok(SendProgress::Unknown));
        drop(responder.sender.send(result));
        return;
    };
    let response = responder.result(response);
    let cached = responder.response_to_cache(&response);
    if store_result(deps, &lease, &result, cached).await {
        refresh_templates(deps, &result).await;
        // The caller may have disconnected.
        drop(responder.sender.send(response));
        return;
    }
    // The result is known in this process, but not on disk: the caller gets what a restarted process would know.
    let unknown = responder.result(Ok(SendProgress::Unknown));
    let cached = responder.response_to_cache(&unknown);
    drop(responder.sender.send(unknown));
    let mut wait = FIRST_STORE_WAIT;
    loop {
        let next = deps.now().saturating_add(wait).unwrap_or(Timestamp::MAX);
        deps.clock.sleep_until(next).await;
        if store_result(deps, &lease, &result, cached.clone()).await {
            break;
        }
        wait = wait.saturating_mul(2).min(MAX_STORE_WAIT);
    }
    refresh_templates(deps, &result).await;
}

/// Stores the result of a send. Returns `false` if the store failed.
async fn store_result(
    deps: &Deps,
    lease: &Lease,
    result: &AttemptResult,
    cached: Option<CachedResponse>,
) -> bool {
    match deps.messages.finish_attempt(lease, result, cached, deps.now()).await {
        Ok(_) => true,
        Err(error) => {
            tracing::error!(error = %chain(&error), message.id = %lease.message,
                "the result of a send could not be stored and will be stored again");
            false
        }
    }
}

/// Refreshes the cached templates if Meta refused the template of a message: the store has changed its state.
async fn refresh_templates(deps: &Deps, result: &AttemptResult) {
    let AttemptResult::Failed(MessageFailure { meta: Some(error), .. }) = result else { return };
    if error.class() == MetaErrorClass::PauseTemplate
        && let Err(error) = directory::refresh(deps).await
    {
        tracing::warn!(error = %chain(&error), "the templates could not be refreshed");
    }
}
