//! Idempotency records.

use std::sync::LazyLock;

use domain::id::{MessageId, OwnerId, WorkspaceId};
use engine::ports::{CachedResponse, IdempotencyRecord, NewIdempotencyRecord};
use jiff::Timestamp;
use rusqlite::{Connection, params};

use crate::error::SqlResult;
use crate::row::{Cells, micros, row};

row! {
    struct RecordRow {
        digest: [u8; 32] = get "digest",
        message: MessageId = id "message_id",
        status: Option<u16> = get "status",
        body: Option<Vec<u8>> = get "body",
    }
}

static GET_RECORD: LazyLock<String> = LazyLock::new(|| {
    format!(
        "select {} from idempotency_records
         where workspace_id = ?1 and owner_id = ?2 and key = ?3 and expires_at > ?4
         union all
         -- A request that is not a send has the key. No send has this digest.
         select zeroblob(32), id, null, null from idempotent_requests
         where workspace_id = ?1 and owner_id = ?2 and key = ?3 and expires_at > ?4",
        RecordRow::COLUMNS
    )
});

/// Returns the record of a key, unless it has expired.
pub(crate) fn get_record(
    connection: &Connection,
    workspace: WorkspaceId,
    owner: OwnerId,
    key: &str,
    now: Timestamp,
) -> SqlResult<Option<IdempotencyRecord>> {
    let mut statement = connection.prepare_cached(&GET_RECORD)?;
    let mut rows = statement.query((workspace.as_bytes(), owner.as_bytes(), key, micros(now)))?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let RecordRow { digest, message, status, body } =
        RecordRow::read(&mut Cells::new("idempotency_records", row))?;
    let response = status.zip(body).map(|(status, body)| CachedResponse { status, body: body.into() });
    Ok(Some(IdempotencyRecord { digest, message, response }))
}

/// Inserts the record of a message. An expired record with the same key is replaced.
pub(crate) fn insert_record(
    connection: &Connection,
    workspace: WorkspaceId,
    key: &NewIdempotencyRecord,
    message: MessageId,
) -> SqlResult<()> {
    connection
        .prepare_cached(
            "insert or replace into idempotency_records (
                 workspace_id, owner_id, key, digest, message_id, status, body, expires_at)
             values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )?
        .execute(params![
            workspace.as_bytes(),
            key.owner.as_bytes(),
            key.key,
            key.digest,
            message.as_bytes(),
            key.response.as_ref().map(|response| response.status),
            key.response.as_ref().map(|response| &*response.body),
            micros(key.expires_at),
        ])?;
    Ok(())
}

/// Stores the response of the message's request, or deletes the record if there is no response to store.
pub(crate) fn finish_record(
    connection: &Connection,
    workspace: WorkspaceId,
    message: MessageId,
    response: Option<&CachedResponse>,
) -> SqlResult<()> {
    match response {
        Some(response) => connection
            .prepare_cached(
                "update idempotency_records set status = ?3, body = ?4
                 where workspace_id = ?1 and message_id = ?2 and status is null",
            )?
            .execute((workspace.as_bytes(), message.as_bytes(), response.status, &*response.body))?,
        None => connection
            .prepare_cached(
                "delete from idempotency_records where workspace_id = ?1 and message_id = ?2 and status is null",
            )?
            .execute((workspace.as_bytes(), message.as_bytes()))?,
    };
    Ok(())
}

/// Deletes expired records.
pub(crate) fn expire_records(connection: &Connection, now: Timestamp, limit: u32) -> SqlResult<()> {
    connection
        .prepare_cached(
            "delete from idempotency_records where (workspace_id, owner_id, key) in (
                 select workspace_id, owner_id, key from idempotency_records where expires_at <= ?1 limit ?2)",
        )?
        .execute((micros(now), limit))?;
    Ok(())
}
