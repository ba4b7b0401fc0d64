//! End of an attempt to send a message.

use domain::contacts::whatsapp_user::WhatsAppUser;
use domain::messages::status::MessageStatus;
use domain::meta_error::{MetaError, MetaErrorClass};
use engine::ports::{AttemptResult, CachedResponse, Lease, LeaseCheck};
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
    error_effects, finish_erased, idempotency, messaging_limit, outbound_state, queue_depth, statuses,
    timeline, wamids,
};

pub(crate) fn finish_attempt(
    connection: &Connection,
    lease: &Lease,
    end: &AttemptResult,
    answer: Option<&CachedResponse>,
    now: Timestamp,
) -> SqlResult<LeaseCheck> {
    let Some(mut current) = outbound_state::get_state(connection, lease.workspace, lease.message)? else {
        return Ok(LeaseCheck::Lost);
    };
    let is_held = current.claim_token == Some(lease.token.0);
    if !is_held && matches!(end, AttemptResult::Unknown { .. } | AttemptResult::Retry { .. }) {
        return Ok(LeaseCheck::Lost);
    }
    if current.is_erased {
        finish_erased::finish_erased_attempt(connection, &mut current, (lease, is_held), end, now)?;
        return Ok(if is_held { LeaseCheck::Valid } else { LeaseCheck::Lost });
    }
    let (reached, wamid, failure) = match end {
        AttemptResult::Sent(accepted) => (MessageStatus::Sent, Some(accepted.wamid.as_str()), None),
        AttemptResult::Failed(failure) => (MessageStatus::Failed, None, Some(failure)),
        AttemptResult::Unknown { .. } => (MessageStatus::Unknown, None, None),
        AttemptResult::Retry { due_at, keeps_lease, error } => {
            return requeue(connection, &current, (*due_at, *keeps_lease), error.as_ref(), now);
        }
    };
    let before = current.status;
    current.status = before.after(reached);
    let meta = failure.and_then(|failure| failure.meta.as_ref());
    // If a report has set the message to failed already, Meta's error is kept.
    let has_failed = current.status == MessageStatus::Failed && before != MessageStatus::Failed;
    connection
        .prepare_cached(
            "update messages
             set status = ?3, wamid = coalesce(wamid, ?4), failure_code = coalesce(?5, failure_code),
                 error = coalesce(?6, error), fallback = null, updated_at = ?7,
                 worker_id = case when ?8 then null else worker_id end,
                 lease_token = case when ?8 then null else lease_token end
             where workspace_id = ?1 and id = ?2",
        )?
        .execute(params![
            lease.workspace.as_bytes(),
            lease.message.as_bytes(),
            current.status.as_str(),
            wamid,
            failure.filter(|_| has_failed).map(|failure| failure.code),
            meta.filter(|_| has_failed).map(json).transpose()?,
            micros(now),
            is_held,
        ])?;
    current.moved_from(connection, before)?;
    let failure_code = failure.map(|failure| failure.code);
    let ours = TimelineRow { wamid, error: meta, failure_code, ..TimelineRow::ours(reached, now) };
    timeline::insert_entry(connection, &current, &ours)?;
    if let AttemptResult::Sent(accepted) = end {
        wamids::insert_wamid(connection, &current, &accepted.wamid, lease.attempt)?;
        // Meta usually returns the number of the request.
        if accepted.wa_id != current.wa_id || accepted.user_id.is_some() {
            let person = WhatsAppUser {
                wa_id: accepted.wa_id.clone(),
                user_id: accepted.user_id.clone(),
                ..WhatsAppUser::default()
            };
            resolve::enrich_contact(
                connection,
                Scope { workspace: lease.workspace, account: current.account },
                current.contact,
                &person,
                now,
            )?;
        }
        statuses::apply_pending(connection, &current, &accepted.wamid)?;
    }
    if has_failed {
        messaging_limit::release_reservation(connection, &current)?;
    } else {
        messaging_limit::count_recipient(connection, &current, now)?;
    }
    if let Some(error) = meta {
        error_effects::apply_error_effects(connection, &current, error, (now, now))?;
        // Only errors of a response count: the template's state may have changed before a report is received.
        if error.class() == MetaErrorClass::PauseTemplate {
            let scope = Scope { workspace: lease.workspace, account: current.account };
            updates::apply_refusal(connection, scope, current.message, error, now)?;
        }
    }
    // An unknown outcome without a response belongs to a task that ended: the idempotency key stays in use, because
    // the message may have been sent.
    if answer.is_some() || reached != MessageStatus::Unknown {
        idempotency::finish_record(connection, lease.workspace, lease.message, answer)?;
    }
    Ok(if is_held { LeaseCheck::Valid } else { LeaseCheck::Lost })
}

/// Returns a message that Meta did not accept to the queue: the only step back of a status.
fn requeue(
    connection: &Connection,
    current: &OutboundState,
    (due_at, keeps_lease): (Timestamp, bool),
    error: Option<&MetaError>,
    now: Timestamp,
) -> SqlResult<LeaseCheck> {
    let is_ours = matches!(current.status, MessageStatus::Sending | MessageStatus::Queued);
    connection
        .prepare_cached(
            "update messages
             set status = case when ?3 then 'queued' else status end, due_at = case when ?3 then ?4 end,
                 worker_id = case when ?3 and ?5 then worker_id end,
                 lease_token = case when ?3 and ?5 then lease_token end, updated_at = ?6
             where workspace_id = ?1 and id = ?2",
        )?
        .execute((
            current.workspace.as_bytes(),
            current.message.as_bytes(),
            is_ours,
            micros(due_at),
            keeps_lease,
            micros(now),
        ))?;
    if !is_ours {
        // A report says that the message was sent: it is not retried.
        messaging_limit::count_recipient(connection, current, now)?;
        return Ok(LeaseCheck::Lost);
    }
    let steps = (Some(current.status), MessageStatus::Queued);
    queue_depth::update_depth(connection, current.account, current.is_queued_mode, steps)?;
    timeline::insert_entry(
        connection,
        current,
        &TimelineRow { error, ..TimelineRow::ours(MessageStatus::Queued, now) },
    )?;
    messaging_limit::release_reservation(connection, current)?;
    Ok(LeaseCheck::Valid)
}
