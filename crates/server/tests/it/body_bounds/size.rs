//! Sizes of bodies: received, decoded, and in JSON values.

use axum::body::Body;
use axum::http::Request;
use serde_json::json;

use crate::body_bounds::{gzip, post};
use crate::support::{TestApp, TestResponse};

async fn log_in(app: &TestApp, headers: &[(&str, &str)], body: Vec<u8>) -> TestResponse {
    let mut request = Request::post("/api/auth/login").header("Content-Type", "application/json");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    app.call(request.body(Body::from(body)).unwrap()).await
}

#[tokio::test]
async fn a_login_has_at_most_16_kilobytes_before_and_after_decoding() {
    let app = TestApp::new().await;
    let login = json!({"email": "a@example.com", "password": "wrong"}).to_string();
    let padded = |n: usize| format!("{login}{}", " ".repeat(n - login.len())).into_bytes();
    log_in(&app, &[], padded(16_384)).await.expect(401);
    let response = log_in(&app, &[], padded(16_385)).await.expect(413);
    assert_eq!(response.body["details"]["limit_bytes"], 16_384);
    let encoded = [("Content-Encoding", "gzip")];
    log_in(&app, &encoded, gzip(&padded(16_384))).await.expect(401);
    log_in(&app, &encoded, gzip(&padded(16_385))).await.expect(413);
    // Empty members decode to nothing.
    let mut members = gzip(&padded(1000));
    while members.len() <= 16_384 {
        members.extend(gzip(b""));
    }
    log_in(&app, &encoded, members).await.expect(413);
}

#[tokio::test]
async fn a_webhook_has_at_most_4_mebibytes() {
    let app = TestApp::new().await;
    let body = |n: usize| {
        let mut body = br#"{"object":"whatsapp_business_account","entry":[]}"#.to_vec();
        body.resize(n, b' ');
        body
    };
    app.post_signed(&app.seeded.app_secret, body(4 << 20)).await.expect(200);
    app.post_signed(&app.seeded.app_secret, body((4 << 20) + 1)).await.expect(413);
}

#[tokio::test]
async fn a_body_has_at_most_half_a_million_values() {
    let app = TestApp::new().await;
    // The object, its name, the array, and one separator for each further value.
    let body = |n: usize| format!("{{\"a\":[{}]}}", vec!["1"; n - 2].join(",")).into_bytes();
    let fits = app.call(post("/api/messages/send", Body::from(body(500_000)))).await.expect(400);
    assert!(!fits.reasons().contains("JSON values"), "{:#}", fits.body);
    let above = app.call(post("/api/messages/send", Body::from(body(500_001)))).await.expect(400);
    assert_eq!(above.reasons(), "the body has more than 500000 JSON values");
}
