//! End of an attempt to send a message.

use domain::contacts::whatsapp_user::WhatsAppUser;
use domain::messages::outcome::AcceptedMessage;
use domain::messages::status::MessageStatus;
use domain::meta_error::{MetaError, MetaErrorClass};
use engine::ports::{AttemptResult, CachedResponse, Lease, LeaseCheck, MessageFailure};
use jiff::Timestamp;
use rusqlite::{Connection, params};

use crate::contacts::resolve;
use crate::error::SqlResult;
use crate::messages::outbound_state::OutboundState;
use crate::messages::timeline::TimelineRow;
use crate::row::{json, micros};
use crate::scope::Scope;
use crate::templates::updates;

use crate::messages::{
    error_effects, finish_erased, idempotency, message_events, messaging_limit, outbound_state, statuses,
    timeline, wamids,
};

/// Stores the result of an attempt. A definite result is stored even if the lease is not valid any more.
pub(crate) fn finish_attempt(
    connection: &Connection,
    lease: &Lease,
    result: &AttemptResult,
    response: Option<&CachedResponse>,
    now: Timestamp,
) -> SqlResult<LeaseCheck> {
    let Some(mut current) = outbound_state::get_state(connection, lease.workspace, lease.message)? else {
        return Ok(LeaseCheck::Lost);
    };
    let is_leased = current.lease_token == Some(lease.token.0);
    let check = if is_leased { LeaseCheck::Valid } else { LeaseCheck::Lost };
    let is_definite = matches!(result, AttemptResult::Sent(_) | AttemptResult::Failed(_));
    if !is_leased && !is_definite {
        return Ok(LeaseCheck::Lost);
    }
    if current.is_erased {
        finish_erased::finish_erased_attempt(connection, &mut current, lease, result, now)?;
        return Ok(check);
    }
    let before = current.status;
    let end_of = |status: MessageStatus, wamid, failure| {
        // If a report has set the message to failed already, Meta's error is kept.
        let has_failed = before.after(status) == MessageStatus::Failed && before != MessageStatus::Failed;
        AttemptEnd { status, wamid, failure, has_failed, is_leased }
    };
    let end = match result {
        AttemptResult::Sent(accepted) => end_of(MessageStatus::Sent, Some(accepted.wamid.as_str()), None),
        AttemptResult::Failed(failure) => end_of(MessageStatus::Failed, None, Some(failure)),
        AttemptResult::Unknown { .. } => end_of(MessageStatus::Unknown, None, None),
        AttemptResult::Retry { due_at, keeps_lease, error } => {
            let retry = Retry {
                due_at: *due_at,
                keeps_lease: *keeps_lease,
                error: error.as_ref(),
                media_failing_since: None,
            };
            return requeue(connection, &mut current, &retry, now);
        }
        AttemptResult::RetryDownload { due_at, keeps_lease, failing_since, error } => {
            let retry = Retry {
                due_at: *due_at,
                keeps_lease: *keeps_lease,
                error: Some(error),
                media_failing_since: Some(*failing_since),
            };
            return requeue(connection, &mut current, &retry, now);
        }
    };
    current.status = before.after(end.status);
    update_message(connection, &current, &end, now)?;
    current.moved_from(connection, before)?;
    let meta = end.meta_error();
    let failure_code = end.failure.map(|failure| failure.code);
    let ours =
        TimelineRow { wamid: end.wamid, error: meta, failure_code, ..TimelineRow::ours(end.status, now) };
    timeline::insert_entry(connection, &current, &ours)?;
    if let AttemptResult::Sent(accepted) = result {
        apply_acceptance(connection, &current, lease, accepted, now)?;
    }
    if end.has_failed {
        messaging_limit::release_reservation(connection, &current)?;
    } else {
        messaging_limit::count_recipient(connection, &current, now)?;
    }
    if let Some(error) = meta {
        error_effects::apply_error_effects(connection, &current, error, now, now)?;
        // Only errors of a response count: the template's state may have changed before a report is received.
        if error.class() == MetaErrorClass::PauseTemplate {
            let scope = Scope { workspace: lease.workspace, account: current.account };
            updates::apply_refusal(connection, scope, current.message, error, now)?;
        }
    }
    // An unknown outcome without a response belongs to a task that ended: the idempotency key stays in use, because
    // the message may have been sent.
    if response.is_some() || end.status != MessageStatus::Unknown {
        idempotency::finish_record(connection, lease.workspace, lease.message, response)?;
    }
    Ok(check)
}

/// End of an attempt after which no other attempt follows.
struct AttemptEnd<'a> {
    status: MessageStatus,
    wamid: Option<&'a str>,
    failure: Option<&'a MessageFailure>,
    /// `true` if the message has failed with this attempt.
    has_failed: bool,
    /// `true` if the lease of the attempt is valid.
    is_leased: bool,
}

