//! Records of requests with an `Idempotency-Key`, except sends.

use std::sync::LazyLock;

use domain::id::{RequestId, WorkerId, WorkspaceId};
use engine::ports::{
    CachedResponse, EarlierRequest, EarlierRequestState, NewIdempotentRequest, RequestDigest, RequestEnd,
    RequestResponse, WORKER_TIMEOUT,
};
use jiff::Timestamp;
use rusqlite::{Connection, params};
use secrecy::{ExposeSecret as _, SecretString};

use crate::error::{SqlError, SqlResult};
use crate::row::{Cells, json, micros, row};
use crate::seal::Sealer;
use crate::sqlite::execute::Execute as _;

row! {
    struct RequestRow {
        id: RequestId = id "id",
        digest: Option<[u8; 32]> = get "digest",
        worker: Option<WorkerId> = opt_id "worker_id",
        is_alive: bool = flag "exists (select 1 from workers where id = worker_id and heartbeat_at >= ?5)",
        status: Option<u16> = get "status",
        body: Option<Vec<u8>> = get "body",
        sealed_body: Option<Vec<u8>> = get "sealed_body",
    }
}

static GET_REQUEST: LazyLock<String> = LazyLock::new(|| {
    format!(
        "select {} from idempotent_requests
         where workspace_id = ?1 and owner_id = ?2 and key = ?3 and expires_at > ?4",
        RequestRow::COLUMNS
    )
});

/// Inserts the record of a request, unless an earlier request has its key. An expired record is replaced.
pub(crate) fn insert_request(
    connection: &Connection,
    sealer: &Sealer,
    new: &NewIdempotentRequest,
) -> SqlResult<Option<EarlierRequest>> {
    if let Some(earlier) = get_request(connection, sealer, new)? {
        return Ok(Some(earlier));
    }
    connection
        .prepare_cached(
            "insert or replace into idempotent_requests (
                 id, workspace_id, owner_id, key, digest, worker_id, expires_at)
             values (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?
        .execute_one(params![
            new.id.as_bytes(),
            new.workspace.as_bytes(),
            new.owner.as_bytes(),
            new.key,
            new.digest.map(|digest| sealer.keyed_digest(&digest)),
            new.worker.as_bytes(),
            micros(new.expires_at),
        ])?;
    Ok(None)
}

/// Returns the earlier request with the same key, unless its record has expired.
pub(crate) fn get_request(
    connection: &Connection,
    sealer: &Sealer,
    new: &NewIdempotentRequest,
) -> SqlResult<Option<EarlierRequest>> {
    if is_used_for_send(connection, new)? {
        return Ok(Some(EarlierRequest { is_same: Some(false), state: EarlierRequestState::Interrupted }));
    }
    let alive_since = new.now.saturating_sub(WORKER_TIMEOUT).unwrap_or(Timestamp::MIN);
    let mut statement = connection.prepare_cached(&GET_REQUEST)?;
    let mut rows = statement.query(params![
        new.workspace.as_bytes(),
        new.owner.as_bytes(),
        new.key,
        micros(new.now),
        micros(alive_since),
    ])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let row = RequestRow::read(&mut Cells::new("idempotent_requests", row))?;
    let is_same = row.digest.zip(new.digest).map(|(stored, digest)| sealer.is_keyed_digest(&stored, &digest));
    Ok(Some(EarlierRequest { is_same, state: read_state(sealer, row)? }))
}

fn read_state(sealer: &Sealer, row: RequestRow) -> SqlResult<EarlierRequestState> {
    let RequestRow { id, worker, is_alive, status, body, sealed_body, .. } = row;
    let finished = |status, body: Vec<u8>, has_secret| {
        let response = CachedResponse { status, body: body.into() };
        EarlierRequestState::Finished(RequestResponse { response, has_secret })
    };
    Ok(match (status, body, sealed_body, worker) {
        (Some(status), Some(body), _, _) => finished(status, body, false),
        (Some(status), None, Some(sealed), _) => {
            let opened = sealer.open(&seal_context(id), &sealed)?;
            finished(status, opened.expose_secret().as_bytes().to_vec(), true)
        }
        (None, _, _, Some(worker)) => EarlierRequestState::Running { worker, is_alive },
        (Some(_), None, None, _) | (None, _, _, None) => EarlierRequestState::Interrupted,
    })
}

/// Returns the context to which a response with a secret is sealed.
fn seal_context(id: RequestId) -> String {
    format!("idempotent_requests/{id}/sealed_body")
}

/// Returns `true` if a send has the key. The keys of the messages of a batch are the key of the batch, a separator, and
/// the index of the message.
fn is_used_for_send(connection: &Connection, new: &NewIdempotentRequest) -> SqlResult<bool> {
    let mut statement = connection.prepare_cached(
        "select exists (
             select 1 from idempotency_records
             where workspace_id = ?1 and owner_id = ?2 and key = ?3 and expires_at > ?4)
         or exists (
             select 1 from idempotency_records
             where workspace_id = ?1 and owner_id = ?2 and key > ?3 || char(31) and key < ?3 || char(32)
                   and expires_at > ?4)",
    )?;
    let keys = (new.workspace.as_bytes(), new.owner.as_bytes(), &new.key, micros(new.now));
    Ok(statement.query_row(keys, |row| row.get(0))?)
}

