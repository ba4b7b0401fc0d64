//! Synchronous refusals, with their codes and texts.

use expect_test::expect;
use http::Method;
use serde_json::{Value, json};

use crate::harness::{MAYA, World};

#[tokio::test]
async fn an_error_has_metas_shape() {
    let world = World::new();
    let buttons = json!([{"type": "reply", "reply": {"id": "1", "title": "A title that is far too long"}}]);
    let answer = world
        .typed(
            "interactive",
            json!({"type": "button", "body": {"text": "x"}, "action": {"buttons": buttons}}),
        )
        .await;
    assert_eq!(answer.status, 400);
    expect![[r#"
        {
          "error": {
            "code": 131009,
            "error_data": {
              "details": "Button title length invalid. Min length: 1, Max length: 20",
              "messaging_product": "whatsapp"
            },
            "fbtrace_id": "AZ5o5bTooQxyeJto3WEfrEM",
            "message": "(#131009) Parameter value is not valid",
            "type": "OAuthException"
          }
        }"#]]
    .assert_eq(&serde_json::to_string_pretty(&answer.body).unwrap());
    assert!(world.sim.messages().is_empty());
}

#[tokio::test]
async fn an_unknown_key_inside_the_message_is_refused_and_outside_ignored() {
    let world = World::new();
    let template = json!({"name": "hello_world", "language": {"code": "en_US", "policystring": "x"}});
    let answer = world.template(template).await;
    assert_eq!((answer.status, answer.code()), (400, 100));
    assert_eq!(answer.message(), r#"(#100) Unexpected key "policystring" on param "template['language']"."#);

    let body = json!({"to": MAYA, "type": "text", "text": {"body": "x"}, "surplus": 1});
    assert_eq!(world.send(body.clone()).await.status, 200);
    world.set(|settings| settings.strict_top_level = true);
    assert_eq!(world.send(body).await.code(), 100);
}

/// A message that is wrong: type, object, code, a part of the sentence.
type Wrong = (&'static str, Value, i64, &'static str);

#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn wrong_messages() -> Vec<Wrong> {
    let long = |n: usize| "x".repeat(n);
    let button = |id: &str, title: &str| json!({"type": "reply", "reply": {"id": id, "title": title}});
    let buttons =
        |buttons: Value| json!({"type": "button", "body": {"text": "x"}, "action": {"buttons": buttons}});
    let row = |id: usize| json!({"id": id.to_string(), "title": "Row"});
    let list = |sections: Value| json!({"type": "list", "body": {"text": "x"}, "action": {"button": "Open", "sections": sections}});
    let rows = |range: std::ops::Range<usize>| Value::Array(range.map(row).collect());
    let link = "https://cdn.example/a";
    vec![
        ("text", json!({"body": ""}), 131_009, "Text body length invalid. Min length: 1, Max length: 4096"),
        ("text", json!({"body": long(4097)}), 131_009, "Max length: 4096"),
        ("text", json!({}), 131_008, "text['body']"),
        ("text", json!("hello"), 100, "Param text must be a JSON object"),
        ("text", json!({"body": 7}), 100, "Param text['body'] must be a string"),
        ("text", json!({"body": "x", "url": 1}), 100, "Unexpected key \"url\" on param \"text\""),
        ("image", json!({}), 131_008, "image['id'] or image['link']"),
        ("image", json!({"id": "1", "link": link}), 131_009, "either id or link"),
        ("image", json!({"link": "ftp://cdn.example/a"}), 131_009, "Media link"),
        ("image", json!({"link": link, "caption": long(1025)}), 131_009, "Max length: 1024"),
        ("image", json!({"link": link, "filename": "a"}), 100, "Unexpected key \"filename\""),
        ("image", json!({"id": "999"}), 100, "Media with the id 999"),
        ("audio", json!({"link": link, "caption": "x"}), 100, "Unexpected key \"caption\""),
        ("sticker", json!({"link": link, "caption": "x"}), 100, "Unexpected key \"caption\""),
        ("location", json!({"latitude": 1}), 131_008, "location['longitude']"),
        ("location", json!({"latitude": 91, "longitude": 1}), 131_009, "latitude must be between"),
        ("location", json!({"latitude": "north", "longitude": 1}), 100, "must be a number"),
        ("contacts", json!([]), 131_009, "Contacts count invalid"),
        ("contacts", json!([{}]), 131_008, "contacts[0]['name']"),
        ("contacts", json!([{"name": {"formatted_name": "Tom"}}]), 131_008, "at least one of first_name"),
        (
            "contacts",
            json!([{"name": {"formatted_name": "T", "first_name": "T"}, "birthday": "3 May"}]),
            131_009,
            "YYYY-MM-DD",
        ),
        (
            "contacts",
            json!([{"name": {"formatted_name": "T", "first_name": "T"}, "phones": [{"tel": "1"}]}]),
            100,
            "Unexpected key \"tel\" on param \"contacts[0]['phones'][0]\"",
        ),
        ("reaction", json!({"emoji": "👍"}), 131_008, "reaction['message_id']"),
        ("reaction", json!({"message_id": "wamid.x"}), 131_008, "reaction['emoji']"),
        ("interactive", json!({"type": "nope"}), 100, "must be one of"),
        ("interactive", json!({"type": "button", "body": {"text": "x"}}), 131_008, "interactive['action']"),
        (
            "interactive",
            json!({"type": "button", "action": {"buttons": [button("1", "A")]}}),
            131_008,
            "interactive['body']",
        ),
        ("interactive", buttons(json!([])), 131_009, "Buttons count invalid. Min count: 1, Max count: 3"),
        (
            "interactive",
            buttons(json!([button("1", "A"), button("2", "B"), button("3", "C"), button("4", "D")])),
            131_009,
            "Max count: 3",
        ),
        ("interactive", buttons(json!([button("1", "A"), button("1", "B")])), 131_009, "ids must be unique"),
        (
            "interactive",
            buttons(json!([button("1", "A"), button("2", "A")])),
            131_009,
            "titles must be unique",
        ),
        ("interactive", buttons(json!([button(" 1", "A")])), 131_009, "blanks"),
        ("interactive", buttons(json!([button("1", "")])), 131_009, "Button title length invalid"),
        (
            "interactive",
            buttons(json!([button(&long(257), "A")])),
            131_009,
            "Button id length invalid. Min length: 1, Max length: 256",
        ),
        (
            "interactive",
            json!({"type": "button", "body": {"text": long(1025)}, "action": {"buttons": [button("1", "A")]}}),
            131_009,
            "Body text length invalid. Min length: 1, Max length: 1024",
        ),
        (
            "interactive",
            json!({"type": "button", "body": {"text": "x"}, "footer": {"text": long(61)}, "action": {"buttons": [button("1", "A")]}}),
            131_009,
            "Footer text length invalid. Min length: 1, Max length: 60",
        ),
        (
            "interactive",
            json!({"type": "button", "header": {"type": "text", "text": long(61)}, "body": {"text": "x"}, "action": {"buttons": [button("1", "A")]}}),
            131_009,
            "Header text length invalid",
        ),
        (
            "interactive",
            json!({"type": "list", "header": {"type": "image", "image": {"link": link}}, "body": {"text": "x"}, "action": {"button": "O", "sections": [{"rows": rows(0..1)}]}}),
            131_009,
            "Header type invalid",
        ),
        (
            "interactive",
            list(json!([{"title": "A", "rows": rows(0..6)}, {"title": "B", "rows": rows(6..12)}])),
            131_009,
            "Total row count invalid",
        ),
        ("interactive", list(json!([{"rows": rows(0..1)}, {"rows": rows(1..2)}])), 131_008, "['title']"),
        (
            "interactive",
            list(json!([{"title": "A", "rows": [row(1), row(1)]}])),
            131_009,
            "Row ids must be unique",
        ),
        (
            "interactive",
            list(json!([{"title": long(25), "rows": rows(0..1)}])),
            131_009,
            "Section title length invalid",
        ),
        (
            "interactive",
            list(json!([{"rows": [{"id": "1", "title": long(25)}]}])),
            131_009,
            "Row title length invalid. Min length: 1, Max length: 24",
        ),
        (
            "interactive",
            list(json!([{"rows": [{"id": "1", "title": "A", "description": long(73)}]}])),
            131_009,
            "Max length: 72",
        ),
        (
            "interactive",
            json!({"type": "list", "body": {"text": "x"}, "action": {"button": long(21), "sections": [{"rows": rows(0..1)}]}}),
            131_009,
            "List button length invalid",
        ),
        (
            "interactive",
            json!({"type": "cta_url", "body": {"text": "x"}, "action": {"name": "cta_url", "parameters": {"display_text": "Go", "url": "nowhere"}}}),
            131_009,
            "Button url",
        ),
        (
            "interactive",
            json!({"type": "flow", "body": {"text": "x"}, "action": {"name": "flow", "parameters": {"flow_message_version": "3", "flow_cta": "Go"}}}),
            131_008,
            "exactly one of flow_id and flow_name",
        ),
        (
            "interactive",
            json!({"type": "product_list", "body": {"text": "x"}, "action": {"catalog_id": "1", "sections": []}}),
            131_008,
            "interactive['header']",
        ),
        (
            "interactive",
            json!({"type": "location_request_message", "body": {"text": "x"}, "footer": {"text": "x"}, "action": {"name": "send_location"}}),
            131_009,
            "no footer",
        ),
        (
            "interactive",
            json!({"type": "carousel", "body": {"text": "x"}, "action": {"cards": []}}),
            131_009,
            "Cards count invalid. Min count: 2, Max count: 10",
        ),
        ("hologram", json!({}), 131_051, "hologram"),
    ]
}

#[tokio::test]
async fn wrong_messages_are_refused_with_code_and_sentence() {
    for (kind, object, code, part) in wrong_messages() {
        let world = World::new();
        let answer = world.typed(kind, object.clone()).await;
        assert_eq!(answer.code(), code, "{kind} {object} {}", answer.body);
        assert_eq!(answer.status, 400, "{}", answer.body);
        let text = format!("{} {}", answer.message(), answer.details());
        assert!(text.contains(part), "{kind}: {text:?} lacks {part:?}");
        assert!(world.sim.messages().is_empty());
    }
}

#[tokio::test]
async fn the_envelope_is_checked() {
    let world = World::new();
    let text = json!({"body": "x"});
    let own = world.account.display_phone_number.clone();
    for (body, code, part) in [
        (
            json!({"to": MAYA, "type": "text", "text": text}),
            100,
            "The parameter messaging_product is required.",
        ),
        (
            json!({"messaging_product": "sms", "to": MAYA, "type": "text", "text": text}),
            100,
            "must be one of {whatsapp}",
        ),
        (
            json!({"messaging_product": "whatsapp", "type": "text", "text": text}),
            100,
            "The parameter to is required.",
        ),
        (
            json!({"messaging_product": "whatsapp", "to": "", "type": "text", "text": text}),
            100,
            "The parameter to is required.",
        ),
        (
            json!({"messaging_product": "whatsapp", "to": "Maya", "type": "text", "text": text}),
            100,
            "not a phone number",
        ),
        (
            json!({"messaging_product": "whatsapp", "recipient": "Maya", "type": "text", "text": text}),
            100,
            "not a business-scoped user id",
        ),
        (json!({"messaging_product": "whatsapp", "to": MAYA}), 100, "The parameter type is required."),
        (json!({"messaging_product": "whatsapp", "to": MAYA, "type": "text"}), 131_008, "text"),
        (
            json!({"messaging_product": "whatsapp", "to": MAYA, "recipient_type": "crowd", "type": "text", "text": text}),
            100,
            "recipient_type",
        ),
        (
            json!({"messaging_product": "whatsapp", "to": MAYA, "type": "text", "text": text, "context": {"id": "x"}}),
            100,
            "Unexpected key \"id\" on param \"context\"",
        ),
        (
            json!({"messaging_product": "whatsapp", "to": MAYA, "type": "text", "text": text, "biz_opaque_callback_data": "x".repeat(513)}),
            131_009,
            "Max length: 512",
        ),
        (json!({"messaging_product": "whatsapp", "to": own, "type": "text", "text": text}), 131_021, "same"),
        (
            json!({"messaging_product": "whatsapp", "status": "read", "message_id": "wamid.none"}),
            131_009,
            "message_id",
        ),
        (json!({"messaging_product": "whatsapp", "status": "read"}), 100, "message_id is required"),
        (
            json!({"messaging_product": "whatsapp", "status": "seen", "message_id": "x"}),
            100,
            "must be one of {read}",
        ),
    ] {
        let answer = world.post("/v24.0/{number}/messages", body.clone()).await;
        assert_eq!(answer.code(), code, "{body} {}", answer.body);
        let text = format!("{} {}", answer.message(), answer.details());
        assert!(text.contains(part), "{text:?} lacks {part:?}");
    }
    let reaction = json!({"to": MAYA, "type": "reaction", "reaction": {"message_id": "wamid.x", "emoji": "x"},
        "context": {"message_id": "wamid.x"}});
    assert_eq!(world.send(reaction).await.code(), 100);
}

#[tokio::test]
async fn a_body_that_is_no_json_is_refused() {
    let world = World::new();
    let request = http::Request::builder()
        .method(Method::POST)
        .uri(format!("/v24.0/{}/messages", world.account.phone_number_id))
        .header("authorization", format!("Bearer {}", world.account.access_token))
        .body(axum::body::Body::from("{nope"))
        .unwrap();
    let answer = world.request(request).await;
    assert_eq!((answer.status, answer.code()), (400, 100));
}

#[tokio::test]
async fn tokens_are_needed_and_must_be_right() {
    let world = World::new();
    let path = "/v24.0/{number}";
    let none = world.call_as("", Method::GET, path, None).await;
    assert_eq!((none.status, none.code()), (401, 104));
    let wrong = world.call_as("EAAwrong", Method::GET, path, None).await;
    assert_eq!((wrong.status, wrong.code()), (401, 190));
    assert_eq!(wrong.body["error"]["type"], "OAuthException");
    let other = world.sim.accounts()[1].access_token.clone();
    let foreign = world.call_as(&other, Method::GET, path, None).await;
    assert_eq!((foreign.status, foreign.code()), (400, 100));
    assert_eq!(foreign.body["error"]["error_subcode"], 33);
    let in_query = format!("/v24.0/{{number}}?access_token={}", world.account.access_token);
    assert_eq!(world.call_as("", Method::GET, &in_query, None).await.status, 200);
}

#[tokio::test]
async fn unknown_nodes_and_edges_are_graph_errors() {
    let world = World::new();
    let node = world.get("/v24.0/123456").await;
    assert_eq!((node.status, node.code()), (400, 100));
    assert_eq!(node.body["error"]["error_subcode"], 33);
    assert_eq!(node.body["error"]["type"], "GraphMethodException");
    assert_eq!(world.get("/v24.0/{number}/nonsense").await.code(), 2500);
    assert_eq!(world.get("/v24.0/{waba}/nonsense").await.code(), 2500);
    assert_eq!(world.get("/v24.0/{number}/a/b").await.code(), 2500);
    assert_eq!(world.get("/v24.0/{number}/messages").await.code(), 100);
}

#[tokio::test]
async fn an_appsecret_proof_is_checked_when_it_is_sent() {
    let world = World::new();
    let account = &world.account;
    // HMAC-SHA256 of the token with the app's secret, as any client would compute it.
    let proof = hmac_hex(&account.app_secret, &account.access_token);
    assert_eq!(world.get(&format!("/v24.0/{{number}}?appsecret_proof={proof}")).await.status, 200);
    let wrong = world.get("/v24.0/{number}?appsecret_proof=00").await;
    assert_eq!((wrong.status, wrong.code()), (400, 100));
    assert_eq!(wrong.body["error"]["type"], "GraphMethodException");

    let time = 1_767_225_600;
    let timed = hmac_hex(&account.app_secret, &format!("{}|{time}", account.access_token));
    let path = format!("/v24.0/{{number}}?appsecret_proof={timed}&appsecret_time={time}");
    assert_eq!(world.get(&path).await.status, 200);
    world.sim.advance(std::time::Duration::from_secs(301));
    assert_eq!(world.get(&path).await.code(), 100);
}

#[tokio::test]
async fn an_app_can_require_the_proof() {
    let mut world = World::new();
    world.account = world
        .sim
        .add_account(sim::NewAccount { requires_proof: true, ..sim::NewAccount::default() })
        .unwrap();
    let answer = world.get("/v24.0/{number}").await;
    assert_eq!((answer.status, answer.code()), (400, 100));
    let proof = hmac_hex(&world.account.app_secret, &world.account.access_token);
    assert_eq!(world.get(&format!("/v24.0/{{number}}?appsecret_proof={proof}")).await.status, 200);
}

pub(crate) fn hmac_hex(key: &str, message: &str) -> String {
    use hmac::{Hmac, KeyInit, Mac};
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(key.as_bytes()).unwrap();
    mac.update(message.as_bytes());
    mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test]
async fn an_unregistered_number_sends_nothing() {
    let world = World::new();
    assert_eq!(world.post("/v24.0/{number}/deregister", json!({})).await.status, 200);
    let answer = world.text(MAYA).await;
    assert_eq!((answer.status, answer.code()), (400, 133_010));
    assert_eq!(answer.message(), "(#133010) Account not registered");
}

#[tokio::test]
async fn a_test_number_writes_to_its_list_only() {
    let world = World::new();
    world.set(|settings| settings.allowed_recipients = Some(vec!["+44 7700 900124".to_owned()]));
    assert_eq!(world.text(MAYA).await.code(), 131_030);
    assert_eq!(world.text("+44 7700 900124").await.status, 200);
}
