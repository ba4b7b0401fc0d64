//! `GET /metrics`: metrics for Prometheus.
//!
//! **Invariant:** the page contains names of accounts, routes and codes, never personal data, messages or secrets.

mod process;
#[cfg(test)]
mod reference;

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use engine::Deps;
use engine::metrics::{self, CONTENT_TYPE, list};
use secrecy::ExposeSecret;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::http_options::MetricsAccess;

/// Returns the router of the page; it is empty if the page is disabled.
pub(crate) fn router(deps: &Arc<Deps>, access: &MetricsAccess) -> Router {
    let token = match access {
        MetricsAccess::Off => return Router::new(),
        MetricsAccess::Open => None,
        MetricsAccess::Token(token) => Some(Sha256::digest(token.expose_secret()).into()),
    };
    let state = PageState { deps: deps.clone(), token };
    Router::new().route("/metrics", get(get_metrics)).with_state(state)
}

#[derive(Clone)]
struct PageState {
    deps: Arc<Deps>,
    /// SHA-256 of the token. Digests have the same length, so that the comparison takes constant time.
    token: Option<[u8; 32]>,
}

async fn get_metrics(State(state): State<PageState>, headers: HeaderMap) -> Response {
    if let Some(token) = &state.token
        && !has_token(&headers, token)
    {
        let challenge = [(header::WWW_AUTHENTICATE, "Bearer")];
        return (StatusCode::UNAUTHORIZED, challenge, "The token is not valid.\n").into_response();
    }
    let mut page = metrics::gather::gather(&state.deps).await;
    process::print(&mut page);
    page.add_sample(list::BUILD_INFO, &[env!("CARGO_PKG_VERSION")], 1);
    ([(header::CONTENT_TYPE, CONTENT_TYPE)], page.finish()).into_response()
}

fn has_token(headers: &HeaderMap, token: &[u8; 32]) -> bool {
    let presented = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, presented)| Sha256::digest(presented.trim()));
    presented.is_some_and(|digest| bool::from(digest.as_slice().ct_eq(token)))
}
