//! What became of a message: our own attempt's end, and Meta's reports, in whatever order they come.
//!
//! **Invariant:** a status never moves down here, so that any order of the same reports ends the same (I5).

mod erased;
mod follow;

use domain::id::{AccountId, ContactId, MessageId, WorkspaceId};
use domain::messages::message::{MessageStatus, Pricing, StatusReport};
use domain::meta_error::{MetaError, MetaErrorClass};
use domain::webhooks_in::update::WhatsAppUser;
use engine::ports::{Claim, KeptAnswer, Settled, Settlement};
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use super::idempotency;
use crate::contacts::resolve;
use crate::error::SqlResult;
use crate::events::event_payloads;
use crate::events::event_payloads::Step;
use crate::maintenance::erasure;
use crate::messages::{messaging_limit, pending_statuses, queue_depth};
use crate::row::{Cells, json, micros};
use crate::templates;

/// Where the bytes of a part stand: post, first byte, number of bytes.
pub(crate) type Raw = (i64, u32, u32);

/// A message, as far as a change of its status is concerned.
pub(crate) struct Current {
    pub(crate) workspace: WorkspaceId,
    pub(crate) message: MessageId,
    pub(crate) account: AccountId,
    pub(crate) contact: ContactId,
    pub(crate) kind: String,
    pub(crate) status: MessageStatus,
    pub(crate) wamid: Option<String>,
    /// The number that it is addressed to.
    pub(crate) wa_id: Option<String>,
    /// The user id that it is addressed to.
    pub(crate) user_id: Option<String>,
    pub(crate) client_reference: Option<String>,
    pub(crate) sent_as: String,
    pub(crate) pricing: Option<Pricing>,
    pub(crate) is_of_queue: bool,
    claim_token: Option<i64>,
    /// Whether the person was erased: then nothing that names them is known, nor shall it be.
    is_erased: bool,
}

impl Current {
    /// Counts the change of the status.
    fn moved_from(&self, connection: &Connection, before: MessageStatus) -> SqlResult<()> {
        queue_depth::moved(connection, self.account, self.is_of_queue, (Some(before), self.status))
    }
}

pub(crate) fn current(
    connection: &Connection,
    workspace: WorkspaceId,
    message: MessageId,
) -> SqlResult<Option<Current>> {
    let mut statement = connection.prepare_cached(
        "select account_id, contact_id, kind, status, wamid, wa_id, bsuid, client_reference, sent_as, pricing,
                mode = 'queue', lease_token,
                erased_at is not null or exists (select 1 from erasures e where e.contact_id = messages.contact_id)
         from messages where workspace_id = ?1 and id = ?2 and direction = 'outbound'",
    )?;
    let mut rows = statement.query((workspace.as_bytes(), message.as_bytes()))?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let mut cells = Cells::new("messages", row);
    let current = Current {
        workspace,
        message,
        account: cells.id()?,
        contact: cells.id()?,
        kind: cells.get()?,
        status: cells.word()?,
        wamid: cells.get()?,
        wa_id: cells.get()?,
        user_id: cells.get()?,
        client_reference: cells.get()?,
        sent_as: cells.get()?,
        pricing: cells.opt_json()?,
        is_of_queue: cells.flag()?,
        claim_token: cells.get()?,
        is_erased: cells.flag()?,
    };
    Ok(Some(if current.is_erased { current.without_person() } else { current }))
}

impl Current {
    /// The same, and nothing in it leads to the person.
    fn without_person(self) -> Self {
        Self { wamid: None, wa_id: None, user_id: None, client_reference: None, ..self }
    }
}

/// One line of a message's story.
pub(crate) struct Entry<'a> {
    status: MessageStatus,
    at: Timestamp,
    heard_at: Timestamp,
    is_report: bool,
    wamid: Option<&'a str>,
    is_duplicate: bool,
    error: Option<&'a MetaError>,
    /// Our own reason.
    failure_code: Option<&'a str>,
    pricing: Option<&'a Pricing>,
    raw: Option<Raw>,
}

