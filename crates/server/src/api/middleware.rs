//! Middleware of the API: request id, authentication, CSRF check, error responses, rate limit headers, logs and metrics.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{ConnectInfo, MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderName, Method, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use domain::access::rate_limiter::CallKind;
use domain::id::MessageId;
use domain::json::Value;
use engine::access::api_key::DEV_KEY;
use engine::access::caller::Caller;
use engine::access::{api_key, rate_limits, session};
use engine::metrics::{Label, RequestSample};
use engine::ports::StoreError;
use engine::{Deps, chain, directory};
use jiff::Timestamp;

use crate::api::bounded_request::bound_request;
use crate::api::cookies::Cookie;
use crate::api::error::{ApiError, Code};
use crate::api::request_context::RequestContext;
use crate::api::response::set;
use crate::api::route_access::Route;
use crate::api::{cookies, request_head, response, routes};
use crate::client_ip;
use crate::http_options::HttpOptions;
use crate::observability::access_log::CallerName;
use crate::observability::refusal_log::{self, RefusedRequest};
use crate::request_bodies::bounds;
use crate::request_bodies::budget::{BodyBudget, BodyOwner};

/// Path of `POST /v1/messages`.
pub(crate) const V1_SEND_PATH: &str = "/v1/messages";
const CSRF_TOKEN: HeaderName = HeaderName::from_static("x-csrf-token");
const API_KEY: HeaderName = HeaderName::from_static("x-api-key");
const LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");
const RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");

/// The API key of a request, from `X-API-Key` or `Authorization: Bearer`.
fn presented_key(headers: &HeaderMap) -> Option<&str> {
    if let Some(key) = headers.get(API_KEY) {
        return key.to_str().ok();
    }
    let authorization = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, key) = authorization.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| key.trim())
}

/// `true` if the request has a key or a session cookie, valid or not.
fn has_credentials(headers: &HeaderMap, web: &HttpOptions) -> bool {
    presented_key(headers).is_some_and(|key| !key.is_empty()) || Cookie::Session.value(headers, web).is_some()
}

/// Authenticates a request. An unknown key may have just been created by another process, so the directory is read again.
/// If a request carries a key and a cookie, only the key counts.
async fn authenticate(
    deps: &Deps,
    headers: &HeaderMap,
    web: &HttpOptions,
) -> Result<Option<Caller>, StoreError> {
    if !headers.contains_key(API_KEY) && presented_key(headers).is_none() {
        return match Cookie::Session.value(headers, web) {
            Some(secret) => {
                let session = session::authenticate(deps, secret).await?;
                Ok(session.map(|session| Caller::User(Arc::new(session))))
            }
            None => Ok(None),
        };
    }
    let Some(key) = presented_key(headers) else { return Ok(None) };
    if let Some(caller) = api_key::authenticate(deps, key) {
        return Ok(Some(caller));
    }
    directory::refresh_now(deps).await;
    Ok(api_key::authenticate(deps, key))
}

/// Reason why a request may have been caused by another site; `None` if it was not.
///
/// Browsers add cookies to cross-site requests, but not API keys: a request with a key passes.
fn csrf_failure(request: &Request, caller: Option<&Caller>, web: &HttpOptions) -> Option<&'static str> {
    let headers = request.headers();
    if request.method().is_safe() || matches!(caller, Some(Caller::Key(_))) {
        return None;
    }
    if cookies::is_cross_site(headers, web) {
        return Some("`Origin` or `Sec-Fetch-Site` names another site");
    }
    let Some(Caller::User(session)) = caller else { return None };
    match headers.get(CSRF_TOKEN) {
        Some(token) if session.is_csrf_token(token.as_bytes()) => None,
        Some(_) => Some("the header `X-CSRF-Token` does not match the session"),
        None => Some(
            "the header `X-CSRF-Token` is missing; `POST /api/auth/login` and `GET /api/me` return its value",
        ),
    }
}

/// Kind of rate limit that a call counts towards.
fn call_kind(uri: &Uri) -> CallKind {
    let path = uri.path();
    let is_send =
        path.ends_with("/messages/send") || path.ends_with("/messages/batch") || path == V1_SEND_PATH;
    if is_send { CallKind::Send } else { CallKind::Other }
}

/// Paths of requests that have query parameters besides a body.
const PATHS_WITH_QUERY: [&str; 2] = ["/contacts", "/contacts/import"];

