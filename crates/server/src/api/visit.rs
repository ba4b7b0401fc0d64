//! What happens around every call: its id, who calls, what the key's time holds, and how an error is written out.

use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Uri, header};
use axum::middleware::Next;
use axum::response::Response;
use domain::access::Scope;
use domain::allowance::{CallKind, Grant};
use domain::id::MessageId;
use engine::key::{self, Caller};
use engine::{Deps, chain, directory};
use jiff::Timestamp;

use super::answer::{self, set};
use super::{ApiError, Code};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const API_KEY: HeaderName = HeaderName::from_static("x-api-key");
const LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");
const RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");

/// One call, from the door to the answer.
#[derive(Clone)]
pub(crate) struct Visit {
    request_id: Arc<str>,
    /// A query parameter, where the address takes none.
    surplus: Option<Arc<str>>,
    caller: Option<Caller>,
    grant: Arc<Mutex<Option<Grant>>>,
}

impl Visit {
    /// What the answer carries as `X-Request-Id`.
    pub(crate) fn request_id(&self) -> &str {
        &self.request_id
    }

    /// Who calls, if the key may do this. Counts nothing.
    pub(crate) fn authorise(&self, scope: Scope) -> Result<Caller, ApiError> {
        let caller = self.caller.clone().ok_or_else(|| {
            ApiError::new(Code::InvalidApiKey, "Invalid API key. Send a valid one in the header X-API-Key.")
        })?;
        if !caller.key.may(scope) {
            let word = scope.as_str();
            return Err(ApiError::new(
                Code::Forbidden,
                format!("This API key may not do that: it lacks the scope `{word}`."),
            )
            .with("scope", word));
        }
        Ok(caller)
    }

    /// Counts the call against the key's time.
    pub(crate) fn spend(&self, deps: &Deps, caller: &Caller, kind: CallKind) -> Result<(), ApiError> {
        let grant = key::ask(deps, &caller.key, kind);
        *self.grant.lock().unwrap_or_else(PoisonError::into_inner) = Some(grant);
        let Some(until) = grant.refused_until else { return self.no_surplus() };
        let now = deps.now();
        let wait = whole_seconds_until(until, now);
        let what = match kind {
            CallKind::Send if grant.remaining > 0 => "too many messages in one second".to_owned(),
            CallKind::Send => format!("this key may send {} messages a minute", grant.limit),
            CallKind::Other => format!("this key may make {} calls a minute", grant.limit),
        };
        let message = format!("Rate limit exceeded: {what}. Try again in {wait} s.");
        Err(ApiError::new(Code::RateLimited, message).retry_after(wait))
    }

    fn no_surplus(&self) -> Result<(), ApiError> {
        match &self.surplus {
            None => Ok(()),
            Some(name) => {
                let reason = format!("unknown query parameter `{name}`: this address takes none");
                Err(ApiError::invalid_at(&format!("/{name}"), reason))
            }
        }
    }

    fn grant(&self) -> Option<Grant> {
        *self.grant.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn whole_seconds_until(until: Timestamp, now: Timestamp) -> u32 {
    let ms = until.duration_since(now).as_millis();
    u32::try_from(ms.max(0).saturating_add(999) / 1000).unwrap_or(u32::MAX).max(1)
}

/// What stands at the end of a path: an id or a name.
pub(crate) struct Named(pub(crate) String);

impl FromRequestParts<Arc<Deps>> for Named {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, deps: &Arc<Deps>) -> Result<Self, ApiError> {
        let path = axum::extract::Path::<String>::from_request_parts(parts, deps).await;
        path.map(|path| Self(path.0)).map_err(|_| {
            ApiError::new(Code::NotFound, "There is nothing at this address: its last part is not UTF-8.")
        })
    }
}

/// A caller who may read.
pub(crate) struct Reader(pub(crate) Caller);

/// A caller who may manage.
pub(crate) struct Manager(pub(crate) Caller);

/// A caller who may send; the call is counted as another call, not as a send.
pub(crate) struct Sender(pub(crate) Caller);

fn enter(parts: &mut Parts, deps: &Deps, scope: Scope) -> Result<Caller, ApiError> {
    let visit = visit_of(parts)?;
    let caller = visit.authorise(scope)?;
    visit.spend(deps, &caller, CallKind::Other)?;
    Ok(caller)
}

fn visit_of(parts: &Parts) -> Result<Visit, ApiError> {
    parts.extensions.get::<Visit>().cloned().ok_or_else(|| {
        ApiError::new(Code::Internal, "Something went wrong here. Nothing was sent; try again.")
    })
}

macro_rules! entrance {
    ($name:ident, $scope:ident) => {
        impl FromRequestParts<Arc<Deps>> for $name {
            type Rejection = ApiError;

            async fn from_request_parts(parts: &mut Parts, deps: &Arc<Deps>) -> Result<Self, ApiError> {
                enter(parts, deps, Scope::$scope).map(Self)
            }
        }
    };
}

entrance!(Reader, Read);
entrance!(Manager, Manage);
entrance!(Sender, Send);

impl FromRequestParts<Arc<Deps>> for Visit {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<Deps>) -> Result<Self, ApiError> {
        visit_of(parts)
    }
}

