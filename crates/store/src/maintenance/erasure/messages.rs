//! Erasure of the messages of a contact.

use std::collections::BTreeSet;

use domain::id::{AccountId, ContactId, MessageId, WorkspaceId};
use domain::messages::status::MessageStatus;
use jiff::Timestamp;
use rusqlite::Connection;

use crate::error::SqlResult;
use crate::maintenance::erasure::progress::{Erasure, StepRange};
use crate::messages::terminate::FinalState;
use crate::messages::{pending_statuses, terminate, wamids};
use crate::payloads::{ByteRange, Redactions};
use crate::row::{Cells, SelectRow as _, micros, row};
use crate::scope::Scope;
use crate::sqlite::execute::Execute as _;
use crate::{media, payloads};

/// Maximum number of messages in one transaction: most contacts have fewer.
pub(crate) const BATCH: u32 = 200;

/// Message to erase.
struct ErasableMessage {
    message: MessageId,
    account: AccountId,
    status: MessageStatus,
    wamid: Option<String>,
    span: Option<(i64, ByteRange)>,
}

/// Messages of a contact to erase.
#[derive(Clone, Copy)]
pub(crate) struct ErasableMessages<'a> {
    pub(crate) workspace: WorkspaceId,
    pub(crate) contact: ContactId,
    /// Present identifiers of the contact.
    pub(crate) identifiers: &'a [String],
    /// `true` if only queued messages are erased.
    pub(crate) is_queued: bool,
    /// Maximum number of messages.
    pub(crate) limit: u32,
}

row! {
    struct ErasableRow {
        message: MessageId = id "id",
        account: AccountId = id "account_id",
        status: MessageStatus = parsed "status",
        wamid: Option<String> = get "wamid",
        payload: Option<i64> = get "payload_seq",
        start: Option<u32> = get "payload_start",
        length: Option<u32> = get "payload_length",
    }
}

/// Erases some messages of a contact. Returns their number.
pub(crate) fn erase_messages(
    connection: &Connection,
    erasable: &ErasableMessages<'_>,
    now: Timestamp,
) -> SqlResult<usize> {
    let condition = if erasable.is_queued { "and status = 'queued'" } else { "" };
    let sql = format!(
        "select {} from messages
         where workspace_id = ?1 and contact_id = ?2 and erased_at is null {condition} order by seq limit ?3",
        ErasableRow::COLUMNS
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows =
        statement.query((erasable.workspace.as_bytes(), erasable.contact.as_bytes(), erasable.limit))?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let row = ErasableRow::read(&mut Cells::new("messages", row))?;
        found.push(ErasableMessage {
            message: row.message,
            account: row.account,
            status: row.status,
            wamid: row.wamid,
            span: payloads::span(row.payload, row.start, row.length),
        });
    }
    let mut redactions = Redactions::default();
    for message in &found {
        redactions.add(message.span);
        erase_message(connection, erasable, message, now, &mut redactions)?;
    }
    redactions.apply(connection)?;
    Ok(found.len())
}

row! {
    struct TimelineSpanRow {
        wamid: Option<String> = get "wamid",
        payload: Option<i64> = get "payload_seq",
        start: Option<u32> = get "payload_start",
        length: Option<u32> = get "payload_length",
    } from "message_timeline where workspace_id = ?1 and message_id = ?2"
}

fn erase_message(
    connection: &Connection,
    erasable: &ErasableMessages<'_>,
    found: &ErasableMessage,
    now: Timestamp,
    redactions: &mut Redactions,
) -> SqlResult<()> {
    let workspace = erasable.workspace;
    let key = (workspace.as_bytes(), found.message.as_bytes());
    let mut wamids: BTreeSet<String> = found.wamid.iter().cloned().collect();
    for row in TimelineSpanRow::list(connection, key)? {
        wamids.extend(row.wamid);
        redactions.add(payloads::span(row.payload, row.start, row.length));
    }
    connection
        .prepare_cached(
            "update message_timeline set error = null, payload_seq = null, payload_start = null, payload_length = null
             where workspace_id = ?1 and message_id = ?2",
        )?
        .execute_any(key)?;
    for wamid in &wamids {
        erase_wamid(connection, workspace, found.message, wamid)?;
        pending_statuses::erase_statuses(connection, Scope { workspace, account: found.account }, wamid)?;
    }
    connection
        .prepare_cached(
            "update messages
             set wamid = ?3, wa_id = null, bsuid = null, client_reference = null, context_wamid = null,
                 identity_key_hash = null, content = null, fallback = null, error = null,
                 payload_seq = null, payload_start = null, payload_length = null, erased_at = ?4
             where workspace_id = ?1 and id = ?2",
        )?
        .execute_one((key.0, key.1, found.wamid.as_deref().map(wamids::erased_wamid), micros(now)))?;
    media::records::erase_media(connection, workspace, found.message)?;
    erase_responses(connection, workspace, found.message, erasable.identifiers)?;
    if found.status == MessageStatus::Queued {
        terminate::terminate(
            connection,
            workspace,
            found.message,
            FinalState::of(MessageStatus::Canceled),
            now,
        )?;
    }
    Ok(())
}