/// Name of the first query parameter of a request that accepts none: requests other than reads have all their parameters
/// in the body.
fn unexpected_query(request: &Request) -> Option<Arc<str>> {
    let path = request.uri().path();
    let has_query = PATHS_WITH_QUERY.iter().any(|suffix| path.ends_with(suffix));
    if request.method().is_safe() || has_query || is_delete_with_query(request) {
        return None;
    }
    let (name, _) = url::form_urlencoded::parse(request.uri().query()?.as_bytes()).next()?;
    Some(name.into_owned().into())
}

/// `true` if the request is a DELETE with query parameters; DELETE requests have no body.
fn is_delete_with_query(request: &Request) -> bool {
    let path = request.uri().path();
    request.method() == Method::DELETE && (path.starts_with("/accounts/") || path.starts_with("/templates/"))
}

/// State of [`process_request`].
#[derive(Clone)]
pub(crate) struct MiddlewareState {
    pub(crate) deps: Arc<Deps>,
    pub(crate) web: Arc<HttpOptions>,
    /// Memory of the bodies of all requests.
    pub(crate) budget: Arc<BodyBudget>,
}

/// Handles a request: assigns an id, authenticates the caller, runs the handler, writes the error response, adds headers.
pub(crate) async fn process_request(
    State(state): State<MiddlewareState>,
    mut request: Request,
    next: Next,
) -> Response {
    let MiddlewareState { deps, web, budget } = state;
    let request_id: Arc<str> = deps.new_id(MessageId::from_parts).to_string().into();
    let (caller, store_error) = match authenticate(&deps, request.headers(), &web).await {
        Ok(caller) => (caller, None),
        // The session cannot be checked while the store is unavailable.
        Err(error) => (None, Some(ApiError::from(error))),
    };
    let refusal = store_error.or_else(|| request_head::check(request.uri(), request.headers()).err());
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(peer)| *peer);
    let context = RequestContext {
        request_id: request_id.clone(),
        unexpected_query: if refusal.is_none() { unexpected_query(&request) } else { None },
        client: client_ip::address(peer, request.headers(), &web.trusted_proxies),
        csrf_failure: csrf_failure(&request, caller.as_ref(), &web),
        access: None,
        caller,
        has_credentials: has_credentials(request.headers(), &web),
        web,
        rate_limit: Arc::default(),
    };
    let gateway_url = deps.settings.is_dev.then(|| context.web.public_url.clone()).flatten();
    let caller_name = context.caller.as_ref().map(CallerName::of);
    let kind = call_kind(request.uri());
    let (start, method) = (deps.metrics.now(), request.method().clone());
    // The route, not the path: a wamid in a path contains a phone number.
    let route = request.extensions().get::<MatchedPath>().cloned();
    request.extensions_mut().insert(context.clone());
    let owner = match &context.caller {
        Some(caller) => BodyOwner::Workspace(caller.workspace()),
        None => BodyOwner::Stranger(context.client),
    };
    // The memory is in use until the response is complete.
    let memory = budget.lease(owner);
    let below_api = route.as_ref().and_then(|route| route.as_str().strip_prefix("/api"));
    let found = below_api.and_then(|path| routes::find(&method, path));
    let bounds = found.map_or(bounds::API, Route::body_bounds);

    let mut response = match refusal {
        Some(error) => error.into_response(),
        None => next.run(bound_request(&deps, bounds, &memory, request)).await,
    };

    if let Some(mut error) = response.extensions_mut().remove::<Arc<ApiError>>() {
        if let (Some(url), Some(error)) = (gateway_url, Arc::get_mut(&mut error)) {
            add_resume_hint(error, &url);
        }
        let route = route.as_ref().map_or("other", MatchedPath::as_str);
        let caller = caller_name.as_ref().map(CallerName::as_str);
        let refused = RefusedRequest { request_id: &request_id, route, caller };
        if error.code().status().is_server_error() {
            log_failure(&deps, &error, refused);
        } else {
            refusal_log::log(&deps, &error, refused);
        }
        count_error(&deps, error.code(), kind, route);
        let mut written = response::failure(&error, &request_id);
        for (name, value) in response.headers() {
            written.headers_mut().entry(name).or_insert_with(|| value.clone());
        }
        response = written;
    }
    response = response::with_request_id(response, &request_id);
    if let Some(name) = caller_name {
        response.extensions_mut().insert(name);
    }
    if let Some(caller) = &context.caller {
        let rate_limit = context.rate_limit().unwrap_or_else(|| rate_limits::peek(&deps, caller, kind));
        set(&mut response, LIMIT, rate_limit.limit);
        set(&mut response, REMAINING, rate_limit.remaining);
        set(&mut response, RESET, unix_seconds_rounded_up(rate_limit.resets_at));
    }
    let route = route.as_ref().map_or("other", MatchedPath::as_str);
    deps.metrics.count_request(RequestSample {
        method: method.as_str(),
        route,
        kind: call_kind_name(kind),
        status: response.status().as_u16(),
        start,
    });
    response
}

