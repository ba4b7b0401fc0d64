//! The webhook endpoint for Meta.

use axum::body::Body;
use axum::http::Request;
use proptest::prelude::*;
use serde_json::{Value, json};
use sim::InboundMessage;

use crate::support::{CUSTOMER, NEW_RECIPIENT, TestApp};

async fn verify(app: &TestApp, token: &str) -> crate::support::TestResponse {
    let path = format!("/webhooks/meta?hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token={token}");
    app.call(Request::get(path).body(Body::empty()).unwrap()).await
}

#[tokio::test]
async fn the_challenge_is_returned_for_a_valid_verify_token() {
    let app = TestApp::new().await;
    let response = verify(&app, &app.seeded.verify_token).await.expect(200);
    assert_eq!(response.body, json!(1_158_201_444));
    assert!(response.headers["content-type"].to_str().unwrap().starts_with("text/plain"));
    verify(&app, "another").await.expect(403);
    verify(&app, "").await.expect(403);
    app.call(Request::get("/webhooks/meta").body(Body::empty()).unwrap()).await.expect(403);
}

#[tokio::test]
async fn an_unsigned_payload_is_not_parsed() {
    let app = TestApp::new().await;
    let body = envelope(&app, &json!([text("wamid.X", "447700900123")]));
    let unsigned = Request::post("/webhooks/meta").body(Body::from(body.to_string())).unwrap();
    app.call(unsigned).await.expect(401);
    app.post_signed("another secret", body.to_string()).await.expect(401);
    let other_bytes = Request::post("/webhooks/meta")
        .header("X-Hub-Signature-256", crate::support::signature(&app.seeded.app_secret, b"{}"))
        .body(Body::from(body.to_string()))
        .unwrap();
    app.call(other_bytes).await.expect(401);
    assert_eq!(app.get("/api/messages").await.data()["total"], 1);
}

