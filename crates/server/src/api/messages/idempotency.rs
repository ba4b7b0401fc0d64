//! `Idempotency-Key` of sends: a repeated request gets the response to the first request. The record is written together
//! with the message.

use axum::response::Response;
use domain::contacts::bsuid::Bsuid;
use domain::contacts::phone::PhoneNumber;
use domain::json::Object;
use domain::messages::status::MessageStatus;
use engine::Deps;
use engine::access::caller::Caller;
use engine::access::running_keys::{IdempotencyKeyInUse, RunningKey};
use engine::messages::idempotency::{IdempotencyKey, RepeatedRequest, get_repeated_request};
use engine::messages::outcome::{SendError, SendProgress, SendReceipt, SendResult};
use engine::ports::{CachedResponse, IdempotencyRecord, Recipient, StoredMessage};
use sha2::{Digest, Sha256};

use crate::api::error::ApiError;
use crate::api::idempotency_key::{replayed, with_replayed_header};
use crate::api::messages::send_response::SendResponse;
use crate::api::response;

/// A request with an `Idempotency-Key`, which may be a repeated request.
#[derive(Clone)]
pub(crate) struct IdempotentRequest {
    key: String,
    digest: [u8; 32],
}

impl IdempotentRequest {
    /// Creates a request from its key, path and body. Two bodies are the same if their JSON values are equal.
    pub(crate) fn new(key: &str, path: &str, body: &Object) -> Self {
        let canonical = body.canonical();
        let digest = Sha256::new().chain_update(path).chain_update([0]).chain_update(canonical).finalize();
        Self { key: key.to_owned(), digest: digest.into() }
    }

    /// Returns the request with another key. The body is not hashed again.
    pub(crate) fn with_key(&self, key: String) -> Self {
        Self { key, digest: self.digest }
    }

    /// Returns the key.
    pub(crate) fn key(&self) -> &str {
        &self.key
    }

    /// Locks the key in this process until the guard is dropped.
    pub(crate) fn lock(&self, deps: &Deps, caller: &Caller) -> Result<RunningKey, ApiError> {
        deps.running.acquire(caller.owner(), &self.key, Some(self.digest)).map_err(|taken| match taken {
            IdempotencyKeyInUse::SameRequest => ApiError::idempotency_in_progress(),
            IdempotencyKeyInUse::OtherRequest => ApiError::idempotency_mismatch(),
        })
    }

    /// Returns the record of the first request with this key; `None` if there was none.
    pub(crate) async fn get_record(
        &self,
        deps: &Deps,
        caller: &Caller,
    ) -> Result<Option<IdempotencyRecord>, ApiError> {
        let owner = caller.owner();
        Ok(deps.messages.get_idempotency_record(caller.workspace(), owner, &self.key, deps.now()).await?)
    }

    /// SHA-256 of path and body.
    pub(crate) fn digest(&self) -> [u8; 32] {
        self.digest
    }

    /// Returns the data that is stored with the message.
    pub(crate) fn idempotency(&self, request_id: &str) -> IdempotencyKey {
        let request_id = request_id.to_owned();
        IdempotencyKey {
            key: self.key.clone(),
            digest: self.digest,
            cache_response: Box::new(move |result| render(result, &request_id)),
        }
    }

    /// Returns the response to a repeated request.
    pub(crate) async fn replay(
        &self,
        deps: &Deps,
        caller: &Caller,
        known: IdempotencyRecord,
    ) -> Result<Response, ApiError> {
        match get_repeated_request(deps, caller, known, self.digest).await? {
            RepeatedRequest::Cached(cached) => Ok(replayed(&cached)),
            RepeatedRequest::Mismatch => Err(ApiError::idempotency_mismatch()),
            RepeatedRequest::InProgress => Err(ApiError::idempotency_in_progress()),
            RepeatedRequest::Orphaned(message) => {
                let sent = sent_from_message(&message).ok_or_else(ApiError::idempotency_in_progress)?;
                let (status, body) = SendResponse::of(&sent);
                Ok(with_replayed_header(response::success(status, &body)))
            }
        }
    }
}

/// Returns the response that is stored for repeated requests; `None` if the client can send the message again.
fn render(result: &SendResult, request_id: &str) -> Option<CachedResponse> {
    match result {
        Ok(sent) => {
            let (status, body) = SendResponse::of(sent);
            Some(CachedResponse { status: status.as_u16(), body: response::success_bytes(&body) })
        }
        Err(SendError::Refused(error)) => {
            let error = ApiError::from(SendError::Refused(error.clone()));
            let status = error.code().status().as_u16();
            Some(CachedResponse { status, body: response::failure_bytes(&error, request_id) })
        }
        Err(_) => None,
    }
}

/// Returns the result of a send from its message, for a caller that received no response.
fn sent_from_message(message: &StoredMessage) -> Option<SendReceipt> {
    let number = message.wa_id.as_deref().and_then(|wa_id| PhoneNumber::from_wa_id(wa_id).ok());
    let user = message.user_id.as_deref().and_then(|user_id| Bsuid::parse(user_id).ok());
    let progress = match (&message.wamid, message.status) {
        (Some(wamid), _) => SendProgress::Sent { wamid: wamid.clone() },
        (None, MessageStatus::Queued) => SendProgress::Queued,
        (None, _) => SendProgress::Unknown,
    };
    Some(SendReceipt {
        id: message.id,
        progress,
        recipient: number.map(Recipient::Phone).or(user.map(Recipient::Bsuid))?,
        account: message.account,
        client_reference: message.client_reference.clone(),
        sent_as: message.sent_as,
        send_at: None,
        due_at: None,
    })
}
