//! The context of one API request: its id, its caller, the access that its route requires, its rate limit.
//!
//! [`crate::api::middleware`] creates the context; handlers receive it through the extractors of this module.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use domain::access::permission::{MissingScope, Permission};
use domain::access::rate_limiter::{CallKind, RateLimitDecision};
use engine::access::caller::Caller;
use engine::access::rate_limits;
use engine::{AuditContext, Deps};

use crate::api::error::{ApiError, Code};
use crate::api::response::seconds_until;
use crate::api::route_access::RouteAccess;
use crate::http_options::HttpOptions;

/// The context of one API request.
#[derive(Clone)]
pub(crate) struct RequestContext {
    pub(super) request_id: Arc<str>,
    /// Name of the first query parameter of a request whose route accepts none.
    pub(super) unexpected_query: Option<Arc<str>>,
    pub(super) caller: Option<Caller>,
    /// `true` if the request has a key or a session cookie, valid or not.
    pub(super) has_credentials: bool,
    /// IP address of the client.
    pub(super) client: Option<IpAddr>,
    /// Reason why the request fails the protection against cross-site request forgery.
    pub(super) csrf_failure: Option<&'static str>,
    /// Access that the route requires; `None` before the route is known.
    pub(super) access: Option<RouteAccess>,
    pub(super) web: Arc<HttpOptions>,
    pub(super) rate_limit: Arc<Mutex<Option<RateLimitDecision>>>,
}

impl RequestContext {
    /// Id of the request: the value of the response header `X-Request-Id`.
    pub(crate) fn request_id(&self) -> &str {
        &self.request_id
    }

    /// IP address of the client.
    pub(crate) fn client(&self) -> Option<IpAddr> {
        self.client
    }

    /// Settings of the HTTP server.
    pub(crate) fn web(&self) -> &HttpOptions {
        &self.web
    }

    /// Id of the request, shared.
    pub(crate) fn shared_request_id(&self) -> Arc<str> {
        self.request_id.clone()
    }

    /// Returns the caller.
    ///
    /// # Errors
    /// The request has no key and no session, or they are not valid.
    pub(super) fn caller(&self) -> Result<Caller, ApiError> {
        match &self.caller {
            Some(caller) => Ok(caller.clone()),
            None if self.has_credentials => Err(invalid_credentials()),
            None => Err(missing_credentials()),
        }
    }

    /// Returns the caller if it has access to the route. The call does not count towards a rate limit.
    pub(crate) fn authorize(&self) -> Result<Caller, ApiError> {
        let caller = self.caller()?;
        if let Some(reason) = self.csrf_failure {
            return Err(csrf_error(reason));
        }
        match self.access {
            Some(RouteAccess::Permission(permission)) if !caller.has_permission(permission) => {
                Err(missing_permission(&caller, permission))
            }
            Some(RouteAccess::Permission(_) | RouteAccess::SelfOr(_) | RouteAccess::Authenticated) => {
                Ok(caller)
            }
            // A route without a declared access is closed.
            Some(RouteAccess::Public) | None => Err(ApiError::internal()),
        }
    }

    /// Refuses a request that another site made the browser send, and unexpected query parameters.
    pub(crate) fn refuse_cross_site(&self) -> Result<(), ApiError> {
        match self.csrf_failure {
            Some(reason) => Err(csrf_error(reason)),
            None => self.refuse_unexpected_query(),
        }
    }

    /// Counts the call towards the caller's rate limit. A call that was counted already is not counted again.
    pub(crate) fn count_call(&self, deps: &Deps, caller: &Caller, kind: CallKind) -> Result<(), ApiError> {
        if self.rate_limit().is_some() {
            return Ok(());
        }
        let rate_limit = rate_limits::acquire(deps, caller, kind);
        *self.rate_limit.lock().unwrap_or_else(PoisonError::into_inner) = Some(rate_limit);
        let Some(until) = rate_limit.retry_at else { return self.refuse_unexpected_query() };
        let now = deps.now();
        let wait = seconds_until(until, now);
        let limit = match kind {
            CallKind::Send if rate_limit.remaining > 0 => "too many messages in one second".to_owned(),
            CallKind::Send => {
                format!("{} can send {} messages per minute", caller_name(caller), rate_limit.limit)
            }
            CallKind::Batch => "too many batches".to_owned(),
            CallKind::Other => {
                format!("{} can make {} calls per minute", caller_name(caller), rate_limit.limit)
            }
        };
        let message = format!("Rate limit exceeded: {limit}. Try again in {wait} s.");
        Err(ApiError::new(Code::RateLimited, message).retry_after(wait))
    }