impl Entry<'_> {
    /// Something that we did ourselves.
    pub(crate) fn ours(status: MessageStatus, now: Timestamp) -> Self {
        Self {
            status,
            at: now,
            heard_at: now,
            is_report: false,
            wamid: None,
            is_duplicate: false,
            error: None,
            failure_code: None,
            pricing: None,
            raw: None,
        }
    }

    /// The same, at another time.
    pub(crate) fn at(self, at: Timestamp) -> Self {
        Self { at, ..self }
    }

    /// Whether it is told, if it is the first of its kind: a second copy is not, nor what came too late to matter.
    fn is_told(&self, current: MessageStatus) -> bool {
        !self.is_duplicate
            && self.status != MessageStatus::Queued
            && (self.is_report || self.status == MessageStatus::Sent || self.status == current)
    }
}

/// Adds a line to the message's story, and tells it: each step once.
pub(crate) fn add_entry(connection: &Connection, current: &Current, entry: &Entry<'_>) -> SqlResult<()> {
    let number: u32 = connection
        .prepare_cached("select coalesce(max(entry), 0) + 1 from message_timeline where message_id = ?1")?
        .query_row([current.message.as_bytes()], |row| row.get(0))?;
    connection
        .prepare_cached(
            "insert into message_timeline (
                 message_id, entry, workspace_id, status, occurred_at, received_at, is_report, wamid, is_duplicate, error, pricing,
                 payload_seq, payload_start, payload_length)
             values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
        )?
        .execute(params![
            current.message.as_bytes(),
            number,
            current.workspace.as_bytes(),
            entry.status.as_str(),
            micros(entry.at),
            micros(entry.heard_at),
            entry.is_report,
            entry.wamid,
            entry.is_duplicate,
            entry.error.map(json).transpose()?,
            entry.pricing.map(json).transpose()?,
            entry.raw.map(|(post, _, _)| post),
            entry.raw.map(|(_, start, _)| start),
            entry.raw.map(|(_, _, length)| length),
        ])?;
    if !entry.is_told(current.status) || number > 1 && was_told(connection, current, entry.status, number)? {
        return Ok(());
    }
    let step = Step {
        reported: entry.status,
        at: entry.at,
        wamid: entry.wamid,
        error: entry.error,
        failure_code: entry.failure_code,
        pricing: entry.pricing,
        now: entry.heard_at,
    };
    event_payloads::step(connection, current, &step)
}

/// Whether the story had this step before the entry with this number.
fn was_told(
    connection: &Connection,
    current: &Current,
    status: MessageStatus,
    number: u32,
) -> SqlResult<bool> {
    let mut statement = connection.prepare_cached(
        "select exists (select 1 from message_timeline
         where message_id = ?1 and status = ?2 and is_duplicate = 0 and entry < ?3)",
    )?;
    Ok(statement.query_row((current.message.as_bytes(), status.as_str(), number), |row| row.get(0))?)
}

