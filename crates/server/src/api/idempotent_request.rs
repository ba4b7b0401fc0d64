//! Middleware for the header `Idempotency-Key` of all operations that change something, except sends: a repeated request
//! gets the response to the first request.
//!
//! **Invariant:** a request with a key runs in a task of its own: a client that disconnects does not stop it between its
//! effect and the stored response.
//!
//! Stored are responses with 2xx, and definite errors after the checks of the request (409, 410, `meta_error`). Not stored
//! are refusals (validation, authentication, missing resources), 429 and 5xx: the key can be used again. If a request fails
//! with an internal error or a store error after it has changed something, its key stays in use.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use axum::body::HttpBody;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use domain::access::rate_limiter::CallKind;
use engine::access::caller::Caller;
use engine::access::idempotent_request::{BegunRequest, RepeatedKey, begin_request, get_repeated};
use engine::ports::{CachedResponse, RequestEnd, RequestResponse};
use engine::side_effects::EffectFlag;
use engine::{Deps, chain};
use futures_util::FutureExt as _;
use tracing::Instrument as _;

use crate::api::error::{ApiError, Code};
use crate::api::idempotency_key::{IDEMPOTENCY_KEY, key_of, replayed};
use crate::api::request_context::RequestContext;
use crate::api::request_digest::BodyDigest;
use crate::api::response;
use crate::api::response::ContainsSecret;
use crate::api::route_access::{Idempotency, Route};
use crate::api::routes;
use crate::request_bodies::budget::BodyLease;

/// Maximum size of a stored response, in bytes. The response to a bulk request has at most some hundred kilobytes.
const MAX_STORED: usize = 1_000_000;

/// Runs a request once for each key.
pub(crate) async fn run_once(State(deps): State<Arc<Deps>>, request: Request, next: Next) -> Response {
    let Some(route) = keyed_route(&request) else { return next.run(request).await };
    run_keyed(deps, route, request, next).await.unwrap_or_else(IntoResponse::into_response)
}

/// Returns the route of a request whose key the middleware handles.
fn keyed_route(request: &Request) -> Option<&'static Route> {
    if request.method() != Method::POST || !request.headers().contains_key(IDEMPOTENCY_KEY) {
        return None;
    }
    let path = request.extensions().get::<MatchedPath>()?.as_str().strip_prefix("/api")?;
    let route = routes::find(request.method(), path)?;
    matches!(route.idempotency(), Idempotency::Json | Idempotency::Stream).then_some(route)
}

async fn run_keyed(
    deps: Arc<Deps>,
    route: &Route,
    request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    let mut context = request.extensions().get::<RequestContext>().cloned().ok_or_else(ApiError::internal)?;
    context.access = Some(route.access);
    let caller = context.authorize()?;
    let key = key_of(request.headers());
    context.count_call(&deps, &caller, CallKind::Other)?;
    let Some(key) = key? else { return Ok(next.run(request).await) };
    let is_streamed = route.idempotency() == Idempotency::Stream;
    let (request, digest) =
        if is_streamed { BodyDigest::of_stream(request) } else { BodyDigest::of_json(request).await? };
    let keyed = KeyedRequest {
        deps: deps.clone(),
        caller,
        key,
        digest,
        is_streamed,
        request_id: context.shared_request_id(),
        _memory: request.extensions().get::<Arc<BodyLease>>().cloned(),
    };
    let task = deps.tasks.spawn(keyed.run(request, next).in_current_span());
    task.await.unwrap_or_else(|_| Err(ApiError::internal()))
}

/// Request with an idempotency key.
struct KeyedRequest {
    deps: Arc<Deps>,
    caller: Caller,
    key: String,
    digest: BodyDigest,
    is_streamed: bool,
    request_id: Arc<str>,
    /// Memory of the body, which is in use until the task ends.
    _memory: Option<Arc<BodyLease>>,
}

impl KeyedRequest {
    async fn run(self, request: Request, next: Next) -> Result<Response, ApiError> {
        match begin_request(&self.deps, &self.caller, &self.key, self.digest.known()).await? {
            BegunRequest::Repeated(repeated) => {
                // The handler does not read the body.
                drop(request);
                self.replay(repeated).await
            }
            BegunRequest::First(first) => {
                let effect = EffectFlag::default();
                let running = AssertUnwindSafe(effect.observe(next.run(request))).catch_unwind();
                let response = running.await.unwrap_or_else(|_| {
                    tracing::error!("a handler panicked");
                    ApiError::internal().into_response()
                });
                let (response, mut end) = self.end_of(response, effect.is_set()).await;
                let Self { deps, digest, .. } = self;
                let digest = match &end {
                    RequestEnd::Finished(_) => digest.finish().await.ok(),
                    RequestEnd::Released | RequestEnd::Interrupted => digest.known(),
                };
                if digest.is_none() && matches!(end, RequestEnd::Finished(_)) {
                    // The client did not send the whole body: no repeated request can be compared with it. Only files and
                    // imports are streamed, and they are the same when they are stored twice.
                    end = RequestEnd::Released;
                }
                let stored = deps.idempotent_requests.finish_idempotent_request(first.id, digest, end).await;
                if let Err(error) = stored {
                    tracing::error!(
                        error = chain(&error),
                        "the response to a request with an idempotency key could not be stored"
                    );
                }
                drop(first.running);
                Ok(response)
            }
        }
    }

