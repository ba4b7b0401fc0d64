//! The requests, responses and errors of the original API page, with its exact texts.

use serde_json::{Value, json};

use crate::support::TestApp;

/// The recipient of the page's examples.
const TO: &str = "+919876543210";

async fn app_with_open_window() -> TestApp {
    let app = TestApp::new().await;
    app.customer_writes(TO, "Hi").await;
    app
}

fn sent(body: &Value) {
    assert!(body["data"]["message_id"].as_str().unwrap().starts_with("wamid."), "{body:#}");
    assert_eq!(body["data"]["status"], "sent");
}

#[tokio::test]
async fn sending_a_text_message() {
    let app = app_with_open_window().await;
    let body = r#"{
    "to": "+919876543210",
    "type": "text",
    "text": "Hello! Your order has been shipped."
  }"#;
    let response = app.request("POST", "/api/messages/send", body).await.expect(200);
    sent(&response.body);
    let accepted_message = app.accepted_message(0);
    assert_eq!(accepted_message["text"]["body"], "Hello! Your order has been shipped.");
    assert_eq!(accepted_message["to"], TO);
    assert_eq!(accepted_message["biz_opaque_callback_data"], response.data()["id"]);
}

#[tokio::test]
async fn sending_a_template_message() {
    let app = TestApp::new().await;
    let body = r#"{
    "to": "+919876543210",
    "type": "template",
    "template": {
      "name": "order_confirmation",
      "language": "en",
      "components": [
        {
          "type": "body",
          "parameters": [
            { "type": "text", "text": "John" },
            { "type": "text", "text": "ORD-789" }
          ]
        }
      ]
    }
  }"#;
    let response = app.request("POST", "/api/messages/send", body).await.expect(200);
    sent(&response.body);
    assert_eq!(app.accepted_message(0)["template"]["language"], json!({"code": "en"}));
}

#[tokio::test]
async fn sending_media() {
    let app = app_with_open_window().await;
    let body = r#"{
    "to": "+919876543210",
    "type": "image",
    "image": {
      "url": "https://example.com/product.jpg",
      "caption": "Check out our new product!"
    }
  }"#;
    let response = app.request("POST", "/api/messages/send", body).await.expect(200);
    sent(&response.body);
    assert_eq!(app.accepted_message(0)["image"]["link"], "https://example.com/product.jpg");
    for kind in ["image", "video", "document", "audio"] {
        let body = json!({"to": TO, "type": kind, kind: {"url": format!("https://example.com/{kind}")}});
        sent(&app.send(body).await.expect(200).body);
    }
}

#[tokio::test]
async fn sending_interactive_messages() {
    let app = app_with_open_window().await;
    let body = r#"{
  "to": "+919876543210",
  "type": "interactive",
  "interactive": {
    "type": "button",
    "body": { "text": "How can we help?" },
    "action": {
      "buttons": [
        { "type": "reply", "reply": { "id": "sales", "title": "Sales" } },
        { "type": "reply", "reply": { "id": "support", "title": "Support" } }
      ]
    }
  }
}"#;
    sent(&app.request("POST", "/api/messages/send", body).await.expect(200).body);
}

#[tokio::test]
async fn specifying_the_whatsapp_account() {
    let app = app_with_open_window().await;
    let body =
        |account: &str| json!({"to": TO, "type": "text", "text": "Hello!", "whatsapp_account": account});
    let response = app.send(body(&app.account.to_string())).await.expect(200);
    assert_eq!(response.data()["whatsapp_account_id"], app.account.to_string());
    app.send(body("sandbox")).await.expect(200);
    let response = app.send(body("account_id_here")).await.expect(404);
    assert_eq!(response.code(), "account_not_found");
}

#[tokio::test]
async fn the_error_outside_the_window_has_the_documented_message() {
    let app = TestApp::new().await;
    let response = app.send_text(TO).await.expect(400);
    assert_eq!(response.body["message"], "Outside 24-hour window. Use a template message.");
    assert_eq!(response.body["status"], "error");
    assert_eq!(response.code(), "outside_window");
}

#[tokio::test]
async fn the_error_codes_of_the_page() {
    let app = app_with_open_window().await;
    // 400: missing fields, invalid format.
    assert_eq!(app.send(json!({"to": TO})).await.expect(400).code(), "invalid_request");
    assert_eq!(app.request("POST", "/api/messages/send", "{").await.expect(400).code(), "invalid_request");
    // 401: invalid API key.
    let response = app.request_as("your_key", "POST", "/api/messages/send", "{}").await.expect(401);
    assert_eq!(response.code(), "invalid_api_key");
    assert!(response.body["message"].as_str().unwrap().starts_with("Invalid API key"));
    // 404: contact or template not found.
    let unknown_contact = "01900000-0000-7000-8000-000000000000";
    let response =
        app.send(json!({"contact": unknown_contact, "type": "text", "text": "Hi"})).await.expect(404);
    assert_eq!(response.code(), "contact_not_found");
    let template = json!({"name": "no_such_template", "language": "en"});
    let response = app.send(json!({"to": TO, "type": "template", "template": template})).await.expect(404);
    assert_eq!(response.code(), "template_not_found");
}

#[tokio::test]
async fn tips_text_fails_outside_the_window_and_a_template_opens_the_conversation() {
    let app = TestApp::new().await;
    app.send_text(TO).await.expect(400);
    let template = json!({"name": "hello_world", "language": "en_US"});
    app.send(json!({"to": TO, "type": "template", "template": template})).await.expect(200);
    app.customer_writes(TO, "Hi").await;
    app.send_text(TO).await.expect(200);
}

#[tokio::test]
async fn tips_digits_only_are_a_valid_phone_number() {
    let app = app_with_open_window().await;
    let response = app.send_text("919876543210").await.expect(200);
    assert_eq!(response.data()["to"], TO);
}

#[tokio::test]
async fn tips_logged_message_ids_are_found_again() {
    let app = app_with_open_window().await;
    let response = app.send_text(TO).await.expect(200);
    app.step().await;
    let message = app.message(response.data()["message_id"].as_str().unwrap()).await;
    assert_eq!(message["id"], response.data()["id"]);
    assert_eq!(message["status"], "read");
}

#[tokio::test]
async fn a_retryable_answer_means_not_sent() {
    let app = app_with_open_window().await;
    for (number, status, code) in
        [("+15550101056", 429, "meta_rate_limited"), ("+15550100190", 503, "account_disconnected")]
    {
        app.customer_writes(number, "Hi").await;
        let response = app.send_text(number).await.expect(status);
        assert_eq!(response.code(), code);
        assert!(response.number("retry-after") >= 1);
    }
    assert_eq!(app.n_accepted(), 0);
}