pub(crate) fn settle(
    connection: &Connection,
    claim: &Claim,
    end: &Settlement,
    answer: Option<&KeptAnswer>,
    now: Timestamp,
) -> SqlResult<Settled> {
    let Some(mut current) = current(connection, claim.workspace, claim.message)? else {
        return Ok(Settled::Lost);
    };
    let is_held = current.claim_token == Some(claim.token.0);
    if !is_held && matches!(end, Settlement::Unknown { .. } | Settlement::Again { .. }) {
        return Ok(Settled::Lost);
    }
    if current.is_erased {
        erased::settle(connection, &mut current, (claim, is_held), end, now)?;
        return Ok(if is_held { Settled::Held } else { Settled::Lost });
    }
    let (reached, wamid, failure) = match end {
        Settlement::Sent(accepted) => (MessageStatus::Sent, Some(accepted.wamid.as_str()), None),
        Settlement::Failed(failure) => (MessageStatus::Failed, None, Some(failure)),
        Settlement::Unknown { .. } => (MessageStatus::Unknown, None, None),
        Settlement::Again { due_at, is_kept, error } => {
            return put_back(connection, &current, (*due_at, *is_kept), error.as_ref(), now);
        }
    };
    let before = current.status;
    current.status = before.after(reached);
    let meta = failure.and_then(|failure| failure.meta.as_ref());
    // A report may have told us sooner: then the message has failed for Meta's reason, not for ours.
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
            claim.workspace.as_bytes(),
            claim.message.as_bytes(),
            current.status.as_str(),
            wamid,
            failure.filter(|_| has_failed).map(|failure| failure.code),
            meta.filter(|_| has_failed).map(json).transpose()?,
            micros(now),
            is_held,
        ])?;
    current.moved_from(connection, before)?;
    let failure_code = failure.map(|failure| failure.code);
    let ours = Entry { wamid, error: meta, failure_code, ..Entry::ours(reached, now) };
    add_entry(connection, &current, &ours)?;
    if let Settlement::Sent(accepted) = end {
        remember_wamid(connection, &current, &accepted.wamid, claim.attempt)?;
        // Meta nearly always answers with the very number that was asked for.
        if accepted.wa_id != current.wa_id || accepted.user_id.is_some() {
            let person = WhatsAppUser {
                wa_id: accepted.wa_id.clone(),
                user_id: accepted.user_id.clone(),
                ..WhatsAppUser::default()
            };
            resolve::learn(connection, (claim.workspace, current.account), current.contact, &person, now)?;
        }
        pending_statuses::apply(connection, &current, &accepted.wamid)?;
    }
    if has_failed {
        messaging_limit::give_back(connection, &current)?;
    } else {
        messaging_limit::count(connection, &current, now)?;
    }
    if let Some(error) = meta {
        follow::follow(connection, &current, error, (now, now))?;
        // Of an answer only: what a report says of the template may be over by now.
        if error.class() == MetaErrorClass::PauseTemplate {
            let place = (claim.workspace, current.account);
            templates::refused(connection, place, current.message, (error, now))?;
        }
    }
    // An unknown outcome without an answer is one whose task is gone: its key must not be free, the message may be out.
    if answer.is_some() || reached != MessageStatus::Unknown {
        idempotency::finish(connection, claim.workspace, claim.message, answer)?;
    }
    Ok(if is_held { Settled::Held } else { Settled::Lost })
}

/// Puts a message that Meta did not take back into the queue: the one step down that a status makes.
fn put_back(
    connection: &Connection,
    current: &Current,
    (due_at, is_kept): (Timestamp, bool),
    error: Option<&MetaError>,
    now: Timestamp,
) -> SqlResult<Settled> {
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
            is_kept,
            micros(now),
        ))?;
    if !is_ours {
        // A report told that it went out after all: there is nothing to try again.
        messaging_limit::count(connection, current, now)?;
        return Ok(Settled::Lost);
    }
    let steps = (Some(current.status), MessageStatus::Queued);
    queue_depth::moved(connection, current.account, current.is_of_queue, steps)?;
    add_entry(connection, current, &Entry { error, ..Entry::ours(MessageStatus::Queued, now) })?;
    messaging_limit::give_back(connection, current)?;
    Ok(Settled::Held)
}

/// Ends a message by our own decision.
pub(crate) fn end_here(
    connection: &Connection,
    workspace: WorkspaceId,
    message: MessageId,
    (reached, failure_code): (MessageStatus, Option<&str>),
    now: Timestamp,
) -> SqlResult<()> {
    let Some(mut current) = current(connection, workspace, message)? else { return Ok(()) };
    let before = std::mem::replace(&mut current.status, reached);
    connection
        .prepare_cached(
            "update messages
             set worker_id = null, lease_token = null, due_at = null, status = ?3,
                 failure_code = coalesce(?4, failure_code), updated_at = ?5
             where workspace_id = ?1 and id = ?2",
        )?
        .execute((workspace.as_bytes(), message.as_bytes(), reached.as_str(), failure_code, micros(now)))?;
    current.moved_from(connection, before)?;
    add_entry(connection, &current, &Entry { failure_code, ..Entry::ours(reached, now) })
}

