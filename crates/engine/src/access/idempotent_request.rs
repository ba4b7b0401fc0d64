//! Requests with an `Idempotency-Key`, except sends: a repeated request gets the response to the first request.
//!
//! **Invariant:** the record of a request is stored before the request has an effect. If its process dies before the
//! response is stored, the key stays in use until it expires, so that the effect does not occur a second time.

use domain::id::{RequestId, WorkerId};
use jiff::{SignedDuration, Timestamp};

use crate::Deps;
use crate::access::caller::Caller;
use crate::access::running_keys::{IdempotencyKeyInUse, RunningKey};
use crate::ports::{
    EarlierRequest, EarlierRequestState, NewIdempotentRequest, RequestDigest, RequestResponse, StoreError,
};

/// Time for which an idempotency key is stored.
pub(crate) const IDEMPOTENCY_PERIOD: SignedDuration = SignedDuration::from_hours(24);

/// First request with its idempotency key.
pub struct FirstRequest {
    /// Identifier of its record.
    pub id: RequestId,
    /// Lock of the key in this process.
    pub running: RunningKey,
}

/// Decision about a request with an idempotency key.
pub enum BegunRequest {
    /// No other request has the key: the request can run.
    First(FirstRequest),
    /// The key was used before.
    Repeated(RepeatedKey),
}

/// State of the earlier request of a repeated key.
#[derive(Debug, PartialEq)]
pub enum RepeatedKey {
    /// The earlier request had this response.
    Cached(RequestResponse),
    /// The earlier request has a response. The digest of this request is needed to compare the requests.
    NeedsDigest,
    /// The earlier request had another path or body.
    Mismatch,
    /// The earlier request is running.
    InProgress,
    /// The earlier request has no response, and does not run any more.
    Interrupted,
}

/// Begins a request: locks its key and inserts its record. A digest of `None` is not known yet.
///
/// # Errors
/// The store cannot be written. The request must not run.
pub async fn begin_request(
    deps: &Deps,
    caller: &Caller,
    key: &str,
    digest: Option<RequestDigest>,
) -> Result<BegunRequest, StoreError> {
    let running = match deps.running.acquire(caller.owner(), key, digest) {
        Ok(running) => running,
        Err(IdempotencyKeyInUse::SameRequest) => return Ok(BegunRequest::Repeated(RepeatedKey::InProgress)),
        Err(IdempotencyKeyInUse::OtherRequest) => return Ok(BegunRequest::Repeated(RepeatedKey::Mismatch)),
    };
    let new = new_request(deps, caller, key, digest);
    let id = new.id;
    Ok(match deps.idempotent_requests.insert_idempotent_request(new).await? {
        None => BegunRequest::First(FirstRequest { id, running }),
        Some(earlier) => BegunRequest::Repeated(repeated(earlier, deps.worker)),
    })
}

/// Returns the state of the earlier request, after the digest of a streamed request is known.
///
/// # Errors
/// The store cannot be read.
pub async fn get_repeated(
    deps: &Deps,
    caller: &Caller,
    key: &str,
    digest: RequestDigest,
) -> Result<RepeatedKey, StoreError> {
    let request = new_request(deps, caller, key, Some(digest));
    let earlier = deps.idempotent_requests.get_idempotent_request(&request).await?;
    // The record expired while the body was read: the client repeats the request.
    Ok(earlier.map_or(RepeatedKey::InProgress, |earlier| repeated(earlier, deps.worker)))
}

fn new_request(
    deps: &Deps,
    caller: &Caller,
    key: &str,
    digest: Option<RequestDigest>,
) -> NewIdempotentRequest {
    let now = deps.now();
    NewIdempotentRequest {
        id: deps.new_id(RequestId::from_parts),
        workspace: caller.workspace(),
        owner: caller.owner(),
        key: key.to_owned(),
        digest,
        worker: deps.worker,
        now,
        expires_at: now.saturating_add(IDEMPOTENCY_PERIOD).unwrap_or(Timestamp::MAX),
    }
}

fn repeated(earlier: EarlierRequest, worker: WorkerId) -> RepeatedKey {
    if earlier.is_same == Some(false) {
        return RepeatedKey::Mismatch;
    }
    match earlier.state {
        EarlierRequestState::Finished(_) if earlier.is_same.is_none() => RepeatedKey::NeedsDigest,
        EarlierRequestState::Finished(response) => RepeatedKey::Cached(response),
        // This process holds the lock of the key, so that none of its requests has the key.
        EarlierRequestState::Running { worker: other, is_alive: true } if other != worker => {
            RepeatedKey::InProgress
        }
        EarlierRequestState::Running { .. } | EarlierRequestState::Interrupted => RepeatedKey::Interrupted,
    }
}
