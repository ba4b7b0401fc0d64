//! Idempotency keys, and responses to repeated requests.

use domain::messages::status::MessageStatus;

use crate::Deps;
use crate::access::caller::Caller;
use crate::messages::outcome::SendResult;
use crate::ports::{CachedResponse, IdempotencyRecord, MessageKey, StoreError, StoredMessage};

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
