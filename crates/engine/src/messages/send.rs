//! Sending: checks, the durable record, then the call to Meta.
//!
//! From the record on, a send runs in a task of its own; a caller that disconnects changes nothing.

use std::sync::Arc;

use domain::id::{ContactId, MessageId};
use domain::messages::admission::{AdmissionRequest, SentAs, check_sync_slot};
use jiff::{SignedDuration, Timestamp};

use crate::Deps;
use crate::access::caller::Caller;
use crate::access::idempotent_request::IDEMPOTENCY_PERIOD;
use crate::access::rate_limits;
use crate::messages::admission;
use crate::messages::admission::{CheckedRequest, content_text};
use crate::messages::idempotency::IdempotencyKey;
use crate::messages::outcome::{SendProgress, SendReceipt, SendResult};
use crate::messages::request::{SendRequest, SendTiming};
use crate::messages::task::SendTask;
use crate::ports::{NewIdempotencyRecord, NewMessage, SendSchedule, StoreError};

/// Accepts a message. A synchronous message is sent, and the function waits for Meta's answer.
///
/// # Errors
/// Each error guarantees that the message was not sent.
pub async fn send_message(
    deps: &Arc<Deps>,
    caller: &Caller,
    request: SendRequest,
    idempotency: Option<IdempotencyKey>,
) -> SendResult {
    let checked = admission::check_request(deps, caller, &request).await?;
    let now = deps.now();
    if request.timing == SendTiming::Sync {
        let slot_at = deps.pacer.next_slot(checked.record.account.id, &checked.recipient, now);
        check_sync_slot(slot_at, now).map_err(|rejection| admission::rejected(rejection, now))?;
    }
    let admission = admission::admission_request(deps, &request, checked.categories, now);
    let record = checked.record.clone();
    let mut new = new_message(deps, caller, Accepting { request, checked, admission, now })?;
    let cache_response = idempotency.map(|idempotency| {
        let IdempotencyKey { key, digest, cache_response } = idempotency;
        // The response to a queued message does not depend on later events: it is cached with the record.
        let response = match new.schedule {
            SendSchedule::Queued { .. } => {
                cache_response(&Ok(SendReceipt::of(&new, SendProgress::Queued, SentAs::Message)))
            }
            SendSchedule::Immediate | SendSchedule::Paced => None,
        };
        let expires_at = now.saturating_add(IDEMPOTENCY_PERIOD).unwrap_or(Timestamp::MAX);
        new.idempotency =
            Some(NewIdempotencyRecord { owner: caller.owner(), key, digest, expires_at, response });
        cache_response
    });
    SendTask { new, record, cache_response }.run(deps).await
}

/// A request that has passed the checks before the record.
struct Accepting {
    request: SendRequest,
    checked: CheckedRequest,
    admission: AdmissionRequest,
    now: Timestamp,
}

/// Returns the record of a message.
fn new_message(deps: &Deps, caller: &Caller, accepting: Accepting) -> Result<NewMessage, StoreError> {
    let Accepting { request, checked, admission, now } = accepting;
    let leaves_at = admission.leaves_at;
    Ok(NewMessage {
        id: deps.new_id(MessageId::from_parts),
        workspace: caller.workspace(),
        account: checked.record.account.id,
        key: caller.key_id(),
        batch: request.batch,
        recipient: checked.recipient,
        contact: deps.new_id(ContactId::from_parts),
        kind: request.content.kind().as_str(),
        content: content_text(&request.content)?,
        admission,
        context_wamid: checked.context_wamid,
        recipient_identity_key_hash: request.recipient_identity_key_hash,
        client_reference: request.client_reference,
        fallback: request.fallback.as_ref().map(content_text).transpose()?,
        on_unknown: request.on_unknown,
        send_at: request.timing.send_at(),
        schedule: schedule(deps, caller, request.timing, leaves_at),
        expires_at: request.valid_for.and_then(|span| leaves_at.saturating_add(span).ok()),
        idempotency: None,
        worker: deps.worker,
        token: deps.new_token(),
        now,
    })
}

fn schedule(deps: &Deps, caller: &Caller, timing: SendTiming, leaves_at: Timestamp) -> SendSchedule {
    match timing {
        SendTiming::Sync => SendSchedule::Immediate,
        SendTiming::Queue(_) => SendSchedule::Queued { due_at: leaves_at, order_at: leaves_at },
        SendTiming::Batch { index, .. } => {
            // The items are accepted concurrently. Messages to one contact are sent in the order of the batch.
            let order_at =
                leaves_at.saturating_add(SignedDuration::from_micros(index.into())).unwrap_or(leaves_at);
            SendSchedule::Queued { due_at: rate_limits::reserve(deps, caller).max(leaves_at), order_at }
        }
    }
}
