//! Lease of due messages: the first message of each contact before the next.
//!
//! **Invariant:** a message is leased to one worker at a time, and only `queued` messages are due.

use std::sync::Arc;

use domain::access::audit::AuditEntry;
use domain::contacts::bsuid::Bsuid;
use domain::contacts::phone::PhoneNumber;
use domain::id::{AccountId, ContactId, MessageId, WorkspaceId};
use domain::messages::admission;
use domain::messages::admission::{
    Admission, AdmissionFacts, AdmissionFallback, AdmissionRequest, AdmissionStage, SentAs,
};
use domain::messages::status::MessageStatus;
use domain::messages::window::Window;
use engine::ports::{
    Lease, LeaseBatch, LeaseCheck, LeaseHolder, LeaseRequest, LeaseToken, LeasedMessage, OnUnknown, Recipient,
};
use jiff::Timestamp;
use rusqlite::{Connection, params};

use crate::access::audit;
use crate::error::{SqlError, SqlResult};
use crate::messages::messaging_limit::Capacity;
use crate::messages::terminate::FinalState;
use crate::messages::{messaging_limit, outbound_state, probes, queue_depth, terminate};
use crate::row::{Cells, micros, row};
use crate::scope::Scope;

/// Queued message that is due.
struct DueMessage {
    contact: ContactId,
    facts: AdmissionFacts,
    request: AdmissionRequest,
    /// JSON text of the fallback template.
    fallback: Option<Arc<str>>,
    is_queued_mode: bool,
    leased: LeasedMessage,
}

row! {
    struct LeaseRow {
        message: MessageId = id "m.id",
        account: AccountId = id "m.account_id",
        wa_id: Option<String> = get "m.wa_id",
        user_id: Option<String> = get "m.bsuid",
        kind: String = get "m.kind",
        context_wamid: Option<String> = get "m.context_wamid",
        recipient_identity_key_hash: Option<String> = get "m.identity_key_hash",
        on_unknown: OnUnknown = parsed "m.on_unknown",
        expires_at: Option<Timestamp> = opt_at "m.expires_at",
        media_failing_since: Option<Timestamp> = opt_at "m.media_failing_since",
        due_since: Timestamp = at "max(m.created_at, coalesce(m.send_at, m.created_at))",
        n_attempts: u32 = get "m.n_attempts",
        content: Option<String> = get "m.content",
    }
}

fn read_leased(cells: &mut Cells<'_>, workspace: WorkspaceId, token: LeaseToken) -> SqlResult<LeasedMessage> {
    let row = LeaseRow::read(cells)?;
    let number = row.wa_id.and_then(|wa_id| PhoneNumber::from_wa_id(&wa_id).ok()).map(Recipient::Phone);
    let user = row.user_id.and_then(|user_id| Bsuid::parse(&user_id).ok()).map(Recipient::Bsuid);
    let lease = Lease {
        workspace,
        message: row.message,
        account: row.account,
        attempt: row.n_attempts.saturating_add(1),
        token,
    };
    Ok(LeasedMessage {
        lease,
        recipient: number.or(user).ok_or(SqlError::Bug("a message has no recipient"))?,
        kind: row.kind,
        content: row.content.unwrap_or_default().into(),
        context_wamid: row.context_wamid,
        recipient_identity_key_hash: row.recipient_identity_key_hash,
        on_unknown: row.on_unknown,
        expires_at: row.expires_at,
        media_failing_since: row.media_failing_since,
        due_since: row.due_since,
    })
}

row! {
    /// Columns that the admission of a due message depends on.
    struct DueRow {
        contact: ContactId = id "m.contact_id",
        needs_window: bool = flag "m.needs_window",
        is_marketing: bool = flag "m.is_marketing",
        is_fallback_marketing: bool = flag "m.is_fallback_marketing",
        has_opted_out: bool = flag "c.opted_out_at is not null",
        marketing_limited_until: Option<Timestamp> = opt_at "c.marketing_limited_until",
        last_inbound_at: Option<Timestamp> = opt_at "w.last_inbound_at",
        refused_at: Option<Timestamp> = opt_at "w.refused_at",
        is_queued_mode: bool = flag "m.mode = 'queue'",
        fallback: Option<String> = get "m.fallback",
    }
}

/// Maximum number of searches in one round for due messages behind deferred messages.
const MAX_ROUNDS: u32 = 20;

pub(crate) fn lease_due(connection: &Connection, request: &LeaseRequest) -> SqlResult<LeaseBatch> {
    let mut round = LeaseBatch::default();
    let scope = Scope { workspace: request.workspace, account: request.account };
    if request.is_probe && !probes::is_due(connection, scope, request.now)? {
        return Ok(round);
    }
    let mut capacity = None;
    if messaging_limit::has_deferred(connection, request.account)? {
        let found = Capacity::get(connection, scope, request.now)?;
        found.release_deferred(connection, request.account, request.tokens.len())?;
        capacity = Some(found);
    }
    for _ in 0..MAX_ROUNDS {
        // A deferred message does not use a token.
        if lease_some(connection, request, &mut capacity, &mut round)? == 0 {
            break;
        }
    }
    if request.is_probe && !round.leased.is_empty() {
        probes::schedule_next(connection, scope, request.now)?;
    }
    Ok(round)
}

