//! Bounds of the path, the query and the headers.

use axum::body::Body;
use axum::http::{Request, StatusCode};
use engine::access::api_key::DEV_KEY;
use tower::ServiceExt;

use crate::support::TestApp;

/// Paths of all kinds of routes: lists, public and unknown paths, and paths outside the API.
const PATHS: [&str; 10] = [
    "/api/messages",
    "/api/openapi.json",
    "/api/nothing",
    "/v1/messages",
    "/v1/nothing",
    "/healthz",
    "/metrics",
    "/webhooks/meta",
    "/docs",
    "/nothing",
];

/// Returns the status and the text of the answer to a GET.
async fn get(app: &TestApp, uri: &str) -> (StatusCode, String) {
    let request = Request::get(uri).header("X-API-Key", DEV_KEY).body(Body::empty()).unwrap();
    let response = app.router.clone().oneshot(request).await.unwrap();
    let status = response.status();
    let body = axum::body::to_bytes(response.into_body(), 10_000_000).await.unwrap();
    (status, String::from_utf8_lossy(&body).into_owned())
}

#[tokio::test]
async fn a_query_has_at_most_8192_bytes_on_every_route() {
    let app = TestApp::new().await;
    for path in PATHS {
        let (_, text) = get(&app, &format!("{path}?a={}", "x".repeat(8190))).await;
        assert!(!text.contains("the query is longer"), "{path}: {text}");
        let (status, text) = get(&app, &format!("{path}?a={}", "x".repeat(8191))).await;
        assert_eq!(status, 400, "{path}: {text}");
        assert!(text.contains("the query is longer than 8192 bytes"), "{path}: {text}");
        assert!(text.contains("invalid_request") && text.contains("request_id"), "{path}: {text}");
    }
}

#[tokio::test]
async fn a_query_has_at_most_64_parameters_on_every_route() {
    let app = TestApp::new().await;
    let query = |n: usize| (0..n).map(|number| format!("p{number}")).collect::<Vec<_>>().join("&");
    for path in PATHS {
        let (_, text) = get(&app, &format!("{path}?{}", query(64))).await;
        assert!(!text.contains("64 parameters"), "{path}: {text}");
        let (status, text) = get(&app, &format!("{path}?{}", query(65))).await;
        assert_eq!(status, 400, "{path}: {text}");
        assert!(text.contains("the query has more than 64 parameters"), "{path}: {text}");
    }
}

#[tokio::test]
async fn a_path_has_at_most_4096_bytes() {
    let app = TestApp::new().await;
    for (prefix, status) in [("/api/messages/", 404), ("/v1/", 404), ("/", 404)] {
        // The API counts the path below `/api`.
        let hidden = if prefix.starts_with("/api") { "/api".len() } else { 0 };
        let fits = "x".repeat(4096 + hidden - prefix.len());
        assert_eq!(get(&app, &format!("{prefix}{fits}")).await.0, status, "{prefix}");
        let (status, text) = get(&app, &format!("{prefix}{fits}x")).await;
        assert_eq!(status, 400, "{prefix}: {text}");
        assert!(text.contains("the path is longer than 4096 bytes"), "{prefix}: {text}");
    }
}

#[tokio::test]
async fn an_answer_to_a_long_query_has_the_headers_of_the_api() {
    let app = TestApp::new().await;
    let long = "x".repeat(8193);
    let response = app.get(&format!("/api/messages?{long}")).await.expect(400);
    assert_eq!(response.code(), "invalid_request");
    assert_eq!(response.pointers(), [""]);
    assert!(response.headers.contains_key("X-Request-Id"));
    assert!(response.headers.contains_key("X-RateLimit-Remaining"));
}

#[tokio::test]
async fn a_header_has_at_most_8192_bytes_on_every_route() {
    let app = TestApp::new().await;
    let get = async |path: &str, length: usize| {
        let request = Request::get(path).header("X-API-Key", DEV_KEY).header("X-Trace", "x".repeat(length));
        let response = app.router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        let status = response.status();
        let body = axum::body::to_bytes(response.into_body(), 10_000_000).await.unwrap();
        (status, String::from_utf8_lossy(&body).into_owned())
    };
    for path in PATHS {
        let (_, text) = get(path, 8192).await;
        assert!(!text.contains("the header `x-trace`"), "{path}: {text}");
        let (status, text) = get(path, 8193).await;
        assert_eq!(status, 400, "{path}: {text}");
        assert!(text.contains("the header `x-trace` is longer than 8192 bytes"), "{path}: {text}");
    }
}
