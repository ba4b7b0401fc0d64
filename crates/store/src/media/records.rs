//! Records of media files.
//!
//! **Invariant:** a download is leased to one worker at a time, and only the token of the lease finishes it.

use domain::id::{AccountId, MediaId, MessageId, WorkspaceId};
use domain::media::InboundMedia;
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use crate::error::{SqlError, SqlResult};
use crate::row::{Cells, SelectRow as _, columns, micros, row};
use crate::scope::Scope;
use crate::sqlite::execute::Execute as _;

use engine::ports::{
    BlobKey, FinishMediaResult, LeaseCheck, LeaseToken, LeasedMedia, MediaFetchResult, MediaLeaseRequest,
    MediaOrigin, MediaState, NewMedia, PreallocatedIds, ReceivedMedia, StoredMedia, UploadKey,
};

/// Reason for the failure of a file that Meta announces without a media ID.
const WITHOUT_ID: &str =
    "Meta sent no media ID for this file: the file is larger than 100 MB, or Meta could not read it";

/// Reason for the failure of an inbound file that has expired.
const EXPIRED: &str = "the retention period of the file has ended";

columns! {
    pub(crate) COLUMNS, read -> StoredMedia {
        id: id "id",
        account: opt_id "account_id",
        message: opt_id "message_id",
        origin: parsed "origin",
        state: parsed "state",
        mime_type: get "mime_type",
        sha256: get "sha256",
        size: opt_size "size",
        file_name: get "file_name",
        reason: get "reason",
        due_at: opt_at "due_at",
        created_at: at "created_at",
        expires_at: opt_at "expires_at",
    }
}

fn size_column(size: u64) -> SqlResult<i64> {
    i64::try_from(size).map_err(|_| SqlError::Bug("the size of a file exceeds the range of an integer"))
}

/// Inserts the file of a message that Meta reports. Returns its state.
pub(crate) fn insert_announced(
    connection: &Connection,
    scope: Scope,
    ids: &PreallocatedIds,
    file: &InboundMedia<'_>,
    now: Timestamp,
) -> SqlResult<MediaState> {
    let (state, reason) = match file.meta_id {
        Some(_) => (MediaState::Pending, None),
        None => (MediaState::Failed, Some(WITHOUT_ID)),
    };
    connection
        .prepare_cached(
            "insert into media (
                 id, workspace_id, account_id, message_id, origin, state, meta_id, mime_type, sha256, file_name,
                 reason, due_at, created_at)
             values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
        )?
        .execute_one(params![
            ids.media.as_bytes(),
            scope.workspace.as_bytes(),
            scope.account.as_bytes(),
            ids.message.as_bytes(),
            MediaOrigin::Inbound.as_str(),
            state.as_str(),
            file.meta_id,
            file.mime_type,
            file.sha256,
            file.file_name,
            reason,
            file.meta_id.map(|_| micros(now)),
            micros(now),
        ])?;
    Ok(state)
}

pub(crate) fn lease_due(connection: &Connection, request: &MediaLeaseRequest) -> SqlResult<Vec<LeasedMedia>> {
    connection
        .prepare_cached(
            "update media set worker_id = null, lease_token = null, lease_expires_at = null
             where worker_id is not null and (
                 lease_expires_at <= ?1
                 or not exists (select 1 from workers w where w.id = media.worker_id and w.heartbeat_at >= ?2))",
        )?
        .execute_any((micros(request.now), micros(request.silent_since)))?;
    let due = list_due(connection, request)?;
    let mut leased = Vec::new();
    for (media, token) in due.into_iter().zip(&request.tokens) {
        connection
            .prepare_cached(
                "update media set worker_id = ?3, lease_token = ?4, lease_expires_at = ?5
                 where workspace_id = ?1 and id = ?2",
            )?
            .execute_one(params![
                media.workspace.as_bytes(),
                media.id.as_bytes(),
                request.worker.as_bytes(),
                token.0,
                micros(request.until),
            ])?;
        leased.push(LeasedMedia { token: *token, ..media });
    }
    Ok(leased)
}

