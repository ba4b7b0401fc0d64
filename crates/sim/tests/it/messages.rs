//! Accepted messages, and the shape of the response.

use expect_test::expect;
use http::Method;
use serde_json::{Value, json};

use crate::harness::{MAYA, World, ok};

#[tokio::test]
async fn a_text_is_accepted_with_metas_answer() {
    let world = World::new();
    let answer = world.text(MAYA).await;
    assert_eq!(answer.status, 200);
    expect![[r#"
        {
          "contacts": [
            {
              "input": "+44 7700 900123",
              "wa_id": "447700900123"
            }
          ],
          "messages": [
            {
              "id": "wamid.HBgMNDQ3NzAwOTAwMTIzFQIAERgSODVEQURBQjI2QTVFOUIxN0Q0AA=="
            }
          ],
          "messaging_product": "whatsapp"
        }"#]]
    .assert_eq(&serde_json::to_string_pretty(&answer.body).unwrap());
    assert!(answer.headers["x-business-use-case-usage"].to_str().unwrap().contains(&world.account.waba_id));
    assert!(answer.headers.contains_key("x-app-usage"));
}

#[tokio::test]
async fn the_body_is_kept_as_it_came() {
    let world = World::new();
    let body = json!({"messaging_product": "whatsapp", "to": MAYA, "type": "text", "surplus": [1, null],
        "text": {"body": "Zoë", "preview_url": true}, "biz_opaque_callback_data": "job=1"});
    let id = world.post("/v24.0/{number}/messages", body.clone()).await.wamid();
    let messages = world.sim.messages();
    assert_eq!(messages.len(), 1);
    assert_eq!(messages[0].json(), body);
    assert_eq!(messages[0].message_id, id);
    assert_eq!(messages[0].to.as_deref(), Some(MAYA));
    assert_eq!(messages[0].biz_opaque_callback_data.as_deref(), Some("job=1"));
    assert_eq!(messages[0].accepted_at, "2026-01-01T00:00:00.000Z");
}

#[tokio::test]
async fn any_version_and_none_is_taken() {
    let world = World::new();
    for prefix in ["/v24.0", "/v21.0", "/v16.0", ""] {
        let body =
            json!({"messaging_product": "whatsapp", "to": MAYA, "type": "text", "text": {"body": "x"}});
        let answer = world.post(&format!("{prefix}/{{number}}/messages"), body).await;
        assert_eq!(answer.status, 200, "{prefix}");
    }
}

#[tokio::test]
async fn the_same_seed_and_calls_give_the_same_ids() {
    let mut ids = Vec::new();
    for seed in [1, 1, 2] {
        let world = World::with(sim::Options { seed, ..sim::Options::default() });
        ids.push(world.text(MAYA).await.wamid());
    }
    assert_eq!(ids[0], ids[1]);
    assert_ne!(ids[0], ids[2]);
}

#[tokio::test]
async fn a_type_may_be_missing_beside_a_text() {
    let world = World::new();
    ok(world.send(json!({"to": MAYA, "text": {"body": "x"}})).await);
}

#[tokio::test]
async fn a_form_with_json_in_strings_is_taken() {
    let world = World::new();
    let form = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("messaging_product", "whatsapp")
        .append_pair("to", MAYA)
        .append_pair("type", "text")
        .append_pair("text", r#"{"body":"hello"}"#)
        .finish();
    let request = http::Request::builder()
        .method(Method::POST)
        .uri(format!(
            "/{}/messages?access_token={}",
            world.account.phone_number_id, world.account.access_token
        ))
        .header("content-type", "application/x-www-form-urlencoded")
        .body(axum::body::Body::from(form))
        .unwrap();
    world.request(request).await.wamid();
}

/// Messages of every type, as the reference shows them.
#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn samples() -> Vec<(&'static str, Value)> {
    let link = "https://cdn.example/file";
    let card = |index: usize| {
        json!({"card_index": index, "type": "cta_url", "header": {"type": "image", "image": {"link": link}},
            "body": {"text": "One\ntwo"},
            "action": {"name": "cta_url", "parameters": {"display_text": "Look", "url": link}}})
    };
    let product_card = |index: usize| {
        json!({"card_index": index, "type": "product",
            "action": {"product_retailer_id": "MUG-RED", "catalog_id": "880011223344"}})
    };
    let interactive =
        |kind: &str, action: Value| json!({"type": kind, "body": {"text": "Body"}, "action": action});
    vec![
        ("text", json!({"preview_url": true, "body": "Your boarding pass: https://air.example/bp/7QX"})),
        ("image", json!({"link": link, "caption": "Hull"})),
        ("video", json!({"link": link, "caption": "Hull"})),
        ("audio", json!({"link": link})),
        ("audio", json!({"link": link, "voice": true})),
        ("document", json!({"link": link, "caption": "Signed", "filename": "claim.pdf"})),
        ("sticker", json!({"link": link})),
        ("location", json!({"latitude": "56.4152", "longitude": -5.471, "name": "Ferry", "address": "Oban"})),
        (
            "contacts",
            json!([{"name": {"formatted_name": "Tom Reid", "first_name": "Tom"},
            "phones": [{"phone": "+44 7700 900456", "wa_id": "447700900456", "type": "CELL"}],
            "emails": [{"email": "tom@mail.example", "type": "WORK"}], "birthday": "1990-02-03",
            "addresses": [{"street": "1 Pier", "city": "Oban", "country_code": "gb"}],
            "urls": [{"url": "https://tom.example"}], "org": {"company": "Ferries"}}]),
        ),
        (
            "interactive",
            json!({"type": "list", "header": {"type": "text", "text": "Harbour Dental"},
            "body": {"text": "Pick a slot for Thursday."}, "footer": {"text": "Reply before 18:00"},
            "action": {"button": "Show slots", "sections": [
                {"title": "Morning", "rows": [{"id": "slot-0900", "title": "09:00", "description": "Dr Okafor"}]},
                {"title": "Afternoon", "rows": [{"id": "slot-1400", "title": "14:00"}]}]}}),
        ),
        (
            "interactive",
            json!({"type": "button", "header": {"type": "image", "image": {"link": link}},
            "body": {"text": "Confirm delivery for 14 May?"}, "action": {"buttons": [
                {"type": "reply", "reply": {"id": "dlv:yes:88121", "title": "Confirm"}},
                {"type": "reply", "reply": {"id": "dlv:no:88121", "title": "Change date"}}]}}),
        ),
        (
            "interactive",
            interactive(
                "cta_url",
                json!({"name": "cta_url", "parameters": {"display_text": "Look", "url": link}}),
            ),
        ),
        ("interactive", interactive("location_request_message", json!({"name": "send_location"}))),
        (
            "interactive",
            interactive(
                "flow",
                json!({"name": "flow", "parameters": {"flow_message_version": "3",
            "flow_id": "660077001", "flow_cta": "Book", "flow_token": "bk-7", "flow_action": "navigate",
            "flow_action_payload": {"screen": "FIRST", "data": {"day": "thu"}}}}),
            ),
        ),
        (
            "interactive",
            json!({"type": "product",
            "action": {"catalog_id": "880011223344", "product_retailer_id": "MUG-RED"}}),
        ),
        (
            "interactive",
            json!({"type": "product_list", "header": {"type": "text", "text": "Mugs"},
            "body": {"text": "All"}, "action": {"catalog_id": "880011223344", "sections": [
                {"title": "Red", "product_items": [{"product_retailer_id": "MUG-RED"}]}]}}),
        ),
        (
            "interactive",
            interactive(
                "catalog_message",
                json!({"name": "catalog_message",
            "parameters": {"thumbnail_product_retailer_id": "MUG-RED"}}),
            ),
        ),
        (
            "interactive",
            interactive(
                "address_message",
                json!({"name": "address_message",
            "parameters": {"country": "IN", "values": {"city": "Pune"}}}),
            ),
        ),
        (
            "interactive",
            interactive(
                "order_details",
                json!({"name": "review_and_pay", "parameters": {
            "reference_id": "INV-204", "type": "digital-goods", "currency": "INR",
            "total_amount": {"value": 21000, "offset": 100},
            "payment_settings": [{"type": "payment_gateway", "payment_gateway": {"type": "razorpay",
                "configuration_name": "main"}}],
            "order": {"status": "pending", "items": [{"name": "Mug", "quantity": 2,
                "amount": {"value": 10000, "offset": 100}}],
                "subtotal": {"value": 20000, "offset": 100}, "tax": {"value": 1000, "offset": 100}}}}),
            ),
        ),
        (
            "interactive",
            interactive(
                "order_status",
                json!({"name": "review_order", "parameters": {
            "reference_id": "INV-204", "order": {"status": "shipped", "description": "On its way"}}}),
            ),
        ),
        ("interactive", interactive("carousel", json!({"cards": [card(0), card(1)]}))),
        ("interactive", interactive("carousel", json!({"cards": [product_card(0), product_card(1)]}))),
        (
            "interactive",
            interactive(
                "voice_call",
                json!({"name": "voice_call",
            "parameters": {"display_text": "Call", "ttl_minutes": 10}}),
            ),
        ),
        (
            "interactive",
            json!({"type": "call_permission_request", "action": {"name": "call_permission_request"}}),
        ),
        ("template", json!({"name": "hello_world", "language": {"code": "en_US"}})),
    ]
}

#[tokio::test]
async fn every_type_is_accepted_and_delivered() {
    for (kind, object) in samples() {
        let world = World::new();
        world.writes(MAYA);
        let answer = world.typed(kind, object.clone()).await;
        assert_eq!(answer.status, 200, "{kind} {object} {}", answer.body);
        let words = world.words().await;
        let is_voice = object["voice"] == json!(true);
        let expected: &[&str] =
            if is_voice { &["sent", "delivered", "read", "played"] } else { &["sent", "delivered", "read"] };
        assert_eq!(words, expected, "{kind}");
    }
}

#[tokio::test]
async fn a_template_says_its_message_status() {
    let world = World::new();
    let answer = world.template(json!({"name": "hello_world", "language": {"code": "en_US"}})).await;
    assert_eq!(answer.body["messages"][0]["message_status"], "accepted");
    let answer = world.text(MAYA).await;
    assert!(answer.body["messages"][0].get("message_status").is_none());
}

#[tokio::test]
async fn a_reaction_is_only_sent() {
    let world = World::new();
    let target = world.writes(MAYA);
    ok(world.typed("reaction", json!({"message_id": target, "emoji": "👍"})).await);
    assert_eq!(world.words().await, ["sent"]);
    ok(world.typed("reaction", json!({"message_id": target, "emoji": ""})).await);
    assert_eq!(world.words().await, ["sent"]);
}

#[tokio::test]
async fn a_reaction_to_nothing_known_fails_later() {
    let world = World::new();
    world.writes(MAYA);
    ok(world.typed("reaction", json!({"message_id": "wamid.none", "emoji": "👍"})).await);
    assert_eq!(world.words().await, ["failed 131009"]);
}

#[tokio::test]
async fn a_message_can_be_a_reply() {
    let world = World::new();
    let target = world.writes(MAYA);
    ok(world
        .send(json!({"to": MAYA, "type": "text", "text": {"body": "x"}, "context": {"message_id": target}}))
        .await);
}

#[tokio::test]
async fn a_user_id_is_answered_with_a_user_id() {
    let world = World::new();
    world.writes(MAYA);
    let webhook = &world
        .sim
        .inbound(&sim::InboundMessage::text(MAYA, "hi"))
        .map(|_| world.sim.take_webhooks())
        .unwrap()[0];
    let user_id = webhook.json()["entry"][0]["changes"][0]["value"]["contacts"][0]["user_id"].clone();
    let body = json!({"recipient": user_id, "type": "text", "text": {"body": "x"}});
    let answer = world.send(body).await;
    assert_eq!(answer.body["contacts"], json!([{"input": user_id, "user_id": user_id}]));
    let statuses = world.statuses().await;
    assert_eq!(statuses.len(), 3, "the number's window is the user id's: {statuses:?}");
    assert_eq!(statuses[0]["recipient_user_id"], user_id);
    assert!(statuses[0].get("recipient_id").is_none());
    assert_eq!(world.sim.messages()[0].recipient.as_deref(), user_id.as_str());
}

#[tokio::test]
async fn to_wins_over_recipient() {
    let world = World::new();
    let answer = world
        .send(json!({"to": MAYA, "recipient": "GB.77120394857261034", "type": "text", "text": {"body": "x"}}))
        .await;
    assert_eq!(answer.body["contacts"][0]["wa_id"], "447700900123");
}

#[tokio::test]
async fn some_numbers_are_rewritten() {
    let world = World::new();
    let answer = world.text("+55 31 98765-4321").await;
    assert_eq!(answer.body["contacts"][0], json!({"input": "+55 31 98765-4321", "wa_id": "553187654321"}));
    world.set(|settings| settings.rewrite_numbers = false);
    let answer = world.text("+55 31 98765-4321").await;
    assert_eq!(answer.body["contacts"][0]["wa_id"], "5531987654321");
}

#[tokio::test]
async fn a_received_message_is_marked_read() {
    let world = World::new();
    let id = world.writes(MAYA);
    for body in [
        json!({"status": "read", "message_id": id}),
        json!({"status": "read", "message_id": id, "typing_indicator": {"type": "text"}}),
    ] {
        let answer = world.send(body).await;
        assert_eq!((answer.status, answer.body), (200, json!({"success": true})));
    }
    assert!(world.sim.messages().is_empty());
    assert!(world.statuses().await.is_empty());
}

#[tokio::test]
async fn marketing_messages_takes_marketing_templates_only() {
    let world = World::new();
    let path = "/v24.0/{number}/marketing_messages";
    let body = |name: &str, language: &str, components: Value| {
        json!({"messaging_product": "whatsapp", "to": MAYA, "type": "template", "message_activity_sharing": true,
            "template": {"name": name, "language": {"code": language}, "components": components}})
    };
    let parameters = json!([{"type": "body", "parameters": [{"type": "text", "text": "Maya"}]}]);
    world.post(path, body("sandbox_marketing", "en", parameters)).await.wamid();
    let answer = world.post(path, body("hello_world", "en_US", json!([]))).await;
    assert_eq!(answer.code(), 134_100);
    let old = world.post("/v22.0/{number}/marketing_messages", body("hello_world", "en_US", json!([]))).await;
    assert_eq!(old.code(), 131_055);
}