/// Lets go of a message whose worker is dead. What was being sent may have left: nobody knows.
/// What still waited has not: in the queue it waits on; a caller that waited got no answer and will ask again.
pub(crate) fn abandon(
    connection: &Connection,
    workspace: WorkspaceId,
    message: MessageId,
    (status, is_of_queue): (MessageStatus, bool),
    now: Timestamp,
) -> SqlResult<()> {
    match status {
        MessageStatus::Sending => {
            end_here(connection, workspace, message, (MessageStatus::Unknown, None), now)?;
            messaging_limit::count_abandoned(connection, workspace, message, now)
        }
        MessageStatus::Queued if !is_of_queue => {
            idempotency::finish(connection, workspace, message, None)?;
            end_here(connection, workspace, message, (MessageStatus::Failed, Some("interrupted")), now)
        }
        // A report or a late answer told more than the dead worker could; or it waits in the queue.
        MessageStatus::Queued
        | MessageStatus::Unknown
        | MessageStatus::Sent
        | MessageStatus::Failed
        | MessageStatus::Delivered
        | MessageStatus::Read
        | MessageStatus::Played
        | MessageStatus::Expired
        | MessageStatus::Canceled
        | MessageStatus::Received => {
            connection
                .prepare_cached(
                    "update messages set worker_id = null, lease_token = null
                     where workspace_id = ?1 and id = ?2",
                )?
                .execute((workspace.as_bytes(), message.as_bytes()))?;
            messaging_limit::count_abandoned(connection, workspace, message, now)
        }
    }
}

/// Writes down which message a wamid belongs to. `false`: it was known.
fn remember_wamid(connection: &Connection, current: &Current, wamid: &str, attempt: u32) -> SqlResult<bool> {
    let n_rows = connection
        .prepare_cached(
            "insert into wamids (workspace_id, wamid, account_id, message_id, attempt)
             values (?1, ?2, ?3, ?4, ?5) on conflict (workspace_id, wamid) do nothing",
        )?
        .execute((
            current.workspace.as_bytes(),
            wamid,
            current.account.as_bytes(),
            current.message.as_bytes(),
            attempt,
        ))?;
    Ok(n_rows == 1)
}

/// What a report did.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    Applied,
    Repeated,
    Early,
    /// It is about an erased person: nothing of it is kept.
    Erased,
}

/// Takes a report: finds its message by wamid or by our reference, or keeps it until the wamid is known.
pub(crate) fn report(
    connection: &Connection,
    (workspace, account): (WorkspaceId, AccountId),
    report: &StatusReport,
    now: Timestamp,
    raw: &mut dyn FnMut() -> SqlResult<Raw>,
) -> SqlResult<Effect> {
    let owner: Option<([u8; 16], [u8; 16])> = connection
        .prepare_cached("select message_id, account_id from wamids where workspace_id = ?1 and wamid = ?2")?
        .query_row((workspace.as_bytes(), &report.wamid), |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let message = match owner {
        Some((message, owner)) if owner == *account.as_bytes() => Some(MessageId::from_bytes(message)),
        Some(_) => None,
        None => by_reference(connection, (workspace, account), report)?,
    };
    if let Some(message) = message {
        if is_known(connection, message, report)? {
            return Ok(Effect::Repeated);
        }
        let raw = raw()?;
        return apply(connection, workspace, message, &Heard { report, at: now, raw: Some(raw) });
    }
    if erasure::is_erased_wamid(connection, workspace, &report.wamid)? {
        return Ok(Effect::Erased);
    }
    pending_statuses::keep(connection, (workspace, account), report, now, raw)
}

/// The message that our own reference names, if it is one of this account; its wamid is known from now on.
fn by_reference(
    connection: &Connection,
    (workspace, account): (WorkspaceId, AccountId),
    report: &StatusReport,
) -> SqlResult<Option<MessageId>> {
    let Some(reference) = report.reference else { return Ok(None) };
    let Some(current) = current(connection, workspace, reference.message)? else { return Ok(None) };
    if current.account != account {
        return Ok(None);
    }
    if !current.is_erased {
        remember_wamid(connection, &current, &report.wamid, reference.attempt)?;
    }
    Ok(Some(reference.message))
}

fn is_known(connection: &Connection, message: MessageId, report: &StatusReport) -> SqlResult<bool> {
    let mut statement = connection.prepare_cached(
        "select exists (select 1 from message_timeline
         where message_id = ?1 and is_report = 1 and wamid = ?2 and status = ?3)",
    )?;
    Ok(statement.query_row((message.as_bytes(), &report.wamid, report.status.as_str()), |row| row.get(0))?)
}

