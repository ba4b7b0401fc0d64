//! Idempotency keys: running requests, and responses to repeated requests.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use domain::id::OwnerId;
use domain::messages::status::MessageStatus;
use jiff::SignedDuration;

use crate::Deps;
use crate::access::caller::Caller;
use crate::messages::outcome::SendResult;
use crate::ports::{CachedResponse, IdempotencyRecord, MessageKey, StoreError, StoredMessage};

/// Time for which an idempotency key is stored.
pub(crate) const IDEMPOTENCY_PERIOD: SignedDuration = SignedDuration::from_hours(24);

/// Returns the response to cache for repeated requests; `None` if the response is not cached.
pub type CacheResponse = Box<dyn Fn(&SendResult) -> Option<CachedResponse> + Send + Sync>;

/// Idempotency key of a request.
pub struct IdempotencyKey {
    /// Key, as the caller wrote it.
    pub key: String,
    /// SHA-256 of the path and the body of the request.
    pub digest: [u8; 32],
    /// Function that writes the response to cache.
    pub cache_response: CacheResponse,
}

/// Owner of a key, and the key.
type OwnedKey = (OwnerId, String);
/// SHA-256 of a request.
type RequestDigest = [u8; 32];

/// Requests with an idempotency key that are running in this process.
#[derive(Clone, Default)]
pub struct RunningKeys {
    digests: Arc<Mutex<BTreeMap<OwnedKey, RequestDigest>>>,
}

/// Running request that has the idempotency key of a new request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdempotencyKeyInUse {
    /// The running request is equal to the new request.
    SameRequest,
    /// The running request has another path or body.
    OtherRequest,
}

impl RunningKeys {
    /// Reserves a key until the guard is dropped.
    ///
    /// # Errors
    /// A request with this key is running.
    pub fn acquire(
        &self,
        owner: OwnerId,
        key: &str,
        digest: RequestDigest,
    ) -> Result<RunningKey, IdempotencyKeyInUse> {
        let mut digests = self.digests.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (owner, key.to_owned());
        match digests.get(&key) {
            Some(running) if *running == digest => Err(IdempotencyKeyInUse::SameRequest),
            Some(_) => Err(IdempotencyKeyInUse::OtherRequest),
            None => {
                digests.insert(key.clone(), digest);
                Ok(RunningKey { keys: self.clone(), key })
            }
        }
    }
}

/// Idempotency key of a running request.
pub struct RunningKey {
    keys: RunningKeys,
    key: OwnedKey,
}

impl Drop for RunningKey {
    fn drop(&mut self) {
        self.keys.digests.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.key);
    }
}

/// State of a request whose idempotency key was used before.
#[derive(Debug)]
pub enum RepeatedRequest {
    /// The first request has finished with this response.
    Cached(CachedResponse),
    /// The first request had another path or body.
    Mismatch,
    /// The first request is running.
    InProgress,
    /// The process of the first request ended before the response. The message has this state.
    Orphaned(Box<StoredMessage>),
}

/// Returns the state of a request whose idempotency key was used before.
///
/// # Errors
/// The store cannot be read.
pub async fn get_repeated_request(
    deps: &Deps,
    caller: &Caller,
    record: IdempotencyRecord,
    digest: [u8; 32],
) -> Result<RepeatedRequest, StoreError> {
    if record.digest != digest {
        return Ok(RepeatedRequest::Mismatch);
    }
    if let Some(response) = record.response {
        return Ok(RepeatedRequest::Cached(response));
    }
    let detail = deps.messages.get_message(caller.workspace(), &MessageKey::Id(record.message)).await?;
    Ok(match detail.map(|detail| detail.message) {
        Some(message) if !matches!(message.status, MessageStatus::Queued | MessageStatus::Sending) => {
            RepeatedRequest::Orphaned(Box::new(message))
        }
        Some(_) | None => RepeatedRequest::InProgress,
    })
}
