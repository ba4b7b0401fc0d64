//! Checks before one byte of a body is read.

use axum::body::Body;
use axum::http::Request;
use domain::access::api_key::KeyScope;
use engine::access::api_key::DEV_KEY;

use crate::body_bounds::Endless;
use crate::support::{TestApp, TestResponse, signature};

/// Calls the gateway with a body that never ends, and asserts that nobody read it.
async fn unread(app: &TestApp, method: &str, path: &str, headers: &[(&str, &str)]) -> TestResponse {
    let body = Endless::default();
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = app.call(request.body(Body::new(body.clone())).unwrap()).await;
    assert_eq!(body.n_reads(), 0, "{method} {path} {headers:?} gave {:#}", response.body);
    response
}

#[tokio::test]
async fn a_request_without_a_key_is_401_and_its_body_is_not_read() {
    let app = TestApp::new().await;
    for route in server::run::routes().iter().filter(|route| route.path != "/auth/login") {
        if ["POST", "PUT"].contains(&route.method) {
            let path = format!("/api{}", route.path.replace("{id}", "x"));
            unread(&app, route.method, &path, &[]).await.expect(401);
            unread(&app, route.method, &path, &[("X-API-Key", "wp_test_wrong")]).await.expect(401);
        }
    }
    unread(&app, "POST", "/v1/messages", &[]).await.expect(401);
    unread(&app, "POST", "/api/nothing", &[]).await.expect(401);
    unread(&app, "POST", "/nothing", &[]).await.expect(404);
}

#[tokio::test]
async fn a_request_without_permission_is_403_and_its_body_is_not_read() {
    let app = TestApp::new().await;
    let key = app.key(|new| new.scopes = vec![KeyScope::Read]).await;
    for (method, path) in [
        ("POST", "/api/messages/send"),
        ("POST", "/api/messages/batch"),
        ("POST", "/api/contacts"),
        ("POST", "/api/contacts/import"),
        ("POST", "/api/media"),
        ("POST", "/api/api-keys"),
        ("PUT", "/api/webhooks/x"),
        ("POST", "/v1/messages"),
    ] {
        unread(&app, method, path, &[("X-API-Key", &key)]).await.expect(403);
        let keyed = [("X-API-Key", key.as_str()), ("Idempotency-Key", "k")];
        unread(&app, method, path, &keyed).await.expect(403);
    }
    let foreign = [("Origin", "https://elsewhere.example")];
    let response = unread(&app, "POST", "/api/auth/login", &foreign).await.expect(403);
    assert_eq!(response.code(), "csrf_required");
}

#[tokio::test]
async fn a_declared_size_above_the_limit_is_413_and_the_body_is_not_read() {
    let app = TestApp::new().await;
    for (path, kind, limit) in [
        ("/api/auth/login", "application/json", 16_384),
        ("/api/auth/logout", "application/json", 16_384),
        ("/api/messages/send", "application/json", 5_000_000),
        ("/api/contacts", "application/json", 5_000_000),
        ("/api/media", "multipart/form-data; boundary=x", (100 << 20) + 65_536),
        ("/api/contacts/import", "text/csv", 100_065_536),
    ] {
        let above = (limit + 1).to_string();
        let headers = [("X-API-Key", DEV_KEY), ("Content-Type", kind), ("Content-Length", &above)];
        let response = unread(&app, "POST", path, &headers).await.expect(413);
        assert_eq!(response.code(), "payload_too_large");
        assert_eq!(response.body["details"]["limit_bytes"], limit, "{path}");
    }
    let signature = signature("no secret", b"");
    let headers = [("X-Hub-Signature-256", signature.as_str()), ("Content-Length", "4194305")];
    unread(&app, "POST", "/webhooks/meta", &headers).await.expect(413);
}

#[tokio::test]
async fn a_type_that_is_not_json_is_415_and_the_body_is_not_read() {
    let app = TestApp::new().await;
    for kind in ["text/xml", "multipart/form-data; boundary=x", "image/png"] {
        for path in ["/api/messages/send", "/api/contacts", "/api/auth/login", "/v1/messages"] {
            let headers = [("X-API-Key", DEV_KEY), ("Content-Type", kind)];
            unread(&app, "POST", path, &headers).await.expect(415);
        }
    }
    for (path, kind) in [("/api/media", "application/json"), ("/api/contacts/import", "application/json")] {
        unread(&app, "POST", path, &[("X-API-Key", DEV_KEY), ("Content-Type", kind)]).await.expect(415);
    }
    let encoded = [("X-API-Key", DEV_KEY), ("Content-Encoding", "br")];
    unread(&app, "POST", "/api/messages/send", &encoded).await.expect(415);
}

#[tokio::test]
async fn a_webhook_without_a_well_formed_signature_is_401_and_its_body_is_not_read() {
    let app = TestApp::new().await;
    unread(&app, "POST", "/webhooks/meta", &[]).await.expect(401);
    let good = signature(&app.seeded.app_secret, b"{}");
    for malformed in [
        "",
        "sha256=",
        &good[..good.len() - 1],
        &format!("{good}0"),
        &good.replace("sha256=", "sha1="),
        &format!("sha256={}", "g".repeat(64)),
    ] {
        unread(&app, "POST", "/webhooks/meta", &[("X-Hub-Signature-256", malformed)]).await.expect(401);
    }
}