/// Replaces a wamid of a message by its hash.
fn erase_wamid(
    connection: &Connection,
    workspace: WorkspaceId,
    message: MessageId,
    wamid: &str,
) -> SqlResult<()> {
    let hash = wamids::erased_wamid(wamid);
    for sql in [
        "update or replace wamids set wamid = ?3 where workspace_id = ?1 and wamid = ?2 and message_id = ?4",
        "update message_timeline set wamid = ?3 where workspace_id = ?1 and wamid = ?2 and message_id = ?4",
    ] {
        connection.prepare_cached(sql)?.execute_any((
            workspace.as_bytes(),
            wamid,
            &hash,
            message.as_bytes(),
        ))?;
    }
    Ok(())
}

/// Deletes the cached responses of a message. The idempotency records stay, so that a repeated request sends nothing;
/// records whose key contains an identifier are deleted.
fn erase_responses(
    connection: &Connection,
    workspace: WorkspaceId,
    message: MessageId,
    identifiers: &[String],
) -> SqlResult<()> {
    let keys = (workspace.as_bytes(), message.as_bytes());
    connection
        .prepare_cached(
            "update idempotency_records set status = null, body = null where workspace_id = ?1 and message_id = ?2",
        )?
        .execute_any(keys)?;
    for identifier in identifiers {
        connection
            .prepare_cached(
                "delete from idempotency_records where workspace_id = ?1 and message_id = ?2 and instr(key, ?3) > 0",
            )?
            .execute_any((keys.0, keys.1, identifier))?;
    }
    Ok(())
}

pub(crate) fn erase_next(
    connection: &Connection,
    erasure: &Erasure,
    limit: u32,
    now: Timestamp,
) -> SqlResult<Option<i64>> {
    let erasable = ErasableMessages {
        workspace: erasure.workspace,
        contact: erasure.contact,
        identifiers: &erasure.identifiers,
        is_queued: false,
        limit: limit.min(BATCH),
    };
    let n_erased = erase_messages(connection, &erasable, now)?;
    Ok((n_erased > 0).then_some(0))
}

/// Replaces the erased wamid in messages that reply to an erased message.
pub(crate) fn erase_contexts(
    connection: &Connection,
    erasure: &Erasure,
    limit: u32,
) -> SqlResult<Option<i64>> {
    let sql = "select max(seq) from (
                   select seq from messages where workspace_id = ?1 and seq >= ?2 and seq <= ?3 order by seq limit ?4)";
    let range = StepRange { next: erasure.next, last: erasure.last_message, limit };
    let Some(end) = range.end(connection, sql, Some(erasure.workspace))? else { return Ok(None) };
    for row in ReplyRow::list(connection, (erasure.workspace.as_bytes(), erasure.next, end))? {
        if wamids::is_erased_wamid(connection, erasure.workspace, &row.context_wamid)? {
            connection
                .prepare_cached("update messages set context_wamid = ?2 where seq = ?1")?
                .execute_one((row.seq, wamids::erased_wamid(&row.context_wamid)))?;
        }
    }
    Ok(Some(end.saturating_add(1)))
}

row! {
    struct ReplyRow {
        seq: i64 = get "seq",
        context_wamid: String = get "context_wamid",
    } from "messages where workspace_id = ?1 and seq between ?2 and ?3 and context_wamid is not null"
}
