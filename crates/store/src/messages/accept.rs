//! Acceptance of a message: the idempotency key is checked, the admission is decided and the message is inserted, in one
//! transaction.

use domain::contacts::whatsapp_user::WhatsAppUser;
use domain::id::{AccountId, BatchId, ContactId, KeyId, WorkspaceId};
use domain::messages::admission;
use domain::messages::admission::{Admission, AdmissionFacts, AdmissionStage, SentAs};
use domain::messages::direction::Direction;
use domain::messages::status::MessageStatus;
use engine::ports::{InsertMessageResult, NewMessage, Recipient, SendSchedule};
use jiff::Timestamp;
use rusqlite::{Connection, params};

use crate::contacts::lookup::RecipientFacts;
use crate::contacts::{lookup, resolve};
use crate::error::{SqlError, SqlResult};
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
    let n_queued = match new.admission.stage {
        AdmissionStage::Enqueue { .. } => queue_depth::get_depth(connection, new.account)?,
        AdmissionStage::Sync | AdmissionStage::Due => 0,
    };
    let sent_as = match admission::decide(&admission_facts(known.as_ref(), n_queued), &new.admission, new.now)
    {
        Admission::Admit { sent_as, .. } => sent_as,
        Admission::Reject(rejection) => return Ok(InsertMessageResult::Rejected(rejection)),
        Admission::Wait { .. } => return Err(SqlError::Bug("a new message waits for a send slot")),
    };
    let contact = match known {
        Some(known) => known.contact,
        None => create_contact(connection, new)?,
    };
    insert_row(connection, new, contact, sent_as)?;
    if matches!(new.schedule, SendSchedule::Queued { .. }) {
        record_queued(connection, new)?;
    }
    if let Some(key) = &new.idempotency {
        idempotency::insert_record(connection, new.workspace, key, new.id)?;
    }
    Ok(InsertMessageResult::Accepted { sent_as })
}

/// Returns the facts that the admission of a message to a recipient depends on, except for the next send slot.
pub(crate) fn get_admission_facts(
    connection: &Connection,
    workspace: WorkspaceId,
    account: AccountId,
    recipient: &Recipient,
) -> SqlResult<AdmissionFacts> {
    let known = lookup::find_recipient(connection, workspace, account, recipient)?;
    Ok(admission_facts(known.as_ref(), queue_depth::get_depth(connection, account)?))
}

fn admission_facts(known: Option<&RecipientFacts>, n_queued: u32) -> AdmissionFacts {
    let facts = AdmissionFacts { n_queued, ..AdmissionFacts::default() };
    let Some(known) = known else { return facts };
    AdmissionFacts {
        window: known.window,
        has_opted_out: known.has_opted_out,
        marketing_limited_until: known.marketing_limited_until,
        ..facts
    }
}

/// Creates the contact of a recipient that is not known yet.
fn create_contact(connection: &Connection, new: &NewMessage) -> SqlResult<ContactId> {
    let (wa_id, user_id) = identifiers(&new.recipient);
    let user = WhatsAppUser {
        wa_id: wa_id.map(str::to_owned),
        user_id: user_id.map(str::to_owned),
        ..WhatsAppUser::default()
    };
    let scope = Scope { workspace: new.workspace, account: new.account };
    resolve::create_contact(connection, scope, new.contact, &user, new.now)?;
    Ok(new.contact)
}

/// Returns the number and the business-scoped user ID of a recipient, of which one is set.
fn identifiers(recipient: &Recipient) -> (Option<&str>, Option<&str>) {
    match recipient {
        Recipient::Phone(number) => (Some(number.digits()), None),
        Recipient::Bsuid(user) => (None, Some(user.as_str())),
    }
}

/// Columns that depend on the schedule of a message.
struct ScheduleColumns {
    status: MessageStatus,
    mode: &'static str,
    n_attempts: u32,
    /// `true` if the message is inserted with a lease of its sender.
    is_leased: bool,
    due_at: Option<Timestamp>,
    order_at: Option<Timestamp>,
}