/// Leases due messages, one for each token. Returns the number of messages that were deferred.
fn lease_some(
    connection: &Connection,
    request: &LeaseRequest,
    capacity: &mut Option<Capacity>,
    round: &mut LeaseBatch,
) -> SqlResult<u32> {
    let mut n_deferred = 0;
    let tokens = request.tokens.get(round.leased.len()..).unwrap_or_default();
    for due in list_due(connection, request, tokens)? {
        let message = due.leased.lease.message;
        match admission::decide(&due.facts, &due.request, request.now) {
            Admission::Wait { until } => postpone(connection, &due.leased.lease, until)?,
            Admission::Reject(rejection) => {
                let end = FinalState::failed(rejection.code());
                terminate::terminate(connection, request.workspace, message, end, request.now)?;
                round.n_finished += 1;
            }
            Admission::Admit { uses_messaging_limit, .. }
                if uses_messaging_limit && !has_capacity(connection, request, capacity, &due)? =>
            {
                messaging_limit::defer(connection, request.workspace, message)?;
                n_deferred += 1;
            }
            Admission::Admit { sent_as, .. } => {
                round.leased.push(lease_message(connection, request, due, sent_as)?);
            }
        }
    }
    Ok(n_deferred)
}

/// Returns `true` if the messaging limit allows a template to a contact whose window is closed.
fn has_capacity(
    connection: &Connection,
    request: &LeaseRequest,
    capacity: &mut Option<Capacity>,
    due: &DueMessage,
) -> SqlResult<bool> {
    let capacity = match capacity {
        Some(capacity) => capacity,
        None => capacity.insert(Capacity::get(
            connection,
            Scope { workspace: request.workspace, account: request.account },
            request.now,
        )?),
    };
    capacity.reserve(connection, due.contact, due.leased.lease.message, request.now)
}

fn postpone(connection: &Connection, lease: &Lease, until: Timestamp) -> SqlResult<()> {
    connection
        .prepare_cached(
            "update messages set due_at = ?3
             where workspace_id = ?1 and id = ?2 and status = 'queued' and worker_id is null",
        )?
        .execute((lease.workspace.as_bytes(), lease.message.as_bytes(), micros(until)))?;
    Ok(())
}

fn list_due(
    connection: &Connection,
    request: &LeaseRequest,
    tokens: &[LeaseToken],
) -> SqlResult<Vec<DueMessage>> {
    // In order of the due time. A message waits while an earlier message to the same contact is queued or being sent,
    // unless a file of the earlier message cannot be downloaded.
    let (leased, due) = (LeaseRow::COLUMNS, DueRow::COLUMNS);
    let sql = format!(
        "select {leased}, {due}
         from messages m
         left join contacts c on c.id = m.contact_id
         left join service_windows w
             on w.workspace_id = m.workspace_id and w.account_id = m.account_id and w.contact_id = m.contact_id
         where m.workspace_id = ?1 and m.account_id = ?2 and m.status = 'queued' and m.worker_id is null
           and m.deferred_by is null and m.due_at <= ?3 and (m.expires_at is null or m.expires_at > ?3)
           and not exists (
               select 1 from messages e
               where e.contact_id = m.contact_id and e.account_id = m.account_id
                 and e.mode = 'queue' and e.status in ('queued', 'sending') and e.media_failing_since is null
                 and (e.queue_order_at < m.queue_order_at or (e.queue_order_at = m.queue_order_at and e.seq < m.seq)))
         order by m.due_at, m.seq limit ?4"
    );
    let limit = i64::try_from(tokens.len()).unwrap_or(i64::MAX);
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query(params![
        request.workspace.as_bytes(),
        request.account.as_bytes(),
        micros(request.now),
        limit
    ])?;
    let mut tokens = tokens.iter();
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let Some(token) = tokens.next() else { break };
        let mut cells = Cells::new("messages", row);
        let leased = read_leased(&mut cells, request.workspace, *token)?;
        found.push(DueRow::read(&mut cells)?.into_due(request, leased));
    }
    Ok(found)
}

impl DueRow {
    fn into_due(self, request: &LeaseRequest, leased: LeasedMessage) -> DueMessage {
        let fallback = self.fallback.as_ref();
        DueMessage {
            contact: self.contact,
            facts: AdmissionFacts {
                window: Window { last_inbound_at: self.last_inbound_at, refused_at: self.refused_at },
                has_opted_out: self.has_opted_out,
                marketing_limited_until: self.marketing_limited_until,
                next_slot_at: request.throttled_recipients.get(leased.recipient.key()).copied(),
                ..AdmissionFacts::default()
            },
            request: AdmissionRequest {
                stage: AdmissionStage::Due,
                leaves_at: request.now,
                needs_window: self.needs_window,
                is_marketing: self.is_marketing,
                fallback: fallback.map(|_| AdmissionFallback { is_marketing: self.is_fallback_marketing }),
            },
            fallback: self.fallback.map(Arc::from),
            is_queued_mode: self.is_queued_mode,
            leased,
        }
    }
}

