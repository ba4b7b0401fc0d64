//! The HTTP API under `/api`.
//!
//! **Invariant:** every answer has `X-Request-Id`, and with a valid key the three `X-RateLimit-*` headers.
//!
//! **Invariant:** an answer that invites to send again (429, 5xx) is given only when nothing was sent.

mod accounts;
pub(crate) mod answer;
mod audit;
mod auth;
mod batch;
mod body;
mod contacts;
mod cookie;
mod error;
mod events;
mod keys;
mod list;
mod media;
mod messages;
pub(crate) mod openapi;
mod refusal;
mod repeat;
mod request;
pub(crate) mod routes;
mod send;
mod show;
mod templates;
mod users;
mod v1;
mod visit;
mod webhooks;

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
        .fallback(visit::no_such_route)
        .method_not_allowed_fallback(visit::no_such_method)
        .layer(CatchPanicLayer::custom(panicked))
        .layer(axum::middleware::from_fn_with_state((deps.clone(), web.clone()), visit::around))
        .with_state(deps.clone());
    Router::new().nest("/api", api).merge(v1::router(deps, web))
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
    visit::with_request_id(answer::failure(&error, &request_id), &request_id)
}