/// Adds the command that resumes the account to the error of a held account of `waypost dev`. The simulator holds an
/// account on request (Magic numbers, docs/simulator.md).
fn add_resume_hint(error: &mut ApiError, url: &str) {
    let id = error.details().get("whatsapp_account_id").and_then(Value::as_str);
    if let Some(id) = id.filter(|_| error.code() == Code::AccountDisconnected) {
        let hint = format!(
            "Resume the account of `waypost dev` with: curl -X POST {url}/api/accounts/{id}/resume -H 'X-API-Key: {DEV_KEY}'"
        );
        error.append(&hint);
    }
}

fn call_kind_name(kind: CallKind) -> &'static str {
    match kind {
        CallKind::Send | CallKind::Batch => "send",
        CallKind::Other => "other",
    }
}

fn count_error(deps: &Deps, code: Code, kind: CallKind, route: &str) {
    deps.metrics.http_errors.increment(&[Label::Static(code.as_str()), Label::Text(route.into())]);
    if code == Code::InvalidApiKey {
        deps.metrics.auth_failures.increment(&[]);
    } else if code == Code::RateLimited {
        deps.metrics.rate_limit_refusals.increment(&[Label::Static(call_kind_name(kind))]);
    }
}

/// Unix time in seconds, rounded up.
fn unix_seconds_rounded_up(at: Timestamp) -> i64 {
    at.as_millisecond().saturating_add(999).div_euclid(1000)
}

/// Logs a response with a status of 500 or more. Of requests without a caller, only a sample is logged.
fn log_failure(deps: &Deps, error: &ApiError, request: RefusedRequest<'_>) {
    let (request_id, code) = (request.request_id, error.code().as_str());
    let n_skipped = match request.caller {
        Some(_) => None,
        None => match deps.sampled_log.admit(code, deps.now()) {
            Some(n_skipped) => Some(n_skipped),
            None => return,
        },
    };
    match error.cause() {
        Some(cause) => {
            tracing::error!(request.id = request_id, code, error = chain(cause), n_skipped, "request failed");
        }
        // The cause is outside the gateway's code: Meta is unreachable, an account is held, or a queue is full.
        None => tracing::warn!(request.id = request_id, code, n_skipped, "request could not be served"),
    }
}

/// Responds 404 to authenticated callers.
pub(crate) async fn route_not_found(State(deps): State<Arc<Deps>>, context: RequestContext) -> ApiError {
    match count_unrouted_call(&deps, &context) {
        Err(error) => error,
        Ok(()) => ApiError::new(Code::NotFound, "No resource exists at this path."),
    }
}

/// Responds 405 to authenticated callers.
pub(crate) async fn method_not_allowed(State(deps): State<Arc<Deps>>, context: RequestContext) -> ApiError {
    match count_unrouted_call(&deps, &context) {
        Err(error) => error,
        Ok(()) => ApiError::new(Code::MethodNotAllowed, "This path does not support this method."),
    }
}

fn count_unrouted_call(deps: &Deps, context: &RequestContext) -> Result<(), ApiError> {
    let caller = context.caller()?;
    // The error is the unknown path, not a query parameter.
    RequestContext { unexpected_query: None, ..context.clone() }.count_call(deps, &caller, CallKind::Other)
}

/// The response of a handler that panicked. Other requests are not affected, and sends are not interrupted: they run in
/// tasks of their own.
pub(crate) fn handler_panicked(_: Box<dyn std::any::Any + Send>) -> Response {
    tracing::error!("a handler panicked");
    ApiError::internal().into_response()
}
