//! `Idempotency-Key`: the same request again gets the first answer again.

use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::Response;
use domain::contacts::bsuid::Bsuid;
use domain::contacts::phone::PhoneNumber;
use domain::json::{Object, Value};
use domain::messages::status::MessageStatus;
use engine::Deps;
use engine::access::api_key::Caller;
use engine::messages::idempotency::{
    IdempotencyKey, IdempotencyKeyInUse, RepeatedRequest, RunningKey, get_repeated_request,
};
use engine::messages::outcome::{SendError, SendProgress, SendReceipt, SendResult};
use engine::ports::{CachedResponse, IdempotencyRecord, Recipient, StoredMessage};
use sha2::{Digest, Sha256};

use crate::api::error::ApiError;
use crate::api::messages::send_request::MAX_KEY;
use crate::api::messages::send_response::SendResponse;
use crate::api::response;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
pub(crate) const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

/// The key that a request carries.
pub(crate) fn key_of(headers: &HeaderMap) -> Result<Option<String>, ApiError> {
    let invalid = |reason: String| Err(ApiError::invalid_at("/Idempotency-Key", reason));
    let mut values = headers.get_all(IDEMPOTENCY_KEY).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return invalid("appears twice".to_owned());
    }
    match value.to_str() {
        Ok("") => invalid("must not be empty".to_owned()),
        Ok(key) if key.len() > MAX_KEY => {
            invalid(format!("must be at most {MAX_KEY} characters, is {}", key.len()))
        }
        Ok(key) => Ok(Some(key.to_owned())),
        Err(_) => invalid("must be visible ASCII characters".to_owned()),
    }
}

/// A request that may be a repetition.
pub(crate) struct Repeat {
    key: String,
    digest: [u8; 32],
}

impl Repeat {
    /// The request with this key, path and body. "Same body" means equal JSON, whatever its spelling.
    pub(crate) fn new(key: &str, path: &str, body: &Object) -> Self {
        let canonical = Value::Object(body.clone()).canonical();
        let digest = Sha256::new().chain_update(path).chain_update([0]).chain_update(canonical).finalize();
        Self { key: key.to_owned(), digest: digest.into() }
    }

    /// Takes the key for this process, as long as the guard lives.
    pub(crate) fn enter(&self, deps: &Deps, caller: &Caller) -> Result<RunningKey, ApiError> {
        deps.running.acquire(caller.owner(), &self.key, self.digest).map_err(|taken| match taken {
            IdempotencyKeyInUse::SameRequest => ApiError::idempotency_in_progress(),
            IdempotencyKeyInUse::OtherRequest => ApiError::idempotency_mismatch(),
        })
    }

    /// The first request with this key, if there was one.
    pub(crate) async fn look_up(
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

    /// What is kept with the message.
    pub(crate) fn idempotency(&self, request_id: &str) -> IdempotencyKey {
        let request_id = request_id.to_owned();
        IdempotencyKey {
            key: self.key.clone(),
            digest: self.digest,
            cache_response: Box::new(move |end| render(end, &request_id)),
        }
    }

    /// The answer to a repetition.
    pub(crate) async fn answer(
        &self,
        deps: &Deps,
        caller: &Caller,
        known: IdempotencyRecord,
    ) -> Result<Response, ApiError> {
        match get_repeated_request(deps, caller, known, self.digest).await? {
            RepeatedRequest::Cached(kept) => Ok(replayed(&kept)),
            RepeatedRequest::Mismatch => Err(ApiError::idempotency_mismatch()),
            RepeatedRequest::InProgress => Err(ApiError::idempotency_in_progress()),
            RepeatedRequest::Orphaned(message) => {
                let sent = sent_of(&message).ok_or_else(ApiError::idempotency_in_progress)?;
                let (status, answer) = SendResponse::of(&sent);
                Ok(marked(response::success(status, &answer)))
            }
        }
    }
}

/// Which ends are kept: those after the record that do not invite to try again.
fn render(end: &SendResult, request_id: &str) -> Option<CachedResponse> {
    match end {
        Ok(sent) => {
            let (status, answer) = SendResponse::of(sent);
            Some(CachedResponse { status: status.as_u16(), body: response::success_bytes(&answer) })
        }
        Err(SendError::Refused(error)) => {
            let error = ApiError::from(SendError::Refused(error.clone()));
            let status = error.code().status().as_u16();
            Some(CachedResponse { status, body: response::failure_bytes(&error, request_id) })
        }
        Err(_) => None,
    }
}

fn replayed(kept: &CachedResponse) -> Response {
    let mut response = Response::new(Body::from(kept.body.clone()));
    *response.status_mut() = StatusCode::from_u16(kept.status).unwrap_or(StatusCode::OK);
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
    marked(response)
}

fn marked(mut response: Response) -> Response {
    response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    response
}

/// What became of a message whose caller never got an answer.
fn sent_of(message: &StoredMessage) -> Option<SendReceipt> {
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
    })
}
