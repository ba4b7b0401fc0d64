//! The customer service window per account and contact, by Meta's times.

use serde_json::json;
use sim::InboundMessage;

use crate::support::{CUSTOMER, NEW_RECIPIENT, TestApp};

#[tokio::test]
async fn a_window_closes_24_hours_after_the_last_message_and_the_response_has_the_time() {
    let app = TestApp::new().await;
    app.advance(86_399);
    app.send_text(CUSTOMER).await.expect(200);
    app.advance(1);
    let response = app.send_text(CUSTOMER).await.expect(400);
    assert_eq!(response.code(), "outside_window");
    assert_eq!(response.body["details"]["last_inbound_at"], "2026-01-01T00:00:00.000Z");
    assert_eq!(response.body["details"]["closed_at"], "2026-01-02T00:00:00.000Z");
    app.customer_writes(CUSTOMER, "Me again").await;
    app.send_text(CUSTOMER).await.expect(200);
}

#[tokio::test]
async fn a_window_belongs_to_one_account() {
    let app = TestApp::new().await;
    app.add_second_account().await;
    let body = json!({"to": CUSTOMER, "type": "text", "text": "Hi", "whatsapp_account": "clinic"});
    assert_eq!(app.send(body).await.expect(400).code(), "outside_window");
}

#[tokio::test]
async fn a_template_needs_no_window() {
    let app = TestApp::new().await;
    let template = json!({"name": "hello_world", "language": "en_US"});
    app.send(json!({"to": NEW_RECIPIENT, "type": "template", "template": template})).await.expect(200);
}

#[tokio::test]
async fn a_rejected_send_creates_no_contact() {
    let app = TestApp::new().await;
    let response = app.send_text(NEW_RECIPIENT).await.expect(400);
    assert_eq!(response.body["details"]["last_inbound_at"], serde_json::Value::Null);
    assert_eq!(app.get("/api/contacts").await.data()["total"], 1);
}

#[tokio::test]
async fn a_revoked_message_opens_no_window() {
    let app = TestApp::new().await;
    let revoke = InboundMessage {
        from: Some(NEW_RECIPIENT.to_owned()),
        message: json!({"type": "revoke", "revoke": {"original_message_id": "wamid.x"}}),
        ..InboundMessage::default()
    };
    app.inbound(&revoke).await;
    app.send_text(NEW_RECIPIENT).await.expect(400);
}
