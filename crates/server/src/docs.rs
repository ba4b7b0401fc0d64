//! `/docs`: a page to browse and try the API.
//!
//! **Invariant:** the page consists of three files in the binary. It loads nothing from other hosts and runs only its own script.

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::Response;
use axum::routing::get;

const PAGE: &str = include_str!("docs/page.html");
const STYLE: &str = include_str!("docs/page.css");
const SCRIPT: &str = include_str!("docs/page.js");

/// Content security policy. Images and media come from responses of the API.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src blob: data:; \
                      media-src blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Returns the router of the page and its files.
pub(crate) fn router() -> Router {
    Router::new()
        .route("/docs", get(|| file(PAGE, "text/html; charset=utf-8")))
        .route("/docs/page.css", get(|| file(STYLE, "text/css; charset=utf-8")))
        .route("/docs/page.js", get(|| file(SCRIPT, "text/javascript; charset=utf-8")))
}

fn file(text: &'static str, media_type: &'static str) -> std::future::Ready<Response> {
    let mut response = Response::new(Body::from(text));
    let headers: [(HeaderName, &'static str); 5] = [
        (header::CONTENT_TYPE, media_type),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        // Browsers check for a new version on each visit of the page.
        (header::CACHE_CONTROL, "no-cache"),
    ];
    for (name, value) in headers {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    std::future::ready(response)
}
