//! What happens around every call: its id, who calls, what the key's time holds, and how an error is written out.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::{ConnectInfo, FromRequestParts, MatchedPath, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use domain::access::permission::Permission;
use domain::access::rate_limiter::{CallKind, RateLimitDecision};
use domain::id::MessageId;
use engine::access::api_key;
use engine::access::api_key::Caller;
use engine::access::session;
use engine::metrics::Label;
use engine::ports::StoreError;
use engine::{By, Deps, chain, directory};
use jiff::Timestamp;

use super::answer::{self, set};
use super::routes::Needs;
use super::{ApiError, Code, cookie};
use crate::client_ip;
use crate::http_options::HttpOptions;

const CSRF_TOKEN: HeaderName = HeaderName::from_static("x-csrf-token");
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
    /// Where the call comes from.
    client: Option<IpAddr>,
    /// Why a page of somebody else may have made the browser call.
    forged: Option<&'static str>,
    /// What the route needs, once it is known.
    needs: Option<Needs>,
    web: Arc<HttpOptions>,
    grant: Arc<Mutex<Option<RateLimitDecision>>>,
}

impl Visit {
    /// What the answer carries as `X-Request-Id`.
    pub(crate) fn request_id(&self) -> &str {
        &self.request_id
    }

    /// Where the call comes from.
    pub(crate) fn client(&self) -> Option<IpAddr> {
        self.client
    }

    /// What the server knows of itself.
    pub(crate) fn web(&self) -> &HttpOptions {
        &self.web
    }

    /// The request's id, to keep.
    pub(crate) fn shared_request_id(&self) -> Arc<str> {
        self.request_id.clone()
    }

    /// Who calls, if the caller may use this route. Counts nothing.
    pub(crate) fn authorise(&self) -> Result<Caller, ApiError> {
        let caller = self.caller.clone().ok_or_else(nobody)?;
        if let Some(reason) = self.forged {
            return Err(csrf_required(reason));
        }
        match self.needs {
            Some(Needs::May(permission)) if !caller.may(permission) => Err(lacks(&caller, permission)),
            Some(Needs::May(_) | Needs::OwnOr(_) | Needs::Known) => Ok(caller),
            // A route that says nothing is open to nobody.
            Some(Needs::Nothing) | None => Err(unknown_route()),
        }
    }

    /// Refuses a call that a page of somebody else made the browser send.
    pub(crate) fn refuse_foreign(&self) -> Result<(), ApiError> {
        match self.forged {
            Some(reason) => Err(csrf_required(reason)),
            None => self.no_surplus(),
        }
    }

