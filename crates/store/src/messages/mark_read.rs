//! Marks of inbound messages as read.

use domain::id::{MessageId, WorkspaceId};
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use crate::error::SqlResult;
use crate::row::micros;

/// Marks an inbound message and earlier messages of its conversation as read: the message and the newest of the others
/// first. Returns the number of messages that were not marked before.
///
/// Meta: Mark messages as read, <https://developers.facebook.com/docs/whatsapp/cloud-api/guides/mark-message-as-read>:
/// a mark also marks earlier messages in the thread.
pub(crate) fn update_messages_read(
    connection: &Connection,
    workspace: WorkspaceId,
    message: MessageId,
    now: Timestamp,
    limit: u32,
) -> SqlResult<u32> {
    let found: Option<([u8; 16], [u8; 16], i64, i64)> = connection
        .prepare_cached(
            "select account_id, contact_id, created_at, seq from messages
             where workspace_id = ?1 and id = ?2 and direction = 'inbound'",
        )?
        .query_row((workspace.as_bytes(), message.as_bytes()), |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
        })
        .optional()?;
    let Some((account, contact, created_at, seq)) = found else { return Ok(0) };
    // Webhooks can arrive in another order than the messages: the time of the message decides.
    let n_rows = connection
        .prepare_cached(
            "update messages set read_at = ?1, updated_at = ?1
             where seq in (
                 select seq from messages indexed by messages_unread_by_contact
                 where contact_id = ?2 and direction = 'inbound' and read_at is null and erased_at is null
                   and account_id = ?3 and (created_at < ?4 or (created_at = ?4 and seq <= ?5))
                 order by seq desc limit ?6)",
        )?
        .execute(params![micros(now), contact, account, created_at, seq, limit])?;
    Ok(u32::try_from(n_rows).unwrap_or(u32::MAX))
}
