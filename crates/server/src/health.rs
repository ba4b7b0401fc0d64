//! Whether the process lives, and whether it can work.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;
use engine::{Deps, chain};

use crate::api::response::{json, object};

/// `GET /healthz` and `GET /readyz`.
pub(crate) fn router(deps: &Arc<Deps>) -> Router {
    Router::new().route("/healthz", get(lives)).route("/readyz", get(is_ready)).with_state(deps.clone())
}

/// The process answers.
async fn lives() -> Response {
    json(StatusCode::OK, &object([("status", "ok".into())]))
}

/// The store takes writes: without that nothing can be accepted.
async fn is_ready(State(deps): State<Arc<Deps>>) -> Response {
    match deps.work.probe(deps.now()).await {
        Ok(()) => json(StatusCode::OK, &object([("status", "ready".into()), ("store", "ok".into())])),
        Err(error) => {
            tracing::warn!(error = %chain(&error), "not ready");
            let body = object([("status", "not_ready".into()), ("store", "takes no writes".into())]);
            json(StatusCode::SERVICE_UNAVAILABLE, &body)
        }
    }
}