    /// Counts the call against the caller's time.
    pub(crate) fn spend(&self, deps: &Deps, caller: &Caller, kind: CallKind) -> Result<(), ApiError> {
        let grant = api_key::ask(deps, caller, kind);
        *self.grant.lock().unwrap_or_else(PoisonError::into_inner) = Some(grant);
        let Some(until) = grant.refused_until else { return self.no_surplus() };
        let now = deps.now();
        let wait = whole_seconds_until(until, now);
        let what = match kind {
            CallKind::Send if grant.remaining > 0 => "too many messages in one second".to_owned(),
            CallKind::Send => format!("{} may send {} messages a minute", who(caller), grant.limit),
            CallKind::Other => format!("{} may make {} calls a minute", who(caller), grant.limit),
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

    fn grant(&self) -> Option<RateLimitDecision> {
        *self.grant.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn who(caller: &Caller) -> &'static str {
    match caller {
        Caller::Key(_) => "this key",
        Caller::User(_) => "a user",
    }
}

fn nobody() -> ApiError {
    ApiError::new(
        Code::InvalidApiKey,
        "Invalid API key. Send a valid one in the header X-API-Key, or log in.",
    )
}

/// The caller may not do this.
pub(crate) fn lacks(caller: &Caller, permission: Permission) -> ApiError {
    let word = permission.as_str();
    let message = match (caller, permission.scope()) {
        (Caller::Key(_), Some(scope)) => {
            format!("This API key may not do that: it lacks the scope `{}`.", scope.as_str())
        }
        (Caller::Key(_), None) => {
            format!("An API key may not do that: only users have the permission `{word}`.")
        }
        (Caller::User(session), _) => {
            format!(
                "The role `{}` may not do that: it lacks the permission `{word}`.",
                session.user.role.as_str()
            )
        }
    };
    let error = ApiError::new(Code::Forbidden, message).with("permission", word);
    match (caller, permission.scope()) {
        (Caller::Key(_), Some(scope)) => error.with("scope", scope.as_str()),
        (Caller::Key(_), None) | (Caller::User(_), _) => error,
    }
}

fn csrf_required(reason: &str) -> ApiError {
    ApiError::new(Code::CsrfRequired, format!("This call could come from somebody else's page: {reason}."))
}

fn unknown_route() -> ApiError {
    ApiError::new(Code::Internal, "Something went wrong here. Nothing was sent; try again.")
}

pub(super) fn whole_seconds_until(until: Timestamp, now: Timestamp) -> u32 {
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

/// A caller who may use the route; the call is counted as another call, not as a send.
pub(crate) struct Allowed(pub(crate) Caller);

impl FromRequestParts<Arc<Deps>> for Allowed {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, deps: &Arc<Deps>) -> Result<Self, ApiError> {
        let visit = visit_of(parts)?;
        let caller = visit.authorise()?;
        visit.spend(deps, &caller, CallKind::Other)?;
        Ok(Self(caller))
    }
}

/// The same, for what the audit log tells of: with the caller as it is named there.
pub(crate) struct Acting(pub(crate) Caller, pub(crate) By);

impl FromRequestParts<Arc<Deps>> for Acting {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, deps: &Arc<Deps>) -> Result<Self, ApiError> {
        let Allowed(caller) = Allowed::from_request_parts(parts, deps).await?;
        let visit = visit_of(parts)?;
        let by = caller.by(visit.client, visit.request_id);
        Ok(Self(caller, by))
    }
}

fn visit_of(parts: &Parts) -> Result<Visit, ApiError> {
    let mut visit = parts.extensions.get::<Visit>().cloned().ok_or_else(unknown_route)?;
    visit.needs = parts.extensions.get::<Needs>().copied();
    Ok(visit)
}

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

/// Who calls. A key that nobody knows may have been made a moment ago by another process. A key that is presented counts
/// alone, whatever cookie comes with it.
async fn caller(deps: &Deps, headers: &HeaderMap) -> Result<Option<Caller>, StoreError> {
    if !headers.contains_key(API_KEY) && presented(headers).is_none() {
        return match cookie::session(headers) {
            Some(secret) => session::recognise(deps, secret).await,
            None => Ok(None),
        };
    }
    let Some(key) = presented(headers) else { return Ok(None) };
    if let Some(caller) = api_key::recognise(deps, key) {
        return Ok(Some(caller));
    }
    directory::look_again(deps).await;
    Ok(api_key::recognise(deps, key))
}

/// Why a browser may have been made to call by a page of somebody else; `None`: it was not, or no browser is at work.
///
/// A key does not come by itself, as a cookie does: whoever sends one has it.
fn forged(request: &Request, caller: Option<&Caller>, web: &HttpOptions) -> Option<&'static str> {
    let headers = request.headers();
    if request.method().is_safe() || matches!(caller, Some(Caller::Key(_))) {
        return None;
    }
    if cookie::is_foreign(headers, web) {
        return Some("its `Origin` or `Sec-Fetch-Site` is another site");
    }
    let Some(Caller::User(session)) = caller else { return None };
    match headers.get(CSRF_TOKEN) {
        Some(token) if session.is_csrf_token(token.as_bytes()) => None,
        Some(_) => Some("the header `X-CSRF-Token` is not this session's"),
        None => Some("it lacks the header `X-CSRF-Token`, whose value the login and `GET /api/me` tell"),
    }
}

/// Whether the call counts against the sends.
fn kind_of(uri: &Uri) -> CallKind {
    let path = uri.path();
    let is_send =
        path.ends_with("/messages/send") || path.ends_with("/messages/batch") || path == super::v1::SEND;
    if is_send { CallKind::Send } else { CallKind::Other }
}

/// Addresses whose calls say something in their query besides the body.
const TAKE_A_QUERY: [&str; 2] = ["/contacts", "/contacts/import"];

/// The first query parameter of a call that takes none: whatever is not read says what it wants in its body.
fn surplus(request: &Request) -> Option<Arc<str>> {
    let path = request.uri().path();
    let takes_one = TAKE_A_QUERY.iter().any(|taker| path.ends_with(taker));
    if request.method().is_safe() || takes_one || reads_query(request) {
        return None;
    }
    let (name, _) = url::form_urlencoded::parse(request.uri().query()?.as_bytes()).next()?;
    Some(name.into_owned().into())
}

/// Whether the call says how it wants something removed: a DELETE has no body.
fn reads_query(request: &Request) -> bool {
    let path = request.uri().path();
    request.method() == Method::DELETE && (path.starts_with("/accounts/") || path.starts_with("/templates/"))
}

/// Runs a call: gives it an id, recognises its caller, writes out its error, adds the headers.
pub(crate) async fn around(
    State((deps, web)): State<(Arc<Deps>, Arc<HttpOptions>)>,
    mut request: Request,
    next: Next,
) -> Response {
    let request_id: Arc<str> = deps.new_id(MessageId::from_parts).to_string().into();
    let (caller, unread) = match caller(&deps, request.headers()).await {
        Ok(caller) => (caller, None),
        Err(error) => (None, Some(ApiError::from(error))),
    };
    let surplus = surplus(&request);
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(peer)| *peer);
    let visit = Visit {
        request_id: request_id.clone(),
        surplus,
        client: client_ip::address(peer, request.headers(), &web.trusted_proxies),
        forged: forged(&request, caller.as_ref(), &web),
        needs: None,
        caller,
        web,
        grant: Arc::default(),
    };
    let kind = kind_of(request.uri());
    let (start, begun_at, method) = (deps.metrics.now(), deps.now(), request.method().clone());
    // The route, not the path: a wamid in a path holds a phone number.
    let route = request.extensions().get::<MatchedPath>().cloned();
    request.extensions_mut().insert(visit.clone());