/// Stores the end of a request.
pub(crate) fn finish_request(
    connection: &Connection,
    sealer: &Sealer,
    id: RequestId,
    digest: Option<&RequestDigest>,
    end: &RequestEnd,
) -> SqlResult<()> {
    let digest = digest.map(|digest| sealer.keyed_digest(digest));
    match end {
        RequestEnd::Released => connection
            .prepare_cached("delete from idempotent_requests where id = ?1")?
            .execute_any([id.as_bytes()]),
        RequestEnd::Interrupted => connection
            .prepare_cached(
                "update idempotent_requests set worker_id = null, digest = coalesce(?2, digest) where id = ?1",
            )?
            .execute_any((id.as_bytes(), digest)),
        RequestEnd::Finished(RequestResponse { response, has_secret }) => {
            let sealed = has_secret.then(|| seal_body(sealer, id, response)).transpose()?;
            let body = (!has_secret).then_some(&*response.body);
            // The record may have been replaced after its expiry.
            connection
                .prepare_cached(
                    "update idempotent_requests
                     set worker_id = null, digest = coalesce(?2, digest), status = ?3, body = ?4, sealed_body = ?5
                     where id = ?1",
                )?
                .execute_any(params![id.as_bytes(), digest, response.status, body, sealed])
        }
    }
}

fn seal_body(sealer: &Sealer, id: RequestId, response: &CachedResponse) -> SqlResult<Vec<u8>> {
    let text = String::from_utf8(response.body.to_vec())
        .map_err(|_| SqlError::Bug("a response with a secret is not UTF-8"))?;
    Ok(sealer.seal(&seal_context(id), &SecretString::from(text))?)
}

/// Deletes expired records.
pub(crate) fn expire_requests(connection: &Connection, now: Timestamp, limit: u32) -> SqlResult<()> {
    connection
        .prepare_cached(
            "delete from idempotent_requests where seq in (
                 select seq from idempotent_requests where expires_at <= ?1 limit ?2)",
        )?
        .execute_any((micros(now), limit))
}

/// Deletes the stored responses that contain one of these texts. The records stay, so that a repeated request has no
/// effect; records whose key contains one of the texts are deleted.
pub(crate) fn erase_responses(
    connection: &Connection,
    workspace: WorkspaceId,
    texts: &[String],
) -> SqlResult<()> {
    let texts = json(&texts)?;
    connection
        .prepare_cached(
            "delete from idempotent_requests
             where workspace_id = ?1 and exists (select 1 from json_each(?2) m where instr(key, m.value) > 0)",
        )?
        .execute_any((workspace.as_bytes(), &texts))?;
    connection
        .prepare_cached(
            "update idempotent_requests set status = null, body = null
             where workspace_id = ?1 and body is not null
                   and exists (select 1 from json_each(?2) m where instr(cast(body as text), m.value) > 0)",
        )?
        .execute_any((workspace.as_bytes(), &texts))
}
