//! Reasons of failures, in words: of a delivery, of a failing endpoint, of a disabled endpoint.

use axum::body::Body;
use engine::contacts;
use engine::ports::WebhookOutcome;
use serde_json::{Value, json};

use super::{OTHER, URL, add, deliveries, id, webhook};
use crate::support::{CUSTOMER, TestApp};

/// Makes attempts until the endpoint is failing.
async fn fail(app: &TestApp) {
    for seconds in [0, 13, 73] {
        app.advance(seconds);
        app.deliver_events().await;
    }
}

#[tokio::test]
async fn a_failing_endpoint_says_why_until_it_succeeds() {
    let app = TestApp::new().await;
    let endpoint = add(&app, URL, json!({"events": ["message.incoming"]})).await;
    app.customer_writes(CUSTOMER, "Hi").await;
    let refused = "the connection was refused";
    app.receiver.end(URL, WebhookOutcome::Failed { reason: refused.to_owned() });
    fail(&app).await;
    let shown = webhook(&app, id(&endpoint)).await;
    assert_eq!((&shown["status"], &shown["status_reason"]), (&json!("failing"), &json!(refused)));
    let listed = app.get("/api/webhooks").await.expect(200);
    assert_eq!(listed.data()["webhooks"][0]["status_reason"], refused);
    assert_eq!(deliveries(&app, id(&endpoint), "").await[0]["reason"], refused);

    // The reason is that of the last attempt.
    let redirect = WebhookOutcome::Responded {
        status: 301,
        body: String::new(),
        retry_after: None,
        redirect_to: Some("https://shop.example.com/hook/?…".to_owned()),
    };
    app.receiver.end(URL, redirect);
    app.advance(361);
    app.deliver_events().await;
    let reason = "HTTP 301 Moved Permanently: a redirect to https://shop.example.com/hook/?…, and redirects are not followed";
    assert_eq!(webhook(&app, id(&endpoint)).await["status_reason"], reason);
    assert_eq!(deliveries(&app, id(&endpoint), "").await[0]["reason"], reason);

    app.receiver.respond_with(URL, 200);
    app.advance(3_600);
    app.deliver_events().await;
    let shown = webhook(&app, id(&endpoint)).await;
    assert_eq!((&shown["status"], &shown["status_reason"]), (&json!("active"), &Value::Null));
    assert_eq!(deliveries(&app, id(&endpoint), "").await[0]["reason"], Value::Null);
}

#[tokio::test]
async fn a_disabled_endpoint_and_its_event_say_why() {
    let app = TestApp::new().await;
    let endpoint = add(&app, URL, json!({"events": ["message.incoming"]})).await;
    add(&app, OTHER, json!({"events": ["webhook.disabled"]})).await;
    let reason = "TLS with shop.example.com failed: the certificate has expired";
    app.receiver.end(URL, WebhookOutcome::Failed { reason: reason.to_owned() });
    for day in 0..6 {
        app.customer_writes(CUSTOMER, &day.to_string()).await;
        app.deliver_events().await;
        app.advance(86_400);
    }
    let shown = webhook(&app, id(&endpoint)).await;
    let expected = format!("the endpoint has failed for five days; last attempt: {reason}");
    assert_eq!((&shown["status"], &shown["status_reason"]), (&json!("disabled"), &json!(expected)));
    let received = app.receiver.received();
    let event = received.iter().find(|received| received.url == OTHER).unwrap();
    assert_eq!((event.kind(), &event.data()["reason"]), ("webhook.disabled", &json!(expected)));
    // The waiting deliveries are dead letters with this reason.
    app.deliver_events().await;
    let rows = deliveries(&app, id(&endpoint), "status=dead").await;
    assert!(rows.iter().all(|row| row["reason"].is_string()), "{rows:?}");
}

#[tokio::test]
async fn the_refusal_of_a_url_names_the_settings() {
    let app = TestApp::new().await;
    let refusal = async |url: &str| {
        let body = json!({"name": "x", "url": url, "events": ["*"]});
        app.post("/api/webhooks", &body).await.expect(400).reasons()
    };
    let both = refusal("http://192.168.1.20:3000/hook").await;
    assert!(
        both.contains("`webhooks.allow_http`") && both.contains("`webhooks.allow_private_networks`"),
        "{both}"
    );
    let metadata = refusal("http://169.254.169.254/latest").await;
    assert!(metadata.contains("never called") && !metadata.contains("webhooks."), "{metadata}");
}

#[tokio::test]
async fn an_endpoint_that_fails_with_events_of_an_erased_contact_says_so() {
    let app = TestApp::new().await;
    let endpoint = add(&app, URL, json!({"events": ["message.incoming"]})).await;
    app.receiver.end(URL, WebhookOutcome::Failed { reason: format!("no answer about {CUSTOMER}") });
    app.customer_writes(CUSTOMER, "Hi").await;
    let contacts = app.get("/api/contacts").await.expect(200);
    let contact = contacts.data()["contacts"][0]["id"].as_str().unwrap().to_owned();
    app.request("DELETE", &format!("/api/contacts/{contact}"), Body::empty()).await.expect(204);
    contacts::run_erasures(&app.deps).await.unwrap();
    fail(&app).await;
    let shown = webhook(&app, id(&endpoint)).await;
    let reason = "the delivery of an event about an erased contact failed";
    assert_eq!((&shown["status"], &shown["status_reason"]), (&json!("failing"), &json!(reason)));
}