    let mut response = match unread {
        // Whether the session is good cannot be told: no answer but "later" would be right.
        Some(error) => error.into_response(),
        None => next.run(request).await,
    };

    if let Some(error) = response.extensions_mut().remove::<Arc<ApiError>>() {
        log(&error, &request_id);
        count_error(&deps, error.code(), kind);
        let mut written = answer::failure(&error, &request_id);
        for (name, value) in response.headers() {
            written.headers_mut().entry(name).or_insert_with(|| value.clone());
        }
        response = written;
    }
    response = with_request_id(response, &request_id);
    tracing::debug!(
        request.id = &*request_id,
        method = method.as_str(),
        route = route.as_ref().map_or("none", MatchedPath::as_str),
        status = response.status().as_u16(),
        duration_ms = deps.now().duration_since(begun_at).as_millis(),
        "a call was answered"
    );
    if let Some(caller) = &visit.caller {
        let grant = visit.grant().unwrap_or_else(|| api_key::look(&deps, caller, kind));
        set(&mut response, LIMIT, grant.limit);
        set(&mut response, REMAINING, grant.remaining);
        set(&mut response, RESET, seconds_up(grant.resets_at));
    }
    let route = route.as_ref().map_or("other", MatchedPath::as_str);
    deps.metrics.http(method.as_str(), route, (word_of(kind), response.status().as_u16()), start);
    response
}

fn word_of(kind: CallKind) -> &'static str {
    match kind {
        CallKind::Send => "send",
        CallKind::Other => "other",
    }
}

fn count_error(deps: &Deps, code: Code, kind: CallKind) {
    deps.metrics.http_errors.count(&[Label::Word(code.as_str())]);
    if code == Code::InvalidApiKey {
        deps.metrics.auth_failures.count(&[]);
    } else if code == Code::RateLimited {
        deps.metrics.rate_limit_refusals.count(&[Label::Word(word_of(kind))]);
    }
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
    } else if error.code().status().is_server_error() {
        // Nothing is wrong with the gateway itself: Meta is out of reach, an account is held, a queue is full.
        tracing::warn!(request.id = request_id, code = error.code().as_str(), "a call could not be served");
    } else {
        tracing::debug!(request.id = request_id, code = error.code().as_str(), "a call was refused");
    }
}

/// 404, for callers who are known.
pub(crate) async fn no_such_route(State(deps): State<Arc<Deps>>, visit: Visit) -> ApiError {
    match count_other(&deps, &visit) {
        Err(error) => error,
        Ok(()) => ApiError::new(Code::NotFound, "There is nothing at this address."),
    }
}

/// 405, for callers who are known.
pub(crate) async fn no_such_method(State(deps): State<Arc<Deps>>, visit: Visit) -> ApiError {
    match count_other(&deps, &visit) {
        Err(error) => error,
        Ok(()) => ApiError::new(Code::MethodNotAllowed, "This address does not take this method."),
    }
}

fn count_other(deps: &Deps, visit: &Visit) -> Result<(), ApiError> {
    let caller = visit.caller.clone().ok_or_else(nobody)?;
    // Where nothing is, no parameter is the fault.
    Visit { surplus: None, ..visit.clone() }.spend(deps, &caller, CallKind::Other)
}