impl<'a> AttemptEnd<'a> {
    fn meta_error(&self) -> Option<&'a MetaError> {
        self.failure.and_then(|failure| failure.meta.as_ref())
    }
}

/// Sets the status and the wamid of a message; the error only if the message has failed now. Ends the lease if it is
/// valid.
fn update_message(
    connection: &Connection,
    current: &OutboundState,
    end: &AttemptEnd<'_>,
    now: Timestamp,
) -> SqlResult<()> {
    connection
        .prepare_cached(
            "update messages
             set status = ?3, wamid = coalesce(wamid, ?4), failure_code = coalesce(?5, failure_code),
                 error = coalesce(?6, case when media_failing_since is null or ?3 = 'failed' then error end),
                 media_failing_since = null, fallback = null, updated_at = ?7,
                 worker_id = case when ?8 then null else worker_id end,
                 lease_token = case when ?8 then null else lease_token end
             where workspace_id = ?1 and id = ?2",
        )?
        .execute(params![
            current.workspace.as_bytes(),
            current.message.as_bytes(),
            current.status.as_str(),
            end.wamid,
            end.failure.filter(|_| end.has_failed).map(|failure| failure.code),
            end.meta_error().filter(|_| end.has_failed).map(json).transpose()?,
            micros(now),
            end.is_leased,
        ])?;
    Ok(())
}

/// Stores the wamid and the identifiers of the recipient that Meta returned, and applies the statuses that were received
/// before the wamid was known.
fn apply_acceptance(
    connection: &Connection,
    current: &OutboundState,
    lease: &Lease,
    accepted: &AcceptedMessage,
    now: Timestamp,
) -> SqlResult<()> {
    wamids::insert_wamid(connection, current, &accepted.wamid, lease.attempt)?;
    // Meta usually returns the number of the request.
    if accepted.wa_id != current.wa_id || accepted.user_id.is_some() {
        let user = WhatsAppUser {
            wa_id: accepted.wa_id.clone(),
            user_id: accepted.user_id.clone(),
            ..WhatsAppUser::default()
        };
        let scope = Scope { workspace: lease.workspace, account: current.account };
        resolve::enrich_contact(connection, scope, current.contact, &user, now)?;
    }
    statuses::apply_pending(connection, current, &accepted.wamid)
}

/// Retry of a message that Meta did not accept.
struct Retry<'a> {
    due_at: Timestamp,
    keeps_lease: bool,
    error: Option<&'a MetaError>,
    /// Time of the first failed download, if the reason for the retry is a file of the message.
    media_failing_since: Option<Timestamp>,
}

/// Returns a message that Meta did not accept to the queue: the only step back of a status.
fn requeue(
    connection: &Connection,
    current: &mut OutboundState,
    retry: &Retry<'_>,
    now: Timestamp,
) -> SqlResult<LeaseCheck> {
    let is_ours = matches!(current.status, MessageStatus::Sending | MessageStatus::Queued);
    connection
        .prepare_cached(
            "update messages
             set status = case when ?3 then 'queued' else status end, due_at = case when ?3 then ?4 end,
                 worker_id = case when ?3 and ?5 then worker_id end,
                 lease_token = case when ?3 and ?5 then lease_token end, updated_at = ?6,
                 media_failing_since = case when ?3 then ?7 end, error = case when ?3 then ?8 else error end
             where workspace_id = ?1 and id = ?2",
        )?
        .execute(params![
            current.workspace.as_bytes(),
            current.message.as_bytes(),
            is_ours,
            micros(retry.due_at),
            retry.keeps_lease,
            micros(now),
            retry.media_failing_since.map(micros),
            retry.error.filter(|_| retry.media_failing_since.is_some()).map(json).transpose()?,
        ])?;
    if !is_ours {
        // A report says that the message was sent: it is not retried.
        messaging_limit::count_recipient(connection, current, now)?;
        return Ok(LeaseCheck::Lost);
    }
    let before = std::mem::replace(&mut current.status, MessageStatus::Queued);
    current.moved_from(connection, before)?;
    timeline::insert_entry(
        connection,
        current,
        &TimelineRow { error: retry.error, ..TimelineRow::ours(MessageStatus::Queued, now) },
    )?;
    if let Some(error) = retry.error
        && retry.media_failing_since.is_some()
        && current.is_queued_mode
        && !current.is_media_failing
    {
        message_events::emit_delayed(connection, current, error, now)?;
    }
    messaging_limit::release_reservation(connection, current)?;
    Ok(LeaseCheck::Valid)
}