columns! {
    LEASED_COLUMNS, read_leased(token: LeaseToken) -> LeasedMedia {
        id: id "m.id",
        workspace: id "m.workspace_id",
        account: id "m.account_id",
        meta_id: get "m.meta_id",
        mime_type: get "m.mime_type",
        sha256: get "m.sha256",
        n_failures: get "m.n_failures",
        created_at: at "m.created_at",
    }
}

/// Lists the first due files of each account, including removed accounts. Only the process knows the busy accounts.
fn list_due(connection: &Connection, request: &MediaLeaseRequest) -> SqlResult<Vec<LeasedMedia>> {
    let mut statement = connection.prepare_cached(&format!(
        "select {LEASED_COLUMNS}
         from accounts a
         cross join media m on m.seq in (
             select seq from media
             where account_id = a.id and state = 'pending' and worker_id is null and due_at <= ?1
             order by due_at, seq limit ?2)
         order by m.due_at, m.seq"
    ))?;
    let mut rows = statement.query((micros(request.now), request.per_account))?;
    let mut due = Vec::new();
    while due.len() < request.tokens.len()
        && let Some(row) = rows.next()?
    {
        // The token is set when the file is leased.
        let media = read_leased(&mut Cells::new("media", row), LeaseToken(0))?;
        if !request.busy.contains(&media.account) {
            due.push(media);
        }
    }
    Ok(due)
}

pub(crate) fn finish_download(
    connection: &Connection,
    key: BlobKey,
    token: LeaseToken,
    result: &MediaFetchResult,
) -> SqlResult<LeaseCheck> {
    let keys = (key.workspace.as_bytes(), key.media.as_bytes(), token.0);
    let n_rows = match result {
        MediaFetchResult::Ready { sha256, size, mime_type, expires_at } => connection
            .prepare_cached(
                "update media
                 set state = 'ready', sha256 = ?4, size = ?5, mime_type = ?6, expires_at = ?7, reason = null,
                     due_at = null, worker_id = null, lease_token = null, lease_expires_at = null
                 where workspace_id = ?1 and id = ?2 and lease_token = ?3 and state = 'pending'",
            )?
            .execute(params![
                keys.0,
                keys.1,
                keys.2,
                sha256,
                size_column(*size)?,
                mime_type,
                expires_at.map(micros)
            ])?,
        MediaFetchResult::Retry { due_at, reason } => connection
            .prepare_cached(
                "update media
                 set due_at = ?4, reason = ?5, n_failures = n_failures + 1,
                     worker_id = null, lease_token = null, lease_expires_at = null
                 where workspace_id = ?1 and id = ?2 and lease_token = ?3 and state = 'pending'",
            )?
            .execute(params![keys.0, keys.1, keys.2, micros(*due_at), reason])?,
        MediaFetchResult::Failed { reason } => connection
            .prepare_cached(
                "update media
                 set state = 'failed', reason = ?4, n_failures = n_failures + 1, due_at = null,
                     worker_id = null, lease_token = null, lease_expires_at = null
                 where workspace_id = ?1 and id = ?2 and lease_token = ?3 and state = 'pending'",
            )?
            .execute(params![keys.0, keys.1, keys.2, reason])?,
    };
    Ok(if n_rows == 1 { LeaseCheck::Valid } else { LeaseCheck::Lost })
}

