//! All routes of the process in one router.

use std::sync::Arc;

use axum::Router;
use engine::Deps;

use crate::http_options::HttpOptions;
use crate::meta_webhook::endpoint;
use crate::observability::{metrics, traces};
use crate::{api, docs, health};

/// Returns the router of all routes.
pub fn router(deps: &Arc<Deps>, options: HttpOptions) -> Router {
    let metrics = metrics::router(deps, &options.metrics);
    let is_traced = options.is_traced;
    let router = Router::new()
        .merge(api::router(deps, &Arc::new(options)))
        .merge(endpoint::router(deps))
        .merge(health::router(deps))
        .merge(docs::router())
        .merge(metrics)
        .fallback_service(axum::routing::any(api::path_not_found).with_state(deps.clone()));
    if is_traced { router.layer(axum::middleware::from_fn(traces::trace_request)) } else { router }
}

/// Returns all routes of the API with their access rules.
pub fn routes() -> &'static [api::route_access::Route] {
    api::routes::ROUTES
}
