//! `GET /metrics`: what Prometheus asks for.
//!
//! **Invariant:** the page names accounts, routes and codes, never a person, a message or a secret.

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

/// The route, if there is one.
pub(crate) fn router(deps: &Arc<Deps>, access: &MetricsAccess) -> Router {
    let token = match access {
        MetricsAccess::Off => return Router::new(),
        MetricsAccess::Open => None,
        MetricsAccess::Token(token) => Some(Sha256::digest(token.expose_secret()).into()),
    };
    let door = Door { deps: deps.clone(), token };
    Router::new().route("/metrics", get(show_metrics)).with_state(door)
}

#[derive(Clone)]
struct Door {
    deps: Arc<Deps>,
    /// SHA-256 of the token: digests are of equal length, and are compared in constant time.
    token: Option<[u8; 32]>,
}

async fn show_metrics(State(door): State<Door>, headers: HeaderMap) -> Response {
    if let Some(token) = &door.token
        && !shows(&headers, token)
    {
        let challenge = [(header::WWW_AUTHENTICATE, "Bearer")];
        return (StatusCode::UNAUTHORIZED, challenge, "The token is not valid.\n").into_response();
    }
    let mut page = metrics::gather(&door.deps).await;
    process::print(&mut page);
    page.put(list::BUILD_INFO, &[env!("CARGO_PKG_VERSION")], 1);
    ([(header::CONTENT_TYPE, CONTENT_TYPE)], page.finish()).into_response()
}

fn shows(headers: &HeaderMap, token: &[u8; 32]) -> bool {
    let presented = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, presented)| Sha256::digest(presented.trim()));
    presented.is_some_and(|digest| bool::from(digest.as_slice().ct_eq(token)))
}