pub(crate) fn insert_media(connection: &Connection, new: &NewMedia) -> SqlResult<()> {
    connection
        .prepare_cached(
            "insert into media (id, workspace_id, account_id, origin, state, created_at, expires_at)
             values (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?
        .execute_one(params![
            new.key.media.as_bytes(),
            new.key.workspace.as_bytes(),
            new.account.as_ref().map(AccountId::as_bytes),
            new.origin.as_str(),
            MediaState::Receiving.as_str(),
            micros(new.now),
            micros(new.expires_at),
        ])
}

pub(crate) fn finish_media(
    connection: &Connection,
    received: &ReceivedMedia,
) -> SqlResult<FinishMediaResult> {
    let workspace = received.key.workspace.as_bytes();
    let account = received.account.as_ref().map(AccountId::as_bytes);
    let same: Option<[u8; 16]> = connection
        .prepare_cached(
            "select id from media
             where workspace_id = ?1 and sha256 = ?2 and state = 'ready' and origin <> 'inbound'
               and account_id is ?3 and mime_type = ?4
             order by seq limit 1",
        )?
        .query_row(params![workspace, received.sha256, account, received.mime_type], |row| row.get(0))
        .optional()?;
    if let Some(same) = same {
        let id = MediaId::from_bytes(same);
        extend_expiry(connection, BlobKey { media: id, ..received.key }, received.expires_at)?;
        delete_unfinished(connection, received.key)?;
        let media = get_media(connection, received.key.workspace, id)?;
        return Ok(FinishMediaResult {
            media: media.ok_or(SqlError::Bug("a media record that was just updated does not exist"))?,
            is_new: false,
        });
    }
    let n_rows = connection
        .prepare_cached(
            "update media
             set state = 'ready', account_id = ?3, sha256 = ?4, size = ?5, mime_type = ?6, file_name = ?7, expires_at = ?8
             where workspace_id = ?1 and id = ?2 and state = 'receiving'",
        )?
        .execute(params![
            workspace,
            received.key.media.as_bytes(),
            account,
            received.sha256,
            size_column(received.size)?,
            received.mime_type,
            received.file_name,
            micros(received.expires_at),
        ])?;
    let media = get_media(connection, received.key.workspace, received.key.media)?;
    match media {
        Some(media) if n_rows == 1 => Ok(FinishMediaResult { media, is_new: true }),
        Some(_) | None => Err(SqlError::Bug("a media record was deleted during its upload")),
    }
}

pub(crate) fn delete_unfinished(connection: &Connection, key: BlobKey) -> SqlResult<()> {
    connection
        .prepare_cached(
            "update media set state = 'gone', expires_at = null
             where workspace_id = ?1 and id = ?2 and state = 'receiving'",
        )?
        .execute_any((key.workspace.as_bytes(), key.media.as_bytes()))
}

pub(crate) fn get_media(
    connection: &Connection,
    workspace: WorkspaceId,
    id: MediaId,
) -> SqlResult<Option<StoredMedia>> {
    let sql = format!("select {COLUMNS} from media where workspace_id = ?1 and id = ?2");
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query((workspace.as_bytes(), id.as_bytes()))?;
    rows.next()?.map(|row| read(&mut Cells::new("media", row))).transpose()
}

/// Returns the file of a message that Meta reported.
pub(crate) fn get_media_of_message(
    connection: &Connection,
    workspace: WorkspaceId,
    message: MessageId,
) -> SqlResult<Option<StoredMedia>> {
    let sql = format!("select {COLUMNS} from media where workspace_id = ?1 and message_id = ?2");
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query((workspace.as_bytes(), message.as_bytes()))?;
    rows.next()?.map(|row| read(&mut Cells::new("media", row))).transpose()
}

pub(crate) fn extend_expiry(connection: &Connection, key: BlobKey, until: Timestamp) -> SqlResult<bool> {
    let n_rows = connection
        .prepare_cached(
            "update media set expires_at = case when expires_at is null then null else max(expires_at, ?3) end
             where workspace_id = ?1 and id = ?2 and state = 'ready'",
        )?
        .execute((key.workspace.as_bytes(), key.media.as_bytes(), micros(until)))?;
    Ok(n_rows == 1)
}

pub(crate) fn get_upload(
    connection: &Connection,
    key: &UploadKey,
    now: Timestamp,
) -> SqlResult<Option<String>> {
    let mut statement = connection.prepare_cached(
        "select meta_id from media_uploads
         where workspace_id = ?1 and account_id = ?2 and sha256 = ?3 and mime_type = ?4 and expires_at > ?5",
    )?;
    let keys =
        params![key.workspace.as_bytes(), key.account.as_bytes(), key.sha256, key.mime_type, micros(now)];
    Ok(statement.query_row(keys, |row| row.get(0)).optional()?)
}

pub(crate) fn insert_upload(
    connection: &Connection,
    key: &UploadKey,
    meta_id: &str,
    expires_at: Timestamp,
) -> SqlResult<()> {
    connection
        .prepare_cached(
            "insert into media_uploads (workspace_id, account_id, sha256, mime_type, meta_id, expires_at)
             values (?1, ?2, ?3, ?4, ?5, ?6)
             on conflict (workspace_id, account_id, sha256, mime_type)
             do update set meta_id = excluded.meta_id, expires_at = excluded.expires_at",
        )?
        .execute_one(params![
            key.workspace.as_bytes(),
            key.account.as_bytes(),
            key.sha256,
            key.mime_type,
            meta_id,
            micros(expires_at),
        ])
}

/// Sets the files of a message to the state `gone` and deletes their metadata. A file that is being downloaded is deleted
/// after its lease.
pub(crate) fn erase_media(
    connection: &Connection,
    workspace: WorkspaceId,
    message: MessageId,
) -> SqlResult<()> {
    connection
        .prepare_cached(
            "update media
             set state = 'gone', meta_id = null, mime_type = null, sha256 = null, size = null, file_name = null,
                 reason = null, due_at = null, expires_at = null
             where workspace_id = ?1 and message_id = ?2",
        )?
        .execute_any((workspace.as_bytes(), message.as_bytes()))
}

/// Sets expired files to the state `gone`, deletes expired uploads, and lists the files whose content must be deleted.
pub(crate) fn expire_media(connection: &Connection, now: Timestamp, limit: u32) -> SqlResult<Vec<BlobKey>> {
    connection
        .prepare_cached(
            "update media set state = 'gone', expires_at = null
             where seq in (select seq from media where expires_at <= ?1 and state in ('receiving', 'ready')
                           order by expires_at limit ?2)",
        )?
        .execute_any((micros(now), limit))?;
    connection
        .prepare_cached(
            "delete from media_uploads
             where (workspace_id, account_id, sha256, mime_type) in (
                 select workspace_id, account_id, sha256, mime_type from media_uploads where expires_at <= ?1 limit ?2)",
        )?
        .execute_any((micros(now), limit))?;
    let rows = DeletableRow::list(connection, (limit, micros(now)))?;
    Ok(rows.into_iter().map(|row| BlobKey { workspace: row.workspace, media: row.media }).collect())
}

row! {
    struct DeletableRow {
        workspace: WorkspaceId = id "workspace_id",
        media: MediaId = id "id",
    } from "media where state = 'gone' and (worker_id is null or lease_expires_at <= ?2) order by seq limit ?1"
}

/// Deletes the record of a file without content. The record of a file of a stored message stays, in the state
/// `failed`.
pub(crate) fn delete_media(connection: &Connection, key: BlobKey) -> SqlResult<()> {
    let keys = (key.workspace.as_bytes(), key.media.as_bytes());
    connection
        .prepare_cached(
            "delete from media where workspace_id = ?1 and id = ?2 and state = 'gone' and not exists (
                 select 1 from messages where messages.id = media.message_id)",
        )?
        .execute_any(keys)?;
    connection
        .prepare_cached(
            "update media
             set state = 'failed', reason = coalesce(reason, ?3), worker_id = null, lease_token = null, lease_expires_at = null
             where workspace_id = ?1 and id = ?2 and state = 'gone'",
        )?
        .execute_any((keys.0, keys.1, EXPIRED))
}
