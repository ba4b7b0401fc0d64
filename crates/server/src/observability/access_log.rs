//! Access log: one line for each HTTP request.
//!
//! **Invariant:** a line has the route, not the path or the query, and the prefix of an API key, not the key.

use std::sync::Arc;

use axum::body::HttpBody as _;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use engine::Deps;
use engine::access::caller::Caller;

use crate::observability::traces::{method_name, route_of};

/// Name of the caller of a request, in the extensions of its response.
#[derive(Clone, Debug)]
pub(crate) struct CallerName(String);

impl CallerName {
    /// Returns the prefix of an API key, or the id of a user.
    pub(crate) fn of(caller: &Caller) -> Self {
        Self(match caller {
            Caller::Key(key) => key.prefix.clone(),
            Caller::User(session) => format!("user {}", session.user.id),
        })
    }

    /// Returns the text of the name.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// State of the access log.
#[derive(Clone)]
pub(crate) struct AccessLog {
    pub(crate) deps: Arc<Deps>,
    /// `true` if the lines have the level `info`, else `debug`.
    pub(crate) is_enabled: bool,
}

/// Writes the line of a request after its response is known.
pub(crate) async fn log_request(State(log): State<AccessLog>, request: Request, next: Next) -> Response {
    let method = method_name(request.method());
    let route = route_of(&request).to_owned();
    let begun_at = log.deps.now();
    let response = next.run(request).await;
    let duration_ms = i64::try_from(log.deps.now().duration_since(begun_at).as_millis()).unwrap_or(i64::MAX);
    let status = response.status().as_u16();
    let request_id = response.headers().get("x-request-id").and_then(|id| id.to_str().ok());
    let caller = response.extensions().get::<CallerName>().map(CallerName::as_str);
    // The size of a stream is not known.
    let bytes = response.body().size_hint().exact();
    macro_rules! line {
        ($level:ident) => {
            tracing::$level!(
                request.id = request_id,
                method,
                route,
                status,
                duration_ms,
                bytes,
                caller,
                "request completed"
            )
        };
    }
    if log.is_enabled {
        line!(info);
    } else {
        line!(debug);
    }
    response
}
