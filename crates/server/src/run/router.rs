//! All routes of the process in one router.

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::http::Uri;
use engine::Deps;
use tower::ServiceExt;

use crate::api::request_head;
use crate::host_guard::HostGuard;
use crate::http_options::HttpOptions;
use crate::meta_webhook::endpoint;
use crate::observability::access_log::{AccessLog, log_request};
use crate::observability::{metrics, traces};
use crate::request_bodies::budget::BodyBudget;
use crate::{api, docs, health};

/// Returns the router of all routes.
pub fn router(deps: &Arc<Deps>, options: HttpOptions) -> Router {
    let metrics = metrics::router(deps, &options.metrics);
    let is_traced = options.is_traced;
    let host_guard = options.is_local.then(|| HostGuard::new(deps.clone(), options.public_url.as_deref()));
    let access_log = AccessLog { deps: deps.clone(), is_enabled: options.has_access_log };
    let budget = Arc::new(BodyBudget::new(options.max_body_memory, deps.metrics.clone()));
    let options = Arc::new(options);
    let outside_api = Router::new()
        .merge(endpoint::router(deps, &options, &budget))
        .merge(health::router(deps))
        .merge(docs::router())
        .merge(metrics)
        .fallback_service(axum::routing::any(api::path_not_found).with_state(deps.clone()))
        .layer(axum::middleware::from_fn_with_state(deps.clone(), request_head::check_outside_api));
    let router = outside_api.merge(api::router(deps, &options, &budget));
    let router = match host_guard {
        Some(guard) => router.layer(axum::middleware::from_fn_with_state(guard, HostGuard::check)),
        None => router,
    };
    let router = router.layer(axum::middleware::from_fn_with_state(access_log, log_request));
    let router =
        if is_traced { router.layer(axum::middleware::from_fn(traces::trace_request)) } else { router };
    Router::new().fallback_service(router.map_request(without_trailing_slash))
}

/// Removes slashes at the end of the path: `/api/contacts/` is the same path as `/api/contacts`.
fn without_trailing_slash(mut request: Request) -> Request {
    let path = request.uri().path();
    let trimmed = path.trim_end_matches('/');
    if trimmed.len() == path.len() || trimmed.is_empty() {
        return request;
    }
    let shorter = match request.uri().query() {
        Some(query) => format!("{trimmed}?{query}"),
        None => trimmed.to_owned(),
    };
    let mut parts = request.uri().clone().into_parts();
    parts.path_and_query = shorter.parse().ok();
    if let Ok(uri) = Uri::from_parts(parts) {
        *request.uri_mut() = uri;
    }
    request
}

/// Returns all routes of the API with their access rules.
pub fn routes() -> &'static [api::route_access::Route] {
    api::routes::ROUTES
}