/// A report, with when and where it was heard.
pub(crate) struct Heard<'a> {
    pub(crate) report: &'a StatusReport,
    pub(crate) at: Timestamp,
    pub(crate) raw: Option<Raw>,
}

/// Applies a report to its message.
pub(crate) fn apply(
    connection: &Connection,
    workspace: WorkspaceId,
    message: MessageId,
    heard: &Heard<'_>,
) -> SqlResult<Effect> {
    let Heard { report, at: heard_at, raw } = *heard;
    let Some(mut current) = current(connection, workspace, message)? else { return Ok(Effect::Repeated) };
    if current.is_erased {
        return Ok(Effect::Erased);
    }
    if is_known(connection, message, report)? {
        return Ok(Effect::Repeated);
    }
    // The first attempt with a status gives the message its wamid; what is told of another is a second copy.
    let is_duplicate = match &current.wamid {
        Some(wamid) if *wamid != report.wamid => has_report(connection, message, wamid)?,
        Some(_) | None => false,
    };
    if !is_duplicate {
        let before = current.status;
        current.status = before.after(report.status);
        current.moved_from(connection, before)?;
        let best = best_pricing(connection, message, report)?;
        let error = report.error.as_ref().filter(|_| current.status == MessageStatus::Failed);
        connection
            .prepare_cached(
                "update messages
                 set status = ?3, wamid = ?4, updated_at = ?5, pricing = coalesce(?6, pricing),
                     failure_code = case when ?3 <> 'failed' then null when ?7 is not null then 'meta_error'
                                    else failure_code end,
                     error = case when ?3 <> 'failed' then null else coalesce(?7, error) end
                 where workspace_id = ?1 and id = ?2",
            )?
            .execute(params![
                workspace.as_bytes(),
                message.as_bytes(),
                current.status.as_str(),
                report.wamid,
                micros(heard_at),
                best.as_ref().map(json).transpose()?,
                error.map(json).transpose()?,
            ])?;
    }
    add_entry(
        connection,
        &current,
        &Entry {
            status: report.status,
            at: report.at,
            heard_at,
            is_report: true,
            wamid: Some(&report.wamid),
            is_duplicate,
            error: report.error.as_ref(),
            failure_code: None,
            pricing: report.pricing.as_ref(),
            raw,
        },
    )?;
    // The number that it was addressed to is known, and may be somebody else's by now.
    let wa_id = report.recipient.clone().filter(|wa_id| current.wa_id.as_ref() != Some(wa_id));
    if wa_id.is_some() || report.user_id.is_some() {
        let person = WhatsAppUser { wa_id, user_id: report.user_id.clone(), ..WhatsAppUser::default() };
        resolve::learn(connection, (workspace, current.account), current.contact, &person, heard_at)?;
    }
    if let Some(error) = &report.error {
        follow::follow(connection, &current, error, (report.at.min(heard_at), heard_at))?;
    }
    Ok(Effect::Applied)
}

fn has_report(connection: &Connection, message: MessageId, wamid: &str) -> SqlResult<bool> {
    let mut statement = connection.prepare_cached(
        "select exists (select 1 from message_timeline where message_id = ?1 and is_report = 1 and wamid = ?2)",
    )?;
    Ok(statement.query_row((message.as_bytes(), wamid), |row| row.get(0))?)
}

/// The price of the furthest report that names one, so that the order of the reports does not matter.
fn best_pricing(
    connection: &Connection,
    message: MessageId,
    report: &StatusReport,
) -> SqlResult<Option<Pricing>> {
    let Some(pricing) = &report.pricing else { return Ok(None) };
    let mut statement = connection.prepare_cached(
        "select status from message_timeline where message_id = ?1 and is_report = 1 and is_duplicate = 0
         and pricing is not null",
    )?;
    let mut rows = statement.query([message.as_bytes()])?;
    while let Some(row) = rows.next()? {
        if Cells::new("message_timeline", row).word::<MessageStatus>()? > report.status {
            return Ok(None);
        }
    }
    Ok(Some(pricing.clone()))
}