#[tokio::test]
async fn a_signed_payload_is_400_if_it_is_not_json_and_200_if_it_is_unknown() {
    let app = TestApp::new().await;
    app.post_signed(&app.seeded.app_secret, "not json").await.expect(400);
    app.post_signed(&app.seeded.app_secret, "").await.expect(400);
    for strange in
        ["{}", "[]", "null", "17", "\"x\"", r#"{"entry":7}"#, r#"{"entry":[{"changes":[{"value":[]}]}]}"#]
    {
        app.post_signed(&app.seeded.app_secret, strange).await.expect(200);
    }
}

fn envelope(app: &TestApp, messages: &Value) -> Value {
    json!({"object": "whatsapp_business_account", "entry": [{"id": app.seeded.waba_id, "changes": [{
        "field": "messages",
        "value": {
            "messaging_product": "whatsapp",
            "metadata": {"display_phone_number": "15550109999", "phone_number_id": app.seeded.phone_number_id},
            "contacts": [{"profile": {"name": "Maya Osei"}, "wa_id": "447700900123"}],
            "messages": messages,
        },
    }]}]})
}

fn text(wamid: &str, from: &str) -> Value {
    json!({"from": from, "id": wamid, "timestamp": "1767225600", "type": "text", "text": {"body": "Hi"}})
}

#[tokio::test]
async fn an_invalid_change_does_not_affect_other_changes() {
    let app = TestApp::new().await;
    let messages = json!([
        text("wamid.1", "447700900123"),
        {"id": 7},
        null,
        {"from": "447700900123", "id": "wamid.bad", "timestamp": "soon", "type": "text"},
        text("wamid.2", "447700900123"),
    ]);
    let body = envelope(&app, &messages);
    app.post_signed(&app.seeded.app_secret, body.to_string()).await.expect(200);
    for wamid in ["wamid.1", "wamid.2"] {
        assert_eq!(app.message(wamid).await["from"], "+447700900123");
    }
}

#[tokio::test]
async fn changes_of_a_number_with_another_app_secret_are_not_applied() {
    let app = TestApp::new().await;
    app.add_second_account().await;
    let clinic = app.sim.accounts().into_iter().nth(1).unwrap();
    assert_ne!(clinic.app_secret, app.seeded.app_secret);
    let body = envelope(&app, &json!([text("wamid.forged", "447700900123")]));
    app.post_signed(&clinic.app_secret, body.to_string()).await.expect(200);
    app.get("/api/messages/wamid.forged").await.expect(404);
    app.post_signed(&app.seeded.app_secret, body.to_string()).await.expect(200);
    app.get("/api/messages/wamid.forged").await.expect(200);
}

#[tokio::test]
async fn a_redelivered_webhook_changes_nothing() {
    let app = TestApp::new().await;
    let body = envelope(&app, &json!([text("wamid.1", "447700900123")])).to_string();
    app.post_signed(&app.seeded.app_secret, body.clone()).await.expect(200);
    let before = app.message("wamid.1").await;
    app.advance(5);
    for _ in 0..5 {
        app.post_signed(&app.seeded.app_secret, body.clone()).await.expect(200);
    }
    assert_eq!(app.message("wamid.1").await, before);
    assert_eq!(app.get("/api/messages").await.data()["total"], 2);
}

#[tokio::test]
async fn a_message_stores_the_raw_payload_and_its_contact() {
    let app = TestApp::new().await;
    let raw = text("wamid.1", "447700900123");
    let body = envelope(&app, &json!([raw]));
    app.post_signed(&app.seeded.app_secret, body.to_string()).await.expect(200);
    let message = app.message("wamid.1").await;
    assert_eq!(message["raw"], raw);
    assert_eq!(message["text"], json!({"body": "Hi"}));
    assert_eq!((&message["direction"], &message["status"]), (&json!("inbound"), &json!("received")));
    let contacts = app.get("/api/contacts?search=Maya").await;
    assert_eq!(contacts.data()["contacts"][0]["phone_number"], "+447700900123");
    assert_eq!(contacts.data()["contacts"][0]["id"], message["contact_id"]);
}

#[tokio::test]
async fn every_message_type_is_stored_with_its_object_and_unknown_types_are_unsupported() {
    let app = TestApp::new().await;
    for (message, kind) in [
        (
            json!({"type": "sticker", "sticker": {"id": "77005", "mime_type": "image/webp", "sha256": "n4bQ", "animated": false, "url": "https://example.com/s"}}),
            "sticker",
        ),
        (json!({"type": "location", "location": {"latitude": 56.4, "longitude": -5.4}}), "location"),
        (json!({"type": "reaction", "reaction": {"message_id": "wamid.x", "emoji": "👍"}}), "reaction"),
        (json!({"type": "button", "button": {"payload": "stop", "text": "Stop"}}), "button"),
        (json!({"type": "order", "order": {"catalog_id": "8", "product_items": []}}), "order"),
        (json!({"type": "hologram", "hologram": {"depth": 3}}), "unsupported"),
    ] {
        let inbound = InboundMessage {
            from: Some(NEW_RECIPIENT.to_owned()),
            message: message.clone(),
            ..InboundMessage::default()
        };
        let wamid = app.inbound(&inbound).await;
        let stored = app.message(&wamid).await;
        assert_eq!(stored["type"], kind, "{stored:#}");
        assert_eq!(stored[kind], message[message["type"].as_str().unwrap()], "{stored:#}");
        assert_eq!(stored["raw"]["type"], message["type"]);
    }
}

#[tokio::test]
async fn a_contact_without_a_number_can_write_and_receive_replies() {
    let app = TestApp::new().await;
    let inbound = InboundMessage {
        from_user_id: Some("GB.77120394857261034".to_owned()),
        message: json!({"type": "text", "text": {"body": "hello"}}),
        ..InboundMessage::default()
    };
    app.inbound(&inbound).await;
    let response = app
        .send(json!({"recipient": "GB.77120394857261034", "type": "text", "text": "Hi"}))
        .await
        .expect(200);
    assert_eq!(response.data()["to"], Value::Null);
    assert_eq!(response.data()["recipient"], "GB.77120394857261034");
    let contact = app.get("/api/contacts?search=GB").await;
    let contacts = app.get("/api/contacts").await;
    let known = contacts.data()["contacts"].as_array().unwrap();
    let id = known.iter().find(|one| one["user_id"] == "GB.77120394857261034").unwrap()["id"].clone();
    app.send(json!({"contact": id, "type": "text", "text": "Hi"})).await.expect(200);
    contact.expect(200);
}

#[tokio::test]
async fn escaped_text_in_a_payload_is_decoded() {
    let app = TestApp::new().await;
    let text = "Grüße, 你好, 👍 a/b me@example.com";
    let wamid = app.customer_writes(CUSTOMER, text).await;
    assert_eq!(app.message(&wamid).await["text"]["body"], text);
}

#[tokio::test]
async fn a_template_that_meta_pauses_is_paused_at_once() {
    let app = TestApp::new().await;
    app.post("/api/templates/sync", &json!({})).await.expect(200);
    let template = |path: &str| format!("{path}?name=hello_world");
    let id = app.get(&template("/api/templates")).await.data()["templates"][0]["template_id"].clone();
    let review: sim::Review = serde_json::from_value(json!({"status": "PAUSED"})).unwrap();
    app.sim.review(id.as_str().unwrap(), &review).unwrap().unwrap();
    app.deliver_webhooks().await;
    let body = json!({"to": NEW_RECIPIENT, "type": "template", "template": {"name": "hello_world", "language": "en_US"}});
    let response = app.send(body).await.expect(400);
    assert_eq!(response.code(), "template_paused");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, ..ProptestConfig::default() })]

    #[test]
    fn no_signed_body_is_ever_a_5xx(bodies in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..80), 8)) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        runtime.block_on(async {
            let app = TestApp::new().await;
            let sample = envelope(&app, &json!([text("wamid.1", "447700900123")])).to_string();
            for bytes in bodies {
                // Random bytes alone, and random bytes inside of a valid body.
                let mut mixed = sample.clone().into_bytes();
                let middle = usize::from(bytes.first().copied().unwrap_or(0)) * 2 % mixed.len();
                let end = (middle + bytes.len()).min(mixed.len());
                mixed.splice(middle..end, bytes.clone());
                for body in [bytes, mixed] {
                    let response = app.post_signed(&app.seeded.app_secret, body).await;
                    assert!(!response.status.is_server_error());
                }
            }
        });
    }
}
