//! Actions on messages: cancel or reschedule a queued message, resolve a message whose outcome is unknown.

use std::sync::Arc;

use domain::access::audit::{AuditAction, AuditEntry, AuditTarget, AuditTargetKind};
use domain::check::Violation;
use domain::messages::retry;
use domain::messages::retry::SendMode;
use domain::messages::status::MessageStatus;
use domain::time::rfc3339;
use jiff::Timestamp;

use crate::access::caller::Caller;
use crate::access::rate_limits;
use crate::messages::admission;
use crate::messages::admission::{choose_account, ensure_can_send};
use crate::messages::outcome::SendError;
use crate::messages::queue::panicked;
use crate::messages::task::LeasedTask;
use crate::ports::{
    CancelMessageResult, LeaseHolder, MessageKey, RescheduleRequest, RescheduleResult, StoreError,
    StoredMessage,
};
use crate::{AuditContext, Deps, side_effects};

/// Error of an action on a message.
#[derive(Debug)]
pub enum MessageActionError {
    /// The message does not exist.
    NotFound,
    /// The status of the message does not allow the action.
    NotPossible(MessageStatus),
    /// The account cannot be used.
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

/// Cancels a queued message.
///
/// # Errors
/// `NotPossible`, if the message is not queued any more.
pub async fn cancel_message(
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

/// Changes the send time of a queued message. The rules of a new message apply to the new time.
///
/// # Errors
/// `NotPossible`, if the message is being sent or is not queued any more; `Send`, if the message would be rejected.
pub async fn reschedule_message(
    deps: &Deps,
    caller: &Caller,
    audit: &AuditContext,
    key: &MessageKey,
    send_at: Timestamp,
) -> Result<StoredMessage, MessageActionError> {
    let message = find(deps, caller, key).await?;
    let now = deps.now();
    // Messages of a batch leave at the pace of the API key.
    let is_queued = message.status == MessageStatus::Queued;
    let slot_at = message.batch.filter(|_| is_queued).map_or(now, |_| rate_limits::reserve(deps, caller));
    let request = RescheduleRequest {
        workspace: caller.workspace(),
        message: message.id,
        send_at,
        due_at: send_at.max(slot_at),
        now,
    };
    let target = AuditTarget { kind: AuditTargetKind::Message, id: message.id.to_string(), name: None };
    let entry = audit
        .entry(deps, caller.workspace(), AuditAction::MessageRescheduled, target)
        .with("send_at", rfc3339(send_at));
    match deps.messages.update_send_at(request, entry).await? {
        RescheduleResult::Rescheduled => {
            deps.queue_hint.notify_one();
            find(deps, caller, &MessageKey::Id(message.id)).await
        }
        RescheduleResult::TooLate(status) => Err(MessageActionError::NotPossible(status)),
        RescheduleResult::Rejected(rejection) => {
            Err(MessageActionError::Send(admission::rejected(rejection, now)))
        }
        RescheduleResult::FileUnavailable(file) => {
            let reason = format!("cannot be changed: the file `{file}` of the message is not available");
            Err(MessageActionError::Send(SendError::Media(vec![Violation::new("/send_at", reason)])))
        }
        RescheduleResult::NotFound => Err(MessageActionError::NotFound),
    }
}

/// Resolution of an unknown outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnknownResolution {
    /// The message is sent again, once. The recipient may get the message twice.
    Resend,
    /// The message is set to `failed`.
    Fail,
}

/// Resolves a message whose outcome is unknown.
///
/// # Errors
/// `NotPossible`, if the outcome is not unknown, or the message was resent before.
pub async fn resolve_message(
    deps: &Arc<Deps>,
    caller: &Caller,
    audit: &AuditContext,
    key: &MessageKey,
    resolution: UnknownResolution,
) -> Result<StoredMessage, MessageActionError> {
    let message = find(deps, caller, key).await?;
    let action = match resolution {
        UnknownResolution::Fail => "fail",
        UnknownResolution::Resend => "resend",
    };
    let target = AuditTarget { kind: AuditTargetKind::Message, id: message.id.to_string(), name: None };
    let entry =
        audit.entry(deps, caller.workspace(), AuditAction::MessageResolved, target).with("action", action);
    match resolution {
        UnknownResolution::Fail => {
            if !deps.messages.fail_unknown_message(caller.workspace(), message.id, entry).await? {
                return Err(MessageActionError::NotPossible(message.status));
            }
        }
        UnknownResolution::Resend => resend(deps, caller, &message, entry).await?,
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
    ensure_can_send(deps, &record).map_err(MessageActionError::Send)?;
    // In a task of its own: the caller may disconnect between the lease and the send.
    let (task_deps, id, workspace) = (deps.clone(), message.id, caller.workspace());
    let resending = deps.tasks.spawn(async move {
        let deps = task_deps;
        let holder = LeaseHolder { worker: deps.worker, token: deps.new_token() };
        let now = deps.now();
        let Some(message) = deps.messages.lease_unknown_message(workspace, id, holder, entry).await? else {
            return Ok(false);
        };
        let deadline = now.saturating_add(retry::SYNC_TIMEOUT).unwrap_or(Timestamp::MAX);
        let mode = SendMode::Sync { deadline };
        // The result is read from the store.
        drop(LeasedTask { record, message, mode, is_resend: true }.spawn(&deps).await);
        Ok(true)
    });
    match resending.await {
        Ok(Ok(true)) => {
            // The task of the resend has changed the store.
            side_effects::record();
            Ok(())
        }
        Ok(Ok(false)) => Err(MessageActionError::NotPossible(message.status)),
        Ok(Err(error)) => Err(MessageActionError::Store(error)),
        Err(error) => Err(MessageActionError::Store(panicked("resending a message", error))),
    }
}
