//! The gateway and Meta accept every message type. Errors about limits have a pointer and are found before Meta is
//! called.

use serde_json::{Value, json};

use crate::support::{CUSTOMER, TestApp};

fn message(kind: &str, object: Value) -> Value {
    let mut body = json!({"to": CUSTOMER, "type": kind});
    body[kind] = object;
    body
}

fn interactive(object: Value) -> Value {
    message("interactive", object)
}

#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn each_type() -> Vec<(&'static str, Value)> {
    let reply = |id: &str, title: &str| json!({"type": "reply", "reply": {"id": id, "title": title}});
    vec![
        ("text", message("text", json!({"body": "See https://example.com", "preview_url": true}))),
        ("image", message("image", json!({"link": "https://example.com/a.jpg", "caption": "A"}))),
        ("video", message("video", json!({"link": "https://example.com/a.mp4"}))),
        ("document", message("document", json!({"url": "https://example.com/a.pdf", "filename": "a.pdf"}))),
        ("audio", message("audio", json!({"link": "https://example.com/a.ogg", "voice": true}))),
        ("sticker", message("sticker", json!({"link": "https://example.com/a.webp"}))),
        (
            "location",
            message(
                "location",
                json!({"latitude": 56.4152, "longitude": "-5.471", "name": "Ferry", "address": "Oban"}),
            ),
        ),
        (
            "contacts",
            message(
                "contacts",
                json!([{"name": {"formatted_name": "Tom Reid", "first_name": "Tom"}, "phones": [{"phone": "+44 7700 900456", "type": "CELL"}]}]),
            ),
        ),
        (
            "reaction",
            message(
                "reaction",
                json!({"message_id": "wamid.HBgMNDQ3NzAwOTAwMTIzFQIAERgSMEQxRTJGM0E0QjVDNkQ3RThGAA==", "emoji": "👍"}),
            ),
        ),
        (
            "button",
            interactive(
                json!({"type": "button", "body": {"text": "How?"}, "footer": {"text": "f"}, "action": {"buttons": [reply("a", "A"), reply("b", "B")]}}),
            ),
        ),
        (
            "list",
            interactive(
                json!({"type": "list", "header": {"type": "text", "text": "H"}, "body": {"text": "Pick"}, "action": {"button": "Slots", "sections": [{"title": "Morning", "rows": [{"id": "1", "title": "09:00", "description": "Dr Okafor"}]}]}}),
            ),
        ),
        (
            "cta_url",
            interactive(
                json!({"type": "cta_url", "body": {"text": "Look"}, "action": {"name": "cta_url", "parameters": {"display_text": "Open", "url": "https://example.com"}}}),
            ),
        ),
        (
            "product",
            interactive(
                json!({"type": "product", "action": {"catalog_id": "880011223344", "product_retailer_id": "MUG-RED"}}),
            ),
        ),
        (
            "product_list",
            interactive(
                json!({"type": "product_list", "header": {"type": "text", "text": "Mugs"}, "body": {"text": "Choose"}, "action": {"catalog_id": "880011223344", "sections": [{"title": "Red", "product_items": [{"product_retailer_id": "MUG-RED"}]}]}}),
            ),
        ),
        (
            "catalog_message",
            interactive(
                json!({"type": "catalog_message", "body": {"text": "All"}, "action": {"name": "catalog_message", "parameters": {"thumbnail_product_retailer_id": "MUG-RED"}}}),
            ),
        ),
        (
            "flow",
            interactive(
                json!({"type": "flow", "body": {"text": "Book"}, "action": {"name": "flow", "parameters": {"flow_message_version": "3", "flow_id": "660077001", "flow_cta": "Book", "flow_action": "navigate", "flow_action_payload": {"screen": "FIRST"}}}}),
            ),
        ),
        (
            "location_request_message",
            interactive(
                json!({"type": "location_request_message", "body": {"text": "Where?"}, "action": {"name": "send_location"}}),
            ),
        ),
        (
            "carousel",
            interactive(json!({"type": "carousel", "body": {"text": "Look"}, "action": {"cards": [
            {"card_index": 0, "type": "cta_url", "header": {"type": "image", "image": {"link": "https://example.com/1.png"}}, "body": {"text": "One"}, "action": {"name": "cta_url", "parameters": {"display_text": "Open", "url": "https://example.com/1"}}},
            {"card_index": 1, "type": "cta_url", "header": {"type": "image", "image": {"link": "https://example.com/2.png"}}, "body": {"text": "Two"}, "action": {"name": "cta_url", "parameters": {"display_text": "Open", "url": "https://example.com/2"}}}]}})),
        ),
        (
            "address_message",
            interactive(
                json!({"type": "address_message", "body": {"text": "Address?"}, "action": {"name": "address_message", "parameters": {"country": "IN", "values": {"name": "A", "in_pin_code": "400063"}}}}),
            ),
        ),
        (
            "order_details",
            interactive(
                json!({"type": "order_details", "body": {"text": "Your order"}, "action": {"name": "review_and_pay", "parameters": {
            "reference_id": "INV-204", "type": "digital-goods", "currency": "INR", "total_amount": {"value": 21000, "offset": 100},
            "payment_settings": [{"type": "payment_gateway", "payment_gateway": {"type": "razorpay", "configuration_name": "main"}}],
            "order": {"status": "pending", "items": [{"retailer_id": "MUG-RED", "name": "Mug", "amount": {"value": 10000, "offset": 100}, "quantity": 2}],
                "catalog_id": "880011223344", "subtotal": {"value": 20000, "offset": 100}, "tax": {"value": 1000, "offset": 100, "description": "GST"}}}}}),
            ),
        ),
        (
            "order_status",
            interactive(
                json!({"type": "order_status", "body": {"text": "On its way"}, "action": {"name": "review_order", "parameters": {"reference_id": "INV-204", "order": {"status": "shipped", "description": "today"}}}}),
            ),
        ),
    ]
}