impl ScheduleColumns {
    fn of(schedule: SendSchedule) -> Self {
        let leased = Self {
            status: MessageStatus::Queued,
            mode: "sync",
            n_attempts: 0,
            is_leased: true,
            due_at: None,
            order_at: None,
        };
        match schedule {
            SendSchedule::Immediate => Self { status: MessageStatus::Sending, n_attempts: 1, ..leased },
            SendSchedule::Paced => leased,
            SendSchedule::Queued { due_at, order_at } => Self {
                mode: "queue",
                is_leased: false,
                due_at: Some(due_at),
                order_at: Some(order_at),
                ..leased
            },
        }
    }
}

/// Columns that depend on the form in which a message is stored.
struct ContentColumns<'a> {
    kind: &'a str,
    content: &'a str,
    fallback: Option<&'a str>,
    sent_as: SentAs,
    needs_window: bool,
    is_marketing: bool,
    is_fallback_marketing: bool,
}

impl<'a> ContentColumns<'a> {
    /// A synchronous message is stored in the form in which the message is sent. A queued message is stored with its
    /// own content and its fallback: the window is checked again when the message is due.
    fn of(new: &'a NewMessage, sent_as: SentAs) -> Self {
        let admission = &new.admission;
        let is_fallback_marketing = admission.fallback.is_some_and(|fallback| fallback.is_marketing);
        match (&new.fallback, new.schedule) {
            (Some(fallback), SendSchedule::Immediate | SendSchedule::Paced)
                if sent_as == SentAs::Template =>
            {
                Self {
                    kind: "template",
                    content: fallback,
                    fallback: None,
                    sent_as: SentAs::Template,
                    needs_window: false,
                    is_marketing: is_fallback_marketing,
                    is_fallback_marketing: false,
                }
            }
            (fallback, _) => Self {
                kind: new.kind,
                content: &new.content,
                fallback: fallback.as_deref(),
                sent_as: SentAs::Message,
                needs_window: admission.needs_window,
                is_marketing: admission.is_marketing,
                is_fallback_marketing,
            },
        }
    }
}

fn insert_row(
    connection: &Connection,
    new: &NewMessage,
    contact: ContactId,
    sent_as: SentAs,
) -> SqlResult<()> {
    let (wa_id, user_id) = identifiers(&new.recipient);
    let schedule = ScheduleColumns::of(new.schedule);
    let content = ContentColumns::of(new, sent_as);
    connection
        .prepare_cached(
            "insert into messages (
                 id, workspace_id, account_id, contact_id, key_id, direction, kind, status, wa_id, bsuid,
                 client_reference, context_wamid, identity_key_hash, content, n_attempts, worker_id, lease_token,
                 created_at, updated_at, mode, queue_order_at, due_at, expires_at, on_unknown, fallback, sent_as,
                 needs_window, is_marketing, is_fallback_marketing, batch_id, send_at)
             values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?18, ?19, ?20,
                     ?21, ?22, ?23, ?24, ?25, ?26, ?27, ?28, ?29, ?30)",
        )?
        .execute(params![
            new.id.as_bytes(),
            new.workspace.as_bytes(),
            new.account.as_bytes(),
            contact.as_bytes(),
            new.key.as_ref().map(KeyId::as_bytes),
            Direction::Outbound.as_str(),
            content.kind,
            schedule.status.as_str(),
            wa_id,
            user_id,
            new.client_reference,
            new.context_wamid,
            new.recipient_identity_key_hash,
            content.content,
            schedule.n_attempts,
            schedule.is_leased.then(|| new.worker.as_bytes()),
            schedule.is_leased.then_some(new.token.0),
            micros(new.now),
            schedule.mode,
            schedule.order_at.map(micros),
            schedule.due_at.map(micros),
            new.expires_at.map(micros),
            new.on_unknown.as_str(),
            content.fallback,
            content.sent_as.as_str(),
            content.needs_window,
            content.is_marketing,
            content.is_fallback_marketing,
            new.batch.as_ref().map(BatchId::as_bytes),
            new.send_at.map(micros),
        ])?;
    Ok(())
}

/// Updates the depth of the queue and emits the event of a message that was added to the queue.
fn record_queued(connection: &Connection, new: &NewMessage) -> SqlResult<()> {
    let Some(message) = outbound_state::get_state(connection, new.workspace, new.id)? else { return Ok(()) };
    queue_depth::update_depth(connection, new.account, true, None, MessageStatus::Queued)?;
    message_events::emit_status(connection, &message, &MessageStep::ours(MessageStatus::Queued, new.now))
}
