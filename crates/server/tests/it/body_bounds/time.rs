//! Time in which a body must arrive.

use std::pin::pin;

use axum::body::Body;
use axum::http::Request;
use engine::access::api_key::DEV_KEY;

use crate::body_bounds::{fed, feed, post};
use crate::support::{TestApp, signature};

#[tokio::test]
async fn a_json_body_of_which_nothing_arrives_for_20_seconds_is_408() {
    let app = TestApp::new().await;
    let (sender, body) = fed();
    let mut request = pin!(app.call(post("/api/messages/send", body)));
    feed(&app, &mut request, &sender, "{").await;
    app.advance(19);
    feed(&app, &mut request, &sender, "\"").await;
    app.advance(19);
    assert!(futures_util::poll!(request.as_mut()).is_pending());
    app.advance(1);
    let response = request.await.expect(408);
    assert_eq!(response.body["message"], "Too little of the body arrived within 20 s.");
}

#[tokio::test]
async fn a_json_body_that_takes_more_than_60_seconds_is_408() {
    let app = TestApp::new().await;
    let (sender, body) = fed();
    let mut request = pin!(app.call(post("/api/messages/send", body)));
    feed(&app, &mut request, &sender, "{").await;
    for _ in 0..3 {
        app.advance(19);
        feed(&app, &mut request, &sender, " ").await;
    }
    app.advance(2);
    assert!(futures_util::poll!(request.as_mut()).is_pending());
    app.advance(1);
    let response = request.await.expect(408);
    assert_eq!(response.body["message"], "The body did not arrive within 60 s.");
}

#[tokio::test]
async fn a_webhook_that_takes_more_than_20_seconds_is_408() {
    let app = TestApp::new().await;
    let (sender, body) = fed();
    let signature = signature(&app.seeded.app_secret, b"{}");
    let request = Request::post("/webhooks/meta").header("X-Hub-Signature-256", signature);
    let mut request = pin!(app.call(request.body(body).unwrap()));
    for _ in 0..2 {
        feed(&app, &mut request, &sender, " ").await;
        app.advance(9);
    }
    feed(&app, &mut request, &sender, " ").await;
    app.advance(2);
    request.await.expect(408);
}

#[tokio::test]
async fn an_import_with_less_than_32_kilobytes_in_25_seconds_is_408() {
    let app = TestApp::new().await;
    let import = |body: Body| {
        let request = Request::post("/api/contacts/import").header("X-API-Key", DEV_KEY);
        app.call(request.header("Content-Type", "text/csv").body(body).unwrap())
    };
    let (sender, body) = fed();
    let mut request = pin!(import(body));
    feed(&app, &mut request, &sender, "phone_number,name\n").await;
    for _ in 0..3 {
        app.advance(20);
        let rows = "+447700900124,Maya\n".repeat(1725);
        assert!(rows.len() >= 32_768);
        feed(&app, &mut request, &sender, rows).await;
    }
    app.advance(20);
    feed(&app, &mut request, &sender, "+447700900124,Maya\n").await;
    app.advance(4);
    assert!(futures_util::poll!(request.as_mut()).is_pending());
    app.advance(1);
    let response = request.await.expect(408);
    assert_eq!(response.body["message"], "Too little of the body arrived within 25 s.");
}
