//! The HTTP API under `/api`.
//!
//! **Invariant:** every answer has `X-Request-Id`, and with a valid key the three `X-RateLimit-*` headers.
//!
//! **Invariant:** an answer that invites to send again (429, 5xx) is given only when nothing was sent.

pub(crate) mod access;
pub(crate) mod accounts;
pub(crate) mod contacts;
pub(crate) mod error;
pub(crate) mod error_mapping;
pub(crate) mod events;
pub(crate) mod media;
pub(crate) mod messages;
pub(crate) mod middleware;
pub(crate) mod openapi;
pub(crate) mod pagination;
pub(crate) mod request_body;
pub(crate) mod request_context;
pub(crate) mod response;
pub(crate) mod route_access;
pub(crate) mod routes;
pub(crate) mod serialize;
pub(crate) mod session_cookie;
pub(crate) mod templates;
pub(crate) mod webhooks_out;

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::response::{IntoResponse, Response};
use engine::Deps;
use tower_http::catch_panic::CatchPanicLayer;

use crate::http_options::HttpOptions;
pub(crate) use error::{ApiError, Code};

/// The routes under `/api` and `/v1`, with everything around them.
pub(crate) fn router(deps: &Arc<Deps>, web: &Arc<HttpOptions>) -> Router {
    let api = routes::router()
        // Each handler bounds the body that it reads.
        .layer(DefaultBodyLimit::disable())
        .fallback(crate::api::middleware::route_not_found)
        .method_not_allowed_fallback(crate::api::middleware::method_not_allowed)
        .layer(CatchPanicLayer::custom(panicked))
        .layer(axum::middleware::from_fn_with_state(
            (deps.clone(), web.clone()),
            crate::api::middleware::process_request,
        ))
        .with_state(deps.clone());
    Router::new().nest("/api", api).merge(crate::api::messages::v1::router(deps, web))
}

/// The answer of a handler that panicked: nobody else's call is touched. Sends run in tasks of their own, so that none is
/// under way here.
fn panicked(_: Box<dyn std::any::Any + Send>) -> Response {
    tracing::error!("a handler panicked");
    ApiError::new(Code::Internal, "Something went wrong here. Nothing was sent; try again.").into_response()
}

/// The answer at an address outside of everything.
pub(crate) async fn nothing_here(State(deps): State<Arc<Deps>>) -> Response {
    let request_id = deps.new_id(domain::id::MessageId::from_parts).to_string();
    let error = ApiError::new(Code::NotFound, "There is nothing at this address. The API is under /api.");
    crate::api::middleware::with_request_id(crate::api::response::failure(&error, &request_id), &request_id)
}