    fn refuse_unexpected_query(&self) -> Result<(), ApiError> {
        match &self.unexpected_query {
            None => Ok(()),
            Some(name) => {
                let reason =
                    format!("unknown query parameter `{name}`; this operation has no query parameters");
                Err(ApiError::invalid_at(&format!("/{name}"), reason))
            }
        }
    }

    /// State of the rate limit after the call was counted.
    pub(super) fn rate_limit(&self) -> Option<RateLimitDecision> {
        *self.rate_limit.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn caller_name(caller: &Caller) -> &'static str {
    match caller {
        Caller::Key(_) => "this key",
        Caller::User(_) => "a user",
    }
}

/// Sentence that names the headers of an API key.
const HEADERS_WITH_KEY: &str =
    "Send a valid key in the header `X-API-Key: <key>` or `Authorization: Bearer <key>`, or log in.";

/// The error of a request without a key and without a session.
fn missing_credentials() -> ApiError {
    ApiError::new(Code::InvalidApiKey, format!("The request has no API key. {HEADERS_WITH_KEY}"))
}

/// The error of a request whose key or session is not valid.
fn invalid_credentials() -> ApiError {
    ApiError::new(
        Code::InvalidApiKey,
        format!("Invalid API key or session: unknown, expired or revoked. {HEADERS_WITH_KEY}"),
    )
}

/// The error of a caller that lacks a permission.
pub(crate) fn missing_permission(caller: &Caller, permission: Permission) -> ApiError {
    let name = permission.as_str();
    let error = |message: String| ApiError::new(Code::Forbidden, message).with("permission", name);
    let key = match caller {
        Caller::Key(key) => key,
        Caller::User(session) => {
            let role = session.user.role.as_str();
            return error(format!("The role `{role}` lacks the permission `{name}`."));
        }
    };
    let (message, scope) = match permission.missing_scope(&key.scopes) {
        MissingScope::OneOf(scopes) => {
            let names: Vec<_> = scopes.iter().map(|scope| format!("`{}`", scope.as_str())).collect();
            (format!("This API key lacks the scope {}.", names.join(" or ")), scopes.first().copied())
        }
        MissingScope::Also(scope) => {
            (format!("This API key lacks the scope `{}`.", scope.as_str()), Some(scope))
        }
        MissingScope::UsersOnly | MissingScope::None => {
            (format!("API keys cannot have the permission `{name}`; only users can."), None)
        }
    };
    match scope {
        Some(scope) => error(message).with("scope", scope.as_str()),
        None => error(message),
    }
}

fn csrf_error(reason: &str) -> ApiError {
    ApiError::new(Code::CsrfRequired, format!("CSRF check failed: {reason}."))
}

/// Parameter of the path: an id or a name.
pub(crate) struct IdOrName(pub(crate) String);

impl FromRequestParts<Arc<Deps>> for IdOrName {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, deps: &Arc<Deps>) -> Result<Self, ApiError> {
        let path = axum::extract::Path::<String>::from_request_parts(parts, deps).await;
        path.map(|path| Self(path.0)).map_err(|_| {
            ApiError::new(Code::NotFound, "No resource exists at this path: its last segment is not UTF-8.")
        })
    }
}

/// A caller with access to the route. The call counts towards the rate limit of calls that are not sends.
pub(crate) struct Authorized(pub(crate) Caller);

impl FromRequestParts<Arc<Deps>> for Authorized {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, deps: &Arc<Deps>) -> Result<Self, ApiError> {
        let context = context_of(parts)?;
        let caller = context.authorize()?;
        context.count_call(deps, &caller, CallKind::Other)?;
        Ok(Self(caller))
    }
}

/// An authorized caller, with the context for entries of the audit log.
pub(crate) struct Audited(pub(crate) Caller, pub(crate) AuditContext);

impl FromRequestParts<Arc<Deps>> for Audited {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, deps: &Arc<Deps>) -> Result<Self, ApiError> {
        let Authorized(caller) = Authorized::from_request_parts(parts, deps).await?;
        let context = context_of(parts)?;
        let audit = caller.audit_context(context.client, context.request_id);
        Ok(Self(caller, audit))
    }
}

fn context_of(parts: &Parts) -> Result<RequestContext, ApiError> {
    let mut context = parts.extensions.get::<RequestContext>().cloned().ok_or_else(ApiError::internal)?;
    context.access = parts.extensions.get::<RouteAccess>().copied();
    Ok(context)
}

impl FromRequestParts<Arc<Deps>> for RequestContext {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<Deps>) -> Result<Self, ApiError> {
        context_of(parts)
    }
}
