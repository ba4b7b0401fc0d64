//! The queue: what is due leaves, oldest first, at each account's own pace.

use std::sync::Arc;

use domain::access::audit::{AuditAction, AuditEntry, AuditTarget, AuditTargetKind};
use domain::accounts::account::AccountStatus;
use domain::messages::retry::SendMode;
use domain::messages::status::MessageStatus;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::oneshot;

use crate::access::caller::Caller;
use crate::messages::attempt;
use crate::messages::send::{SendError, choose_account, may_leave};
use crate::ports::{
    AccountRecord, AttemptResult, CachedResponse, CancelMessageResult, IdempotencyRecord, LeaseRequest,
    MessageKey, StoreError, StoreErrorKind, StoredMessage,
};
use crate::{AuditContext, Deps, accounts, chain};

/// How often the queue is looked at when nobody hints: scheduled messages leave within a second of their time.
pub const LOOK_EVERY: SignedDuration = SignedDuration::from_millis(250);
/// How many sends of the queue one account may have under way: enough for its pace at a slow answer of Meta.
const MAX_IN_FLIGHT: u32 = 400;
/// How many overdue messages are ended in one transaction.
const EXPIRE_BATCH: u32 = 500;

/// Does one round: ends what is overdue, and starts what is due. Returns how many messages it took on.
///
/// # Errors
/// When the store cannot be used; the next round tries again.
pub async fn tick(deps: &Arc<Deps>) -> Result<u32, StoreError> {
    if let Err(error) = accounts::write_suspensions(deps).await {
        // It was said when it failed first; the others' queues do not wait for it.
        tracing::debug!(error = %chain(&error), "an account that meta refuses can still not be held");
    }
    let depths = deps.message_queue.list_queue_depths().await?;
    if depths.is_empty() {
        return Ok(0);
    }
    let mut n_done = deps.message_queue.expire_messages(deps.now(), EXPIRE_BATCH).await?;
    let directory = deps.directory.current();
    let mut failed = None;
    for record in &directory.accounts {
        // A held account's queue waits; nobody else's does.
        let is_held = record.account.status != AccountStatus::Connected
            || accounts::is_suspended_here(deps, record.account.id);
        if depths.contains_key(&record.account.id) && !is_held {
            // In a task of its own: what it claims is sent even if this round is given up.
            let taking = deps.tasks.spawn(take(deps.clone(), record.clone())).await;
            match taking.map_err(|error| panicked("taking from the queue", error)).flatten() {
                Ok(n_taken) => n_done = n_done.saturating_add(n_taken),
                // Whatever is wrong with this one's queue, the others' do not wait for it.
                Err(error) => failed = failed.or(Some(error)),
            }
        }
    }
    failed.map_or(Ok(n_done), Err)
}

/// Starts what is due of one account, as far as its pace allows.
async fn take(deps: Arc<Deps>, record: Arc<AccountRecord>) -> Result<u32, StoreError> {
    let account = record.account.id;
    let now = deps.now();
    let (room, waiting) = deps.pacer.room(account, now);
    let room = room.min(MAX_IN_FLIGHT.saturating_sub(deps.in_flight.of(account)));
    if room == 0 {
        return Ok(0);
    }
    let tokens = (0..room).map(|_| deps.new_token()).collect();
    let request = LeaseRequest {
        workspace: record.account.workspace,
        account,
        worker: deps.worker,
        tokens,
        waiting,
        now,
    };
    let round = deps.messages.lease_due_messages(request).await?;
    let n_taken = u32::try_from(round.leased.len()).unwrap_or(u32::MAX);
    for message in round.leased {
        // The pair's wait was looked at before: this is the turn's own time.
        deps.pacer.book(account, &message.recipient, now);
        let mode = SendMode::Queue { since: message.accepted_at, expires_at: message.expires_at };
        attempt::start_claimed(&deps, record.clone(), message, mode, None);
    }
    Ok(n_taken.saturating_add(round.n_finished))
}

/// Why a message cannot be canceled or resolved.
#[derive(Debug)]
pub enum MessageActionError {
    /// There is no such message.
    NotFound,
    /// It is in a state in which that makes no sense.
    NotPossible(MessageStatus),
    /// It cannot be sent again.
    Send(SendError),
    /// The store failed.
    Store(StoreError),
}

impl From<StoreError> for MessageActionError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

async fn find(deps: &Deps, caller: &Caller, key: &MessageKey) -> Result<StoredMessage, MessageActionError> {
    let detail = deps.messages.get_message(caller.workspace(), key).await?;
    let message = detail.map(|detail| detail.message).ok_or(MessageActionError::NotFound)?;
    choose_account(deps, caller, Some(&message.account.to_string())).map_err(MessageActionError::Send)?;
    Ok(message)
}

