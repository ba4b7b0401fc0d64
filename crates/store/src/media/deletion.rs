//! Deletion of a file by a caller, unless a message that waits needs the file.
//!
//! The queue of a workspace can be long, so it is read without the write lock. The transaction of the deletion reads only
//! the messages that were accepted since then, and those that are being sent.

use domain::access::audit::AuditEntry;
use domain::id::MessageId;
use engine::ports::{BlobKey, DeleteMediaResult, MediaState, MediaUse};
use rusqlite::{Connection, OptionalExtension, params};

use crate::access::audit;
use crate::error::SqlResult;
use crate::media::records;
use crate::sqlite::execute::Execute as _;

/// Reason that a deleted file of a stored message has.
const DELETED: &str = "the file was deleted";

/// Returns a message that waits and needs a file.
pub(crate) fn get_media_use(connection: &Connection, key: BlobKey) -> SqlResult<MediaUse> {
    let newest = connection
        .prepare_cached("select coalesce(max(seq), 0) from messages where workspace_id = ?1")?
        .query_row([key.workspace.as_bytes()], |row| row.get(0))?;
    Ok(MediaUse { message: find_message(connection, key, 0)?, newest })
}

/// Returns a message that needs a file and is queued at a position after `newest`, or is being sent.
fn find_message(connection: &Connection, key: BlobKey, newest: i64) -> SqlResult<Option<MessageId>> {
    let pattern = format!("%{}%", key.media);
    let queued: Option<[u8; 16]> = connection
        .prepare_cached(
            "select id from messages
             where workspace_id = ?1 and status = 'queued' and seq > ?2 and (content like ?3 or fallback like ?3)
             limit 1",
        )?
        .query_row(params![key.workspace.as_bytes(), newest, pattern], |row| row.get(0))
        .optional()?;
    if let Some(message) = queued {
        return Ok(Some(MessageId::from_bytes(message)));
    }
    let sent: Option<[u8; 16]> = connection
        .prepare_cached(
            "select id from messages
             where worker_id is not null and workspace_id = ?1 and (content like ?2 or fallback like ?2)
             limit 1",
        )?
        .query_row(params![key.workspace.as_bytes(), pattern], |row| row.get(0))
        .optional()?;
    Ok(sent.map(MessageId::from_bytes))
}

/// Marks a file for deletion, unless a message that is later than `newest`, or that is being sent, needs the file.
pub(crate) fn delete_unused_media(
    connection: &Connection,
    key: BlobKey,
    newest: i64,
    entry: &AuditEntry,
) -> SqlResult<DeleteMediaResult> {
    let media = records::get_media(connection, key.workspace, key.media)?;
    let Some(media) = media.filter(|media| !matches!(media.state, MediaState::Receiving | MediaState::Gone))
    else {
        return Ok(DeleteMediaResult::NotFound);
    };
    if let Some(message) = find_message(connection, key, newest)? {
        return Ok(DeleteMediaResult::InUse(message));
    }
    connection
        .prepare_cached(
            "update media
             set state = 'gone', meta_id = null, reason = ?3, due_at = null, expires_at = null
             where workspace_id = ?1 and id = ?2",
        )?
        .execute_one((key.workspace.as_bytes(), key.media.as_bytes(), DELETED))?;
    // Meta's copies of the content are not used again.
    connection
        .prepare_cached(
            "delete from media_uploads
             where workspace_id = ?1 and account_id in (select id from accounts where workspace_id = ?1) and sha256 = ?2",
        )?
        .execute_any((key.workspace.as_bytes(), media.sha256))?;
    audit::insert_entry(connection, entry)?;
    Ok(DeleteMediaResult::Deleted)
}