/// Leases a due message: its status is `sending`, with its own content or its fallback.
fn lease_message(
    connection: &Connection,
    request: &LeaseRequest,
    due: DueMessage,
    sent_as: SentAs,
) -> SqlResult<LeasedMessage> {
    let lease = due.leased.lease;
    let fallback = due.fallback.filter(|_| sent_as == SentAs::Template);
    let n_rows = connection
        .prepare_cached(
            "update messages
             set status = 'sending', worker_id = ?3, lease_token = ?4, n_attempts = ?5, due_at = null,
                 kind = case when ?6 is null then kind else 'template' end, content = coalesce(?6, content),
                 context_wamid = case when ?6 is null then context_wamid end,
                 sent_as = case when ?6 is null then sent_as else 'template' end,
                 needs_window = case when ?6 is null then needs_window else 0 end,
                 -- The fallback stays with a message that is sent itself: a retry may find the window closed.
                 fallback = case when ?6 is null then fallback end,
                 is_marketing = case when ?6 is null then is_marketing else is_fallback_marketing end,
                 is_fallback_marketing = case when ?6 is null then is_fallback_marketing else 0 end, updated_at = ?7
             where workspace_id = ?1 and id = ?2 and status = 'queued' and worker_id is null",
        )?
        .execute(params![
            lease.workspace.as_bytes(),
            lease.message.as_bytes(),
            request.worker.as_bytes(),
            lease.token.0,
            lease.attempt,
            fallback,
            micros(request.now),
        ])?;
    if n_rows != 1 {
        return Err(SqlError::Bug("a due message could not be leased"));
    }
    let (before, after) = (Some(MessageStatus::Queued), MessageStatus::Sending);
    queue_depth::update_depth(connection, lease.account, due.is_queued_mode, before, after)?;
    Ok(match fallback {
        Some(content) => {
            LeasedMessage { kind: "template".to_owned(), content, context_wamid: None, ..due.leased }
        }
        None => due.leased,
    })
}

/// Begins an attempt to send a leased message.
pub(crate) fn begin_attempt(connection: &Connection, lease: &Lease, now: Timestamp) -> SqlResult<LeaseCheck> {
    let before = outbound_state::get_state(connection, lease.workspace, lease.message)?;
    let n_rows = connection
        .prepare_cached(
            "update messages
             set status = case status when 'queued' then 'sending' else status end, n_attempts = ?4, due_at = null,
                 -- What is being sent already is sent again: its outcome was unknown, and this is the one repetition.
                 is_resent = case status when 'sending' then 1 else is_resent end,
                 updated_at = ?5
             where workspace_id = ?1 and id = ?2 and lease_token = ?3 and status in ('queued', 'sending', 'unknown')",
        )?
        .execute((
            lease.workspace.as_bytes(),
            lease.message.as_bytes(),
            lease.token.0,
            lease.attempt,
            micros(now),
        ))?;
    let Some(before) = before.filter(|_| n_rows == 1) else { return Ok(LeaseCheck::Lost) };
    let after = if before.status == MessageStatus::Queued { MessageStatus::Sending } else { before.status };
    queue_depth::update_depth(connection, before.account, before.is_queued_mode, Some(before.status), after)?;
    Ok(LeaseCheck::Valid)
}

pub(crate) fn lease_unknown(
    connection: &Connection,
    workspace: WorkspaceId,
    message: MessageId,
    holder: LeaseHolder,
    entry: &AuditEntry,
) -> SqlResult<Option<LeasedMessage>> {
    let sql = format!(
        "select {} from messages m
         where m.workspace_id = ?1 and m.id = ?2 and m.status = 'unknown' and m.is_resent = 0 and m.worker_id is null
           and m.erased_at is null",
        LeaseRow::COLUMNS
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query((workspace.as_bytes(), message.as_bytes()))?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let leased = read_leased(&mut Cells::new("messages", row), workspace, holder.token)?;
    connection
        .prepare_cached(
            "update messages
             set worker_id = ?3, lease_token = ?4, n_attempts = ?5, is_resent = 1, updated_at = ?6
             where workspace_id = ?1 and id = ?2",
        )?
        .execute(params![
            workspace.as_bytes(),
            message.as_bytes(),
            holder.worker.as_bytes(),
            holder.token.0,
            leased.lease.attempt,
            micros(entry.at),
        ])?;
    audit::insert_entry(connection, entry)?;
    Ok(Some(leased))
}