    /// Returns the response, and the end of the request that is stored.
    async fn end_of(&self, response: Response, has_effect: bool) -> (Response, RequestEnd) {
        let error = response.extensions().get::<Arc<ApiError>>().cloned();
        match error {
            None if response.status().is_success() => stored_success(response).await,
            None => (response, RequestEnd::Released),
            Some(error) if is_stored(&error) => {
                let body = response::failure_bytes(&error, &self.request_id);
                let cached = CachedResponse { status: error.code().status().as_u16(), body };
                (response, RequestEnd::Finished(RequestResponse { response: cached, has_secret: false }))
            }
            // Files and imported contacts are the same when they are stored twice.
            Some(error) if has_effect && !self.is_streamed && is_failure_of_ours(error.code()) => {
                (response, RequestEnd::Interrupted)
            }
            Some(_) => (response, RequestEnd::Released),
        }
    }

    async fn replay(self, repeated: RepeatedKey) -> Result<Response, ApiError> {
        let Self { deps, caller, key, digest, .. } = self;
        let repeated = match repeated {
            RepeatedKey::NeedsDigest => {
                let digest = digest.finish().await?;
                get_repeated(&deps, &caller, &key, digest).await?
            }
            known @ (RepeatedKey::Cached(_)
            | RepeatedKey::Mismatch
            | RepeatedKey::InProgress
            | RepeatedKey::Interrupted) => known,
        };
        match repeated {
            RepeatedKey::Cached(RequestResponse { response, has_secret: false }) => Ok(replayed(&response)),
            RepeatedKey::Cached(RequestResponse { response, has_secret: true }) => {
                Ok(response::secret(replayed(&response)))
            }
            RepeatedKey::Mismatch => Err(ApiError::idempotency_mismatch()),
            RepeatedKey::InProgress | RepeatedKey::NeedsDigest => Err(ApiError::idempotency_in_progress()),
            RepeatedKey::Interrupted => Err(ApiError::idempotency_interrupted()),
        }
    }
}

/// Reads a successful response, so that it can be stored.
async fn stored_success(response: Response) -> (Response, RequestEnd) {
    let n_bytes = response.body().size_hint().exact().and_then(|n| usize::try_from(n).ok());
    if n_bytes.is_none_or(|n| n > MAX_STORED) {
        return (response, RequestEnd::Interrupted);
    }
    let (parts, body) = response.into_parts();
    let Ok(body) = axum::body::to_bytes(body, MAX_STORED).await else {
        return (ApiError::internal().into_response(), RequestEnd::Interrupted);
    };
    let has_secret = parts.extensions.get::<ContainsSecret>().is_some();
    let response = CachedResponse { status: parts.status.as_u16(), body: body.clone() };
    let end = RequestEnd::Finished(RequestResponse { response, has_secret });
    (Response::from_parts(parts, body.into()), end)
}

/// Returns `true` if an error is stored for repeated requests: it is definite, and not a refusal of the request itself.
fn is_stored(error: &ApiError) -> bool {
    let is_refusal = matches!(
        error.code().status(),
        StatusCode::UNAUTHORIZED
            | StatusCode::FORBIDDEN
            | StatusCode::NOT_FOUND
            | StatusCode::METHOD_NOT_ALLOWED
            | StatusCode::REQUEST_TIMEOUT
            | StatusCode::PAYLOAD_TOO_LARGE
            | StatusCode::UNSUPPORTED_MEDIA_TYPE
            | StatusCode::TOO_MANY_REQUESTS
    ) || error.code() == Code::InvalidRequest;
    error.code().status().is_client_error()
        && error.retry_after_seconds().is_none()
        && (error.has_changes() || !is_refusal)
}

/// Returns `true` for errors of Waypost itself, which can occur after a change was committed.
fn is_failure_of_ours(code: Code) -> bool {
    matches!(code, Code::Internal | Code::StoreUnavailable)
}
