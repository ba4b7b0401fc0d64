//! Retention: old records are deleted by the operator's settings, and readers are informed.

use engine::maintenance::retention::delete_expired;
use engine::maintenance::settings::RetentionSettings;
use http_body_util::BodyExt;
use jiff::SignedDuration;
use serde_json::json;

use crate::support::{CUSTOMER, TestApp};

const DAY: u64 = 24 * 3600;

fn days(n: i64) -> Option<SignedDuration> {
    Some(SignedDuration::from_hours(24 * n))
}

async fn total(app: &TestApp, path: &str) -> i64 {
    app.get(path).await.expect(200).data()["total"].as_i64().unwrap()
}

#[tokio::test]
async fn each_kind_of_record_has_its_own_retention() {
    let app = TestApp::with(|settings| {
        settings.retention = RetentionSettings {
            messages: days(30),
            payloads: days(20),
            events: days(10),
            deliveries: days(5),
            audit: None,
        };
    })
    .await;
    app.post(
        "/api/webhooks",
        &json!({"name": "shop", "url": "https://shop.example.com/hook", "events": ["*"]}),
    )
    .await
    .expect(201);
    let sent = app.send_text(CUSTOMER).await.expect(200);
    app.step().await;
    app.deliver_events().await;
    let n_messages = total(&app, "/api/messages").await;
    let path = format!("/api/messages/{}", sent.data()["id"].as_str().unwrap());
    let n_acts = total(&app, "/api/audit").await;
    app.advance(7 * DAY);
    assert_eq!(delete_expired(&app.deps).await.unwrap(), 2, "all deliveries but the last");
    app.advance(4 * DAY);
    assert!(delete_expired(&app.deps).await.unwrap() > 0, "events");
    let events = app.get("/api/events").await.expect(200);
    assert_eq!(events.data()["events"].as_array().unwrap().len(), 1);
    app.advance(15 * DAY);
    delete_expired(&app.deps).await.unwrap();
    assert!(app.get(&path).await.expect(200).data()["timeline"].as_array().unwrap().len() > 1);
    assert_eq!(total(&app, "/api/messages").await, n_messages);
    app.advance(5 * DAY);
    app.customer_writes(CUSTOMER, "Still here").await;
    delete_expired(&app.deps).await.unwrap();
    app.get(&path).await.expect(404);
    assert_eq!(total(&app, "/api/messages").await, 1);
    assert_eq!(total(&app, "/api/contacts").await, 1);
    assert_eq!(total(&app, "/api/audit").await, n_acts);
    assert_eq!(delete_expired(&app.deps).await.unwrap(), 0);
}

#[tokio::test]
async fn events_with_pending_deliveries_are_retained() {
    let app = TestApp::with(|settings| settings.retention.events = days(3)).await;
    app.post(
        "/api/webhooks",
        &json!({"name": "shop", "url": "https://shop.example.com/hook", "events": ["*"]}),
    )
    .await
    .expect(201);
    app.customer_writes(CUSTOMER, "Hello").await;
    let before = app.get("/api/events").await.expect(200).data()["events"].as_array().unwrap().len();
    app.advance(50 * DAY);
    delete_expired(&app.deps).await.unwrap();
    let left = app.get("/api/events").await.expect(200);
    let texts = |event: &serde_json::Value| event["data"]["text"] == "Hello";
    assert!(left.data()["events"].as_array().unwrap().iter().any(texts), "{} of {before}", left.body);
    app.deliver_events().await;
    app.customer_writes(CUSTOMER, "Again").await;
    delete_expired(&app.deps).await.unwrap();
    let left = app.get("/api/events").await.expect(200);
    assert_eq!(left.data()["events"].as_array().unwrap().len(), 1, "{}", left.body);
}

#[tokio::test]
async fn a_reader_is_informed_about_expired_events() {
    let app = TestApp::with(|settings| settings.retention.events = days(3)).await;
    let first = app.get("/api/events?per_page=1").await.expect(200);
    assert_eq!(first.data().get("gap"), None);
    let after = first.data()["next_cursor"].as_str().unwrap().to_owned();
    app.send_text(CUSTOMER).await.expect(200);
    app.advance(10 * DAY);
    app.customer_writes(CUSTOMER, "Hello").await;
    delete_expired(&app.deps).await.unwrap();
    let path = format!("/api/events?after={after}");
    let late = app.get(&path).await.expect(200);
    assert_eq!(late.data()["gap"], true);
    assert_eq!(late.data()["events"][0]["data"]["text"], "Hello");
    let next = format!("/api/events?after={}", late.data()["next_cursor"].as_str().unwrap());
    assert_eq!(app.get(&next).await.expect(200).data().get("gap"), None);

    let request = axum::http::Request::builder()
        .uri(format!("/api/events/stream?after={after}"))
        .header("x-api-key", engine::access::api_key::DEV_KEY)
        .body(axum::body::Body::empty())
        .unwrap();
    let mut stream = tower::ServiceExt::oneshot(app.router.clone(), request).await.unwrap().into_body();
    let mut text = String::new();
    while !text.contains("\"Hello\"") {
        let frame = stream.frame().await.unwrap().unwrap();
        text.push_str(std::str::from_utf8(frame.data_ref().unwrap()).unwrap());
    }
    assert_eq!(text.matches("event: gap\ndata: {\"gap\":true}\n\n").count(), 1, "{text}");
}