/// Takes a message back that waits in the queue.
///
/// # Errors
/// `NotPossible` when it has left, or ended.
pub async fn cancel(
    deps: &Deps,
    caller: &Caller,
    key: &MessageKey,
) -> Result<StoredMessage, MessageActionError> {
    let message = find(deps, caller, key).await?;
    match deps.messages.cancel_message(caller.workspace(), message.id, deps.now()).await? {
        CancelMessageResult::Canceled => find(deps, caller, key).await,
        CancelMessageResult::TooLate(status) => Err(MessageActionError::NotPossible(status)),
        CancelMessageResult::NotFound => Err(MessageActionError::NotFound),
    }
}

/// What to do with a message whose outcome is unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resolve {
    /// Send it again, once, at the risk that it arrives twice.
    Resend,
    /// Give it up.
    Fail,
}

/// Ends the uncertainty about a message by hand.
///
/// # Errors
/// `NotPossible` when it is not unknown, or was sent again before.
pub async fn resolve(
    deps: &Arc<Deps>,
    (caller, audit): (&Caller, &AuditContext),
    key: &MessageKey,
    action: Resolve,
) -> Result<StoredMessage, MessageActionError> {
    let message = find(deps, caller, key).await?;
    let word = match action {
        Resolve::Fail => "fail",
        Resolve::Resend => "resend",
    };
    let subject = AuditTarget { kind: AuditTargetKind::Message, id: message.id.to_string(), name: None };
    let entry =
        audit.entry(deps, caller.workspace(), AuditAction::MessageResolved, subject).with("action", word);
    match action {
        Resolve::Fail => {
            if !deps.messages.fail_unknown_message(caller.workspace(), message.id, entry).await? {
                return Err(MessageActionError::NotPossible(message.status));
            }
        }
        Resolve::Resend => resend(deps, caller, &message, entry).await?,
    }
    find(deps, caller, &MessageKey::Id(message.id)).await
}

async fn resend(
    deps: &Arc<Deps>,
    caller: &Caller,
    message: &StoredMessage,
    entry: AuditEntry,
) -> Result<(), MessageActionError> {
    let record =
        choose_account(deps, caller, Some(&message.account.to_string())).map_err(MessageActionError::Send)?;
    may_leave(deps, &record).map_err(MessageActionError::Send)?;
    // In a task of its own: whoever asked may go away between the claim and its sending.
    let (claiming, id, workspace) = (deps.clone(), message.id, caller.workspace());
    let resending = deps.tasks.spawn(async move {
        let deps = claiming;
        let audit = (deps.worker, deps.new_token());
        let now = deps.now();
        let Some(leased) = deps.messages.lease_unknown_message(workspace, id, audit, entry).await? else {
            return Ok(false);
        };
        let deadline = now.saturating_add(domain::messages::retry::SYNC_TIMEOUT).unwrap_or(Timestamp::MAX);
        let (tell, told) = oneshot::channel();
        attempt::start_claimed(&deps, record, leased, SendMode::Sync { deadline }, Some(tell));
        // Whatever it ended with is in the store by now, and is read from there.
        drop(told.await);
        Ok(true)
    });
    match resending.await {
        Ok(Ok(true)) => Ok(()),
        Ok(Ok(false)) => Err(MessageActionError::NotPossible(message.status)),
        Ok(Err(error)) => Err(MessageActionError::Store(error)),
        Err(error) => Err(MessageActionError::Store(panicked("sending a message again", error))),
    }
}

/// The error of a task that panicked.
fn panicked(doing: &'static str, error: tokio::task::JoinError) -> StoreError {
    StoreError::new(StoreErrorKind::Bug, doing, error)
}

/// Gives a claim back that a task dropped: what it was doing is not known.
pub(crate) async fn give_back(deps: &Deps) -> Result<u32, StoreError> {
    let mut n_finished = 0;
    while let Some(lease) = deps.next_dropped() {
        let end = AttemptResult::Unknown { reason: "the task ended without an answer".to_owned() };
        if let Err(error) = deps.messages.finish_attempt(&lease, &end, None, deps.now()).await {
            deps.put_dropped(lease);
            return Err(error);
        }
        n_finished += 1;
    }
    Ok(n_finished)
}

/// What is known of a message that a used key belongs to.
#[derive(Debug)]
pub enum Repeated {
    /// The first answer.
    Kept(CachedResponse),
    /// The first request had another body.
    Mismatch,
    /// The first request is still running.
    InProgress,
    /// The first request got no answer: its process died. This is what became of its message.
    Orphaned(Box<StoredMessage>),
}

/// What to answer to a request whose key was used before.
///
/// # Errors
/// When the store cannot be read.
pub async fn repeated(
    deps: &Deps,
    caller: &Caller,
    key: IdempotencyRecord,
    digest: [u8; 32],
) -> Result<Repeated, StoreError> {
    if key.digest != digest {
        return Ok(Repeated::Mismatch);
    }
    if let Some(answer) = key.answer {
        return Ok(Repeated::Kept(answer));
    }
    let detail = deps.messages.get_message(caller.workspace(), &MessageKey::Id(key.message)).await?;
    Ok(match detail.map(|detail| detail.message) {
        Some(message) if !matches!(message.status, MessageStatus::Queued | MessageStatus::Sending) => {
            Repeated::Orphaned(Box::new(message))
        }
        Some(_) | None => Repeated::InProgress,
    })
}
