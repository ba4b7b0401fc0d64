//! The HTTP API under `/api` and `/v1`.
//!
//! **Invariant:** every response has `X-Request-Id`, and with a valid key the three `X-RateLimit-*` headers.
//!
//! **Invariant:** a send responds 429 or 5xx only when nothing was sent.

pub(crate) mod access;
pub(crate) mod accounts;
pub(crate) mod body_encoding;
pub(crate) mod bounded_request;
pub(crate) mod contacts;
pub(crate) mod cookies;
pub(crate) mod document;
pub(crate) mod error;
pub(crate) mod error_mapping;
pub(crate) mod events;
pub(crate) mod field;
pub(crate) mod form;
pub(crate) mod idempotency_key;
pub(crate) mod idempotent_request;
pub(crate) mod media;
pub(crate) mod messages;
pub(crate) mod middleware;
pub(crate) mod openapi;
pub(crate) mod pagination;
pub(crate) mod request_body;
pub(crate) mod request_context;
pub(crate) mod request_digest;
pub(crate) mod request_head;
pub(crate) mod response;
pub(crate) mod route_access;
pub(crate) mod routes;
pub(crate) mod serialize;
pub(crate) mod templates;
pub(crate) mod webhooks_out;

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Extension, State};
use axum::handler::Handler;
use axum::response::Response;
use axum::routing::{MethodFilter, on};
use domain::access::permission::Permission as P;
use engine::Deps;
use tower_http::catch_panic::CatchPanicLayer;

use self::error::{ApiError, Code};
use self::middleware::MiddlewareState;
use self::route_access::RouteAccess;
use self::route_access::RouteAccess::{Authenticated, Permission, Public, SelfOr};
use crate::http_options::HttpOptions;
use crate::request_bodies::budget::BodyBudget;

/// Returns the router of all paths under `/api` and `/v1`.
pub(crate) fn router(deps: &Arc<Deps>, web: &Arc<HttpOptions>, budget: &Arc<BodyBudget>) -> Router {
    let state = MiddlewareState { deps: deps.clone(), web: web.clone(), budget: budget.clone() };
    let api = handlers()
        .layer(axum::middleware::from_fn_with_state(deps.clone(), idempotent_request::run_once))
        // The middleware limits the body of each route.
        .layer(DefaultBodyLimit::disable())
        .fallback(middleware::route_not_found)
        .method_not_allowed_fallback(middleware::method_not_allowed)
        .layer(CatchPanicLayer::custom(middleware::handler_panicked))
        .layer(axum::middleware::from_fn_with_state(state.clone(), middleware::process_request))
        .with_state(deps.clone());
    Router::new().nest("/api", api).merge(messages::v1::router(deps, &state))
}

macro_rules! handlers {
    ($($method:ident $path:literal $handler:path, $access:expr;)*) => {
        /// Returns the router of all handlers. Each route passes its required access to its handler as an extension.
        fn handlers() -> Router<Arc<Deps>> {
            let access: fn(RouteAccess) -> Extension<RouteAccess> = Extension;
            Router::new()
                $(.route($path, on(MethodFilter::$method, $handler.layer(access($access)))))*
        }
    };
}

routes::with_routes!(handlers);

/// Responds 404 to paths outside the API.
pub(crate) async fn path_not_found(State(deps): State<Arc<Deps>>) -> Response {
    let request_id = deps.new_id(domain::id::MessageId::from_parts).to_string();
    let error = ApiError::new(Code::NotFound, "No resource exists at this path. The API is under /api.");
    response::with_request_id(response::failure(&error, &request_id), &request_id)
}
