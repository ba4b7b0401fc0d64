//! Health checks: `/healthz` and `/readyz`.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;
use engine::{Deps, chain};

use crate::api::response::{json, object};

/// Returns the router of `GET /healthz` and `GET /readyz`.
pub(crate) fn router(deps: &Arc<Deps>) -> Router {
    Router::new()
        .route("/healthz", get(get_health))
        .route("/readyz", get(get_readiness))
        .with_state(deps.clone())
}

/// Responds that the process is alive.
async fn get_health() -> Response {
    json(StatusCode::OK, &object([("status", "ok".into())]))
}

/// Responds whether the store accepts writes; without them, no message can be accepted.
async fn get_readiness(State(deps): State<Arc<Deps>>) -> Response {
    match deps.workers.check_writable(deps.now()).await {
        Ok(()) => json(StatusCode::OK, &object([("status", "ready".into()), ("store", "ok".into())])),
        Err(error) => {
            if let Some(n_skipped) = deps.sampled_log.admit("not_ready", deps.now()) {
                tracing::warn!(error = %chain(&error), n_skipped, "not ready");
            }
            let body = object([("status", "not_ready".into()), ("store", "unavailable".into())]);
            json(StatusCode::SERVICE_UNAVAILABLE, &body)
        }
    }
}