#[tokio::test]
async fn meta_accepts_every_message_type_that_the_gateway_accepts() {
    let app = TestApp::new().await;
    let key = app.key(|new| new.rate_burst = Some(100)).await;
    let mut n_sent = 0;
    for (name, body) in each_type() {
        let response = app.request_as(&key, "POST", "/api/messages/send", body.to_string()).await;
        assert_eq!(response.status.as_u16(), 200, "{name}: {:#}", response.body);
        n_sent += 1;
        assert_eq!(app.n_accepted(), n_sent);
    }
}

#[tokio::test]
async fn an_unknown_field_is_rejected_with_its_pointer() {
    let app = TestApp::new().await;
    let key = app.key(|new| new.rate_burst = Some(100)).await;
    for (name, mut body) in each_type() {
        let kind = body["type"].as_str().unwrap().to_owned();
        let object = if kind == "contacts" { &mut body[&kind][0] } else { &mut body[&kind] };
        object["surprise"] = json!(1);
        let response = app.request_as(&key, "POST", "/api/messages/send", body.to_string()).await.expect(400);
        assert!(response.pointers()[0].ends_with("/surprise"), "{name}: {:#}", response.body);
    }
    assert_eq!(app.n_accepted(), 0);
}

#[tokio::test]
async fn a_body_of_the_cloud_api_is_a_valid_body() {
    let app = TestApp::new().await;
    let body = json!({
        "messaging_product": "whatsapp", "recipient_type": "individual", "to": CUSTOMER, "type": "text",
        "text": {"body": "Hi", "preview_url": false}, "biz_opaque_callback_data": "job=4417",
        "context": {"message_id": "wamid.HBgMNDQ3NzAwOTAwMTIzFQIAEhgUM0EwMTAyMDMwNDA1MDYwNzA4QUIA"},
    });
    let response = app.send(body).await.expect(200);
    assert_eq!(response.data()["client_reference"], "job=4417");
    let accepted_message = app.accepted_message(0);
    assert_eq!(accepted_message["context"]["message_id"].as_str().unwrap().len(), 62);
    assert_eq!(accepted_message["biz_opaque_callback_data"], response.data()["id"]);
}

#[tokio::test]
async fn a_limit_error_has_the_pointer_and_the_limit() {
    let app = TestApp::new().await;
    let long = "x".repeat(21);
    let body = interactive(json!({"type": "button", "body": {"text": "How?"},
        "action": {"buttons": [{"type": "reply", "reply": {"id": "a", "title": long}}]}}));
    let response = app.send(body).await.expect(400);
    assert_eq!(response.pointers(), ["/interactive/action/buttons/0/reply/title"]);
    assert!(response.reasons().contains("20") && response.reasons().contains("21"), "{}", response.reasons());
}