/// The key that a request carries: `X-API-Key`, or `Authorization: Bearer`.
fn presented(headers: &HeaderMap) -> Option<&str> {
    if let Some(key) = headers.get(API_KEY) {
        return key.to_str().ok();
    }
    let authorization = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, key) = authorization.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| key.trim())
}

/// Who calls. A key that nobody knows may have been made a moment ago by another process.
async fn caller(deps: &Deps, headers: &HeaderMap) -> Option<Caller> {
    let key = presented(headers)?;
    if let Some(caller) = key::recognise(deps, key) {
        return Some(caller);
    }
    directory::look_again(deps).await;
    key::recognise(deps, key)
}

/// Whether the call counts against the sends.
fn kind_of(uri: &Uri) -> CallKind {
    let path = uri.path();
    let is_send = path.ends_with("/messages/send") || path.ends_with("/messages/batch");
    if is_send { CallKind::Send } else { CallKind::Other }
}

/// Addresses whose calls say something in their query besides the body.
const TAKE_A_QUERY: [&str; 2] = ["/contacts", "/contacts/import"];

/// The first query parameter of a call that takes none: whatever is not read says what it wants in its body.
fn surplus(request: &Request) -> Option<Arc<str>> {
    let path = request.uri().path();
    if request.method().is_safe() || TAKE_A_QUERY.iter().any(|taker| path.ends_with(taker)) {
        return None;
    }
    let (name, _) = url::form_urlencoded::parse(request.uri().query()?.as_bytes()).next()?;
    Some(name.into_owned().into())
}

/// Runs a call: gives it an id, recognises its key, writes out its error, adds the headers.
pub(crate) async fn around(State(deps): State<Arc<Deps>>, mut request: Request, next: Next) -> Response {
    let request_id: Arc<str> = deps.new_id(MessageId::from_parts).to_string().into();
    let caller = caller(&deps, request.headers()).await;
    let surplus = surplus(&request);
    let visit = Visit { request_id: request_id.clone(), surplus, caller, grant: Arc::default() };
    let kind = kind_of(request.uri());
    request.extensions_mut().insert(visit.clone());

    let mut response = next.run(request).await;

    if let Some(error) = response.extensions_mut().remove::<Arc<ApiError>>() {
        log(&error, &request_id);
        let mut written = answer::failure(&error, &request_id);
        for (name, value) in response.headers() {
            written.headers_mut().entry(name).or_insert_with(|| value.clone());
        }
        response = written;
    }
    response = with_request_id(response, &request_id);
    if let Some(caller) = &visit.caller {
        let grant = visit.grant().unwrap_or_else(|| key::look(&deps, &caller.key, kind));
        set(&mut response, LIMIT, grant.limit);
        set(&mut response, REMAINING, grant.remaining);
        set(&mut response, RESET, seconds_up(grant.resets_at));
    }
    response
}

/// Adds `X-Request-Id`.
pub(crate) fn with_request_id(mut response: Response, request_id: &str) -> Response {
    if let Ok(value) = HeaderValue::try_from(request_id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    response
}

/// Unix seconds, rounded up: who waits until then finds it true.
fn seconds_up(at: Timestamp) -> i64 {
    at.as_millisecond().saturating_add(999).div_euclid(1000)
}

fn log(error: &ApiError, request_id: &str) {
    if error.code().status().is_server_error()
        && let Some(cause) = error.cause()
    {
        tracing::error!(
            request.id = request_id,
            code = error.code().as_str(),
            error = chain(cause),
            "a call failed"
        );
    } else {
        tracing::debug!(request.id = request_id, code = error.code().as_str(), "a call was refused");
    }
}

/// 404, for callers with a key.
pub(crate) async fn no_such_route(State(deps): State<Arc<Deps>>, visit: Visit) -> ApiError {
    match count_other(&deps, &visit) {
        Err(error) => error,
        Ok(()) => ApiError::new(Code::NotFound, "There is nothing at this address."),
    }
}

/// 405, for callers with a key.
pub(crate) async fn no_such_method(State(deps): State<Arc<Deps>>, visit: Visit) -> ApiError {
    match count_other(&deps, &visit) {
        Err(error) => error,
        Ok(()) => ApiError::new(Code::MethodNotAllowed, "This address does not take this method."),
    }
}

fn count_other(deps: &Deps, visit: &Visit) -> Result<(), ApiError> {
    let caller = visit.caller.clone().ok_or_else(|| {
        ApiError::new(Code::InvalidApiKey, "Invalid API key. Send a valid one in the header X-API-Key.")
    })?;
    visit.spend(deps, &caller, CallKind::Other)
}
