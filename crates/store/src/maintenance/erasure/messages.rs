//! Erasure of the messages of a contact.

use std::collections::BTreeSet;

use domain::id::{AccountId, ContactId, MessageId, WorkspaceId};
use domain::messages::status::MessageStatus;
use jiff::Timestamp;
use rusqlite::Connection;

use crate::error::SqlResult;
use crate::maintenance::erasure::progress;
use crate::maintenance::erasure::progress::Erasure;
use crate::messages::{pending_statuses, terminate, wamids};
use crate::payloads::{ByteRange, Redactions};
use crate::row::{Cells, micros};
use crate::{media, payloads};

/// Maximum number of messages in one transaction: most contacts have fewer.
pub(crate) const BATCH: u32 = 200;

/// Message to erase.
struct ErasableMessage {
    message: MessageId,
    account: AccountId,
    status: MessageStatus,
    wamid: Option<String>,
    raw: Option<(i64, ByteRange)>,
}

/// Erases some messages of a contact, only queued messages or all. Returns their number.
pub(crate) fn erase_messages(
    connection: &Connection,
    (workspace, contact): (WorkspaceId, ContactId),
    (identifiers, limit): (&[String], u32),
    is_waiting: bool,
    now: Timestamp,
) -> SqlResult<usize> {
    let which = if is_waiting { "and status = 'queued'" } else { "" };
    let sql = format!(
        "select id, account_id, status, wamid, payload_seq, payload_start, payload_length from messages
         where workspace_id = ?1 and contact_id = ?2 and erased_at is null {which} order by seq limit ?3"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query((workspace.as_bytes(), contact.as_bytes(), limit))?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let mut cells = Cells::new("messages", row);
        found.push(ErasableMessage {
            message: cells.id()?,
            account: cells.id()?,
            status: cells.word()?,
            wamid: cells.get()?,
            raw: payloads::read_span(&mut cells)?,
        });
    }
    let mut blanks = Redactions::default();
    for message in &found {
        erase_message(connection, workspace, message, (identifiers, now), &mut blanks)?;
    }
    blanks.apply(connection)?;
    Ok(found.len())
}

fn erase_message(
    connection: &Connection,
    workspace: WorkspaceId,
    found: &ErasableMessage,
    (identifiers, now): (&[String], Timestamp),
    blanks: &mut Redactions,
) -> SqlResult<()> {
    blanks.add(found.raw);
    let mut wamids: BTreeSet<String> = found.wamid.iter().cloned().collect();
    {
        let mut statement = connection.prepare_cached(
            "select wamid, payload_seq, payload_start, payload_length from message_timeline where workspace_id = ?1 and message_id = ?2",
        )?;
        let mut rows = statement.query((workspace.as_bytes(), found.message.as_bytes()))?;
        while let Some(row) = rows.next()? {
            let mut cells = Cells::new("message_timeline", row);
            wamids.extend(cells.get::<Option<String>>()?);
            blanks.add(payloads::read_span(&mut cells)?);
        }
    }
    connection
        .prepare_cached(
            "update message_timeline set error = null, payload_seq = null, payload_start = null, payload_length = null
             where workspace_id = ?1 and message_id = ?2",
        )?
        .execute((workspace.as_bytes(), found.message.as_bytes()))?;
    for wamid in &wamids {
        let digest = wamids::erased_wamid(wamid);
        for sql in [
            "update or replace wamids set wamid = ?3 where workspace_id = ?1 and wamid = ?2 and message_id = ?4",
            "update message_timeline set wamid = ?3 where workspace_id = ?1 and wamid = ?2 and message_id = ?4",
        ] {
            connection.prepare_cached(sql)?.execute((
                workspace.as_bytes(),
                wamid,
                &digest,
                found.message.as_bytes(),
            ))?;
        }
        pending_statuses::erase_statuses(connection, (workspace, found.account), wamid)?;
    }
    connection
        .prepare_cached(
            "update messages
             set wamid = ?3, wa_id = null, bsuid = null, client_reference = null, context_wamid = null,
                 identity_key_hash = null, content = null, fallback = null, error = null,
                 payload_seq = null, payload_start = null, payload_length = null, erased_at = ?4
             where workspace_id = ?1 and id = ?2",
        )?
        .execute((
            workspace.as_bytes(),
            found.message.as_bytes(),
            found.wamid.as_deref().map(wamids::erased_wamid),
            micros(now),
        ))?;
    media::records::erase_media(connection, workspace, found.message)?;
    erase_responses(connection, workspace, found.message, identifiers)?;
    if found.status == MessageStatus::Queued {
        terminate::terminate(connection, workspace, found.message, (MessageStatus::Canceled, None), now)?;
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
        .execute(keys)?;
    for identifier in identifiers {
        connection
            .prepare_cached(
                "delete from idempotency_records where workspace_id = ?1 and message_id = ?2 and instr(key, ?3) > 0",
            )?
            .execute((keys.0, keys.1, identifier))?;
    }
    Ok(())
}

pub(crate) fn erase_next(
    connection: &Connection,
    erasure: &Erasure,
    limit: u32,
    now: Timestamp,
) -> SqlResult<Option<i64>> {
    let whose = (erasure.workspace, erasure.contact);
    let n_erased = erase_messages(connection, whose, (&erasure.identifiers, limit.min(BATCH)), false, now)?;
    Ok((n_erased > 0).then_some(0))
}

/// Replaces the erased wamid in messages that reply to an erased message.
pub(crate) fn erase_contexts(
    connection: &Connection,
    erasure: &Erasure,
    last: i64,
    limit: u32,
) -> SqlResult<Option<i64>> {
    let sql = "select max(seq) from (
                   select seq from messages where workspace_id = ?1 and seq >= ?2 and seq <= ?3 order by seq limit ?4)";
    let range = (erasure.next, last, limit);
    let Some(end) = progress::last_of_step(connection, sql, Some(erasure.workspace), range)? else {
        return Ok(None);
    };
    let answers: Vec<(i64, String)> = {
        let mut statement = connection.prepare_cached(
            "select seq, context_wamid from messages
             where workspace_id = ?1 and seq between ?2 and ?3 and context_wamid is not null",
        )?;
        let rows = statement.query_map((erasure.workspace.as_bytes(), erasure.next, end), |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?;
        rows.collect::<Result<_, _>>()?
    };
    for (seq, wamid) in answers {
        if wamids::is_erased_wamid(connection, erasure.workspace, &wamid)? {
            connection
                .prepare_cached("update messages set context_wamid = ?2 where seq = ?1")?
                .execute((seq, wamids::erased_wamid(&wamid)))?;
        }
    }
    Ok(Some(end.saturating_add(1)))
}
