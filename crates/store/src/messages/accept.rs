//! Acceptance of a message: idempotency key, window and opt-out are checked, and the message is inserted, in one
//! transaction.

use domain::contacts::whatsapp_user::WhatsAppUser;
use domain::id::{AccountId, KeyId, WorkspaceId};
use domain::messages::direction::Direction;
use domain::messages::status::MessageStatus;
use domain::messages::window::Window;
use engine::ports::{InsertMessageResult, NewMessage, Recipient, RecipientState, SendSchedule, SentAs};
use rusqlite::{Connection, params};

use crate::contacts::lookup::RecipientFacts;
use crate::contacts::{lookup, resolve};
use crate::error::SqlResult;
use crate::messages::message_events::MessageStep;
use crate::messages::{idempotency, message_events, outbound_state, queue_depth};
use crate::row::micros;
use crate::scope::Scope;

pub(crate) fn insert_message(connection: &Connection, new: &NewMessage) -> SqlResult<InsertMessageResult> {
    if let Some(key) = &new.idempotency
        && let Some(known) = idempotency::get_record(connection, new.workspace, key.owner, &key.key, new.now)?
    {
        return Ok(InsertMessageResult::KeyAlreadyUsed(known));
    }
    let known = lookup::find_recipient(connection, new.workspace, new.account, &new.recipient)?;
    let window = known.as_ref().map(|known| known.window).unwrap_or_default();
    let Some(sent_as) = sent_as(new, window) else { return Ok(InsertMessageResult::OutsideWindow(window)) };
    let is_marketing = match sent_as {
        SentAs::Message => new.is_marketing,
        SentAs::Template => new.fallback.as_ref().is_some_and(|fallback| fallback.is_marketing),
    };
    if is_marketing && let Some(refused) = known.as_ref().and_then(|known| marketing_refusal(known, new)) {
        return Ok(refused);
    }
    if let SendSchedule::Queued { limit, .. } = new.schedule
        && queue_depth::get_depth(connection, new.account)? >= limit
    {
        return Ok(InsertMessageResult::QueueFull);
    }
    insert_row(connection, new, known.map(|known| known.contact), sent_as)?;
    if let Some(key) = &new.idempotency {
        idempotency::insert_record(connection, new.workspace, key, new.id)?;
    }
    Ok(InsertMessageResult::Accepted { sent_as })
}

/// Returns the form in which the message may be sent in this window.
fn sent_as(new: &NewMessage, window: Window) -> Option<SentAs> {
    if !new.needs_window || window.is_open(new.window_at) {
        return Some(SentAs::Message);
    }
    new.fallback.as_ref().map(|_| SentAs::Template)
}

fn marketing_refusal(known: &RecipientFacts, new: &NewMessage) -> Option<InsertMessageResult> {
    if known.has_opted_out {
        return Some(InsertMessageResult::OptedOut);
    }
    known
        .marketing_limited_until
        .filter(|until| new.window_at < *until)
        .map(InsertMessageResult::MarketingLimited)
}

fn insert_row(
    connection: &Connection,
    new: &NewMessage,
    known: Option<domain::id::ContactId>,
    sent_as: SentAs,
) -> SqlResult<()> {
    let (wa_id, user_id) = match &new.recipient {
        Recipient::Phone(number) => (Some(number.digits()), None),
        Recipient::Bsuid(user) => (None, Some(user.as_str())),
    };
    let contact = match known {
        Some(known) => known,
        None => {
            let person = WhatsAppUser {
                wa_id: wa_id.map(str::to_owned),
                user_id: user_id.map(str::to_owned),
                ..WhatsAppUser::default()
            };
            let scope = Scope { workspace: new.workspace, account: new.account };
            resolve::create_contact(connection, scope, new.contact, &person, new.now)?;
            new.contact
        }
    };
    let (status, mode, n_attempts) = match new.schedule {
        SendSchedule::Immediate => (MessageStatus::Sending, "sync", 1),
        SendSchedule::Paced => (MessageStatus::Queued, "sync", 0),
        SendSchedule::Queued { .. } => (MessageStatus::Queued, "queue", 0),
    };
    let (due_at, order_at) = match new.schedule {
        SendSchedule::Immediate | SendSchedule::Paced => (None, None),
        SendSchedule::Queued { due_at, order_at, .. } => (Some(micros(due_at)), Some(micros(order_at))),
    };
    let is_held = !matches!(new.schedule, SendSchedule::Queued { .. });
    let fallback = new.fallback.as_ref().map(|fallback| &*fallback.content);
    // A queued message keeps its own content: the window is checked again when the message leaves the queue.
    let swaps = sent_as == SentAs::Template && is_held;
    let has_marketing_fallback = new.fallback.as_ref().is_some_and(|fallback| fallback.is_marketing);
    let (kind, content) = match fallback {
        Some(fallback) if swaps => ("template", fallback),
        Some(_) | None => (new.kind, &*new.content),
    };
    connection
        .prepare_cached(
            "insert into messages (
                 id, workspace_id, account_id, contact_id, key_id, direction, kind, status, wa_id, bsuid,
                 client_reference, context_wamid, identity_key_hash, content, n_attempts, worker_id, lease_token,
                 created_at, updated_at, mode, queue_order_at, due_at, expires_at, on_unknown, fallback, sent_as,
                 needs_window, is_marketing, is_fallback_marketing)
             values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?18, ?19, ?20,
                     ?21, ?22, ?23, ?24, ?25, ?26, ?27, ?28)",
        )?
        .execute(params![
            new.id.as_bytes(),
            new.workspace.as_bytes(),
            new.account.as_bytes(),
            contact.as_bytes(),
            new.key.as_ref().map(KeyId::as_bytes),
            Direction::Outbound.as_str(),
            kind,
            status.as_str(),
            wa_id,
            user_id,
            new.client_reference,
            new.context_wamid,
            new.recipient_identity_key_hash,
            content,
            n_attempts,
            is_held.then(|| new.worker.as_bytes()),
            is_held.then_some(new.token.0),
            micros(new.now),
            mode,
            order_at,
            due_at,
            new.expires_at.map(micros),
            new.on_unknown.as_str(),
            fallback.filter(|_| !swaps),
            if swaps { sent_as } else { SentAs::Message }.as_str(),
            new.needs_window && !swaps,
            if swaps { has_marketing_fallback } else { new.is_marketing },
            has_marketing_fallback && !swaps,
        ])?;
    if !is_held && let Some(message) = outbound_state::get_state(connection, new.workspace, new.id)? {
        queue_depth::update_depth(connection, new.account, true, (None, MessageStatus::Queued))?;
        message_events::emit_status(
            connection,
            &message,
            &MessageStep::ours(MessageStatus::Queued, new.now),
        )?;
    }
    Ok(())
}

pub(crate) fn get_recipient(
    connection: &Connection,
    workspace: WorkspaceId,
    account: AccountId,
    recipient: &Recipient,
) -> SqlResult<RecipientState> {
    Ok(lookup::find_recipient(connection, workspace, account, recipient)?.map_or_else(
        RecipientState::default,
        |known| RecipientState {
            contact: Some(known.contact),
            window: known.window,
            has_opted_out: known.has_opted_out,
            marketing_limited_until: known.marketing_limited_until,
        },
    ))
}
