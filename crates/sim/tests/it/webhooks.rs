//! Webhooks: signature, escaping, inbound messages, routing, retries, redelivery.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use http::{Method, Request, Response};
use serde_json::{Value, json};
use sim::{InboundMessage, NewAccount, Options, Order, Redelivery, Transport, Webhook};

use crate::{
    harness::{MAYA, World, fields, ok, values},
    refusals::hmac_hex,
};

/// Requests that a receiver got.
pub(crate) type Log = Arc<Mutex<Vec<Request<Bytes>>>>;

/// A receiver that passes handshakes with this token and answers posts with these statuses, the last one for ever.
pub(crate) fn receiver(token: &'static str, statuses: &'static [u16]) -> (Transport, Log) {
    let log: Log = Arc::default();
    let seen = Arc::clone(&log);
    let transport: Transport = Arc::new(move |request: Request<Bytes>| {
        let seen = Arc::clone(&seen);
        Box::pin(async move {
            let query: std::collections::BTreeMap<String, String> =
                url::form_urlencoded::parse(request.uri().query().unwrap_or_default().as_bytes())
                    .into_owned()
                    .collect();
            let is_post = request.method() == Method::POST;
            let mut seen = seen.lock().unwrap();
            let n_posts = seen.iter().filter(|request| request.method() == Method::POST).count();
            seen.push(request);
            let (status, body) = if is_post {
                (statuses[n_posts.min(statuses.len() - 1)], String::new())
            } else if query.get("hub.verify_token").map(String::as_str) == Some(token) {
                (200, query["hub.challenge"].clone())
            } else {
                (403, String::new())
            };
            Ok(Response::builder().status(status).body(Bytes::from(body)).unwrap())
        })
    });
    (transport, log)
}

fn with_receiver(token: &'static str, statuses: &'static [u16]) -> (World, Log) {
    let (transport, log) = receiver(token, statuses);
    let callback_url = Some("https://gateway.example/webhooks/meta".to_owned());
    (World::with(Options { transport: Some(transport), callback_url, ..Options::default() }), log)
}

fn signature_is_right(webhook: &Webhook, secret: &str) -> bool {
    let text = std::str::from_utf8(&webhook.body).unwrap();
    webhook.signature == format!("sha256={}", hmac_hex(secret, text))
}

#[tokio::test]
async fn the_signature_is_over_the_exact_bytes() {
    let world = World::new();
    world.sim.inbound(&InboundMessage::text(MAYA, "Zoë 👍 a@b.example https://x/y")).unwrap();
    let webhook = world.sim.take_webhooks().remove(0);
    assert!(signature_is_right(&webhook, &world.account.app_secret));
    assert!(webhook.headers.contains(&("x-hub-signature-256".to_owned(), webhook.signature.clone())));
    assert!(webhook.headers.contains(&("content-type".to_owned(), "application/json".to_owned())));
    assert_eq!(webhook.signature.len(), "sha256=".len() + 64);
    let text = std::str::from_utf8(&webhook.body).unwrap();
    assert!(text.is_ascii());
    assert!(text.contains(r"Zo\u00eb \ud83d\udc4d a\u0040b.example https:\/\/x\/y"), "{text}");
    // A receiver that signs what it would write itself must fail.
    let again = webhook.json().to_string();
    assert_ne!(webhook.signature, format!("sha256={}", hmac_hex(&world.account.app_secret, &again)));
}

#[tokio::test]
async fn plain_json_can_be_asked_for() {
    let world = World::new();
    world.set(|settings| settings.escape = sim::Escape::Plain);
    world.sim.inbound(&InboundMessage::text(MAYA, "Zoë")).unwrap();
    let webhook = world.sim.take_webhooks().remove(0);
    assert!(std::str::from_utf8(&webhook.body).unwrap().contains("Zoë"));
    assert!(signature_is_right(&webhook, &world.account.app_secret));
}

/// The inbound samples of the reference (section K).
fn samples() -> Vec<Value> {
    let lines = r#"
{"from":"447700900123","id":"wamid.HBgMNDQ3NzAwOTAwMTIzFQIAEhgUM0EwMDAxMDIwMzA0MDUwNjI1RjcA","timestamp":"1767261637","type":"image","image":{"id":"77001","mime_type":"image/jpeg","sha256":"n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg=","caption":"Scratched hull","url":"https://lookaside.fbsbx.com/whatsapp_business/attachments/?mid=77001&source=webhook&ext=1767262000&hash=ATx"}}
{"from":"447700900123","id":"wamid.2","timestamp":"1767261711","type":"audio","audio":{"id":"77003","mime_type":"audio/ogg; codecs=opus","sha256":"n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg=","voice":true}}
{"from":"447700900123","id":"wamid.3","timestamp":"1767261822","type":"location","location":{"latitude":56.4152,"longitude":-5.471,"name":"Ferry terminal","address":"Oban PA34"}}
{"from":"447700900123","id":"wamid.4","timestamp":"1767261859","type":"contacts","contacts":[{"name":{"formatted_name":"Tom Reid","first_name":"Tom","last_name":"Reid"},"phones":[{"phone":"+44 7700 900456","wa_id":"447700900456","type":"CELL"}]}]}
{"from":"447700900123","id":"wamid.5","timestamp":"1767261896","type":"interactive","context":{"from":"442079460018","id":"wamid.x"},"interactive":{"type":"button_reply","button_reply":{"id":"dlv:yes:88121","title":"Confirm"}}}
{"from":"447700900123","id":"wamid.6","timestamp":"1767261933","type":"button","context":{"from":"442079460018","id":"wamid.x"},"button":{"payload":"stop-delay-alerts","text":"Stop alerts"}}
{"from":"447700900123","id":"wamid.7","timestamp":"1767261970","type":"reaction","reaction":{"message_id":"wamid.x","emoji":"👍"}}
{"from":"447700900123","id":"wamid.8","timestamp":"1767262007","type":"reaction","reaction":{"message_id":"wamid.x"}}
{"from":"447700900123","id":"wamid.9","timestamp":"1767262081","type":"text","text":{"body":"fyi"},"context":{"frequently_forwarded":true}}
{"from":"447700900123","id":"wamid.10","timestamp":"1767262155","type":"unsupported","errors":[{"code":131051,"title":"Message type unknown","message":"Message type unknown","error_data":{"details":"Message type is currently not supported."}}],"unsupported":{"type":"poll"}}
{"from":"447700900123","id":"wamid.11","timestamp":"1767262192","type":"system","system":{"body":"User Maya Osei changed from 447700900123 to 447700900999","wa_id":"447700900999","type":"user_changed_number"}}
{"from":"447700900123","id":"wamid.12","timestamp":"1767262229","type":"edit","edit":{"original_message_id":"wamid.9","message":{"type":"text","text":{"body":"10:30 instead"}}}}
{"from":"447700900123","id":"wamid.13","timestamp":"1767262266","type":"revoke","revoke":{"original_message_id":"wamid.9"}}
{"from":"447700900123","id":"wamid.14","timestamp":"1767262266","type":"order","order":{"catalog_id":"880011223344","text":"","product_items":[{"product_retailer_id":"MUG-RED","quantity":2,"item_price":12.5,"currency":"GBP"}]}}
"#;
    lines.lines().filter(|line| !line.is_empty()).map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn inbound_messages_of_every_type_arrive_as_given() {
    for sample in samples() {
        let world = World::new();
        let inbound = InboundMessage {
            from: Some(MAYA.to_owned()),
            name: Some("Maya Osei".to_owned()),
            message: sample.clone(),
            ..InboundMessage::default()
        };
        assert_eq!(world.sim.inbound(&inbound).unwrap(), sample["id"].as_str().unwrap());
        let value = values(&world.sim.take_webhooks()).remove(0);
        let mut message = value["messages"][0].clone();
        assert!(message["from_user_id"].as_str().unwrap().starts_with("GB."));
        message.as_object_mut().unwrap().remove("from_user_id");
        assert_eq!(message, sample);
        assert_eq!(value["metadata"]["phone_number_id"], world.account.phone_number_id.as_str());
        if sample["type"] == "system" {
            assert!(value.get("contacts").is_none());
        } else {
            assert_eq!(value["contacts"][0]["profile"]["name"], "Maya Osei");
            assert_eq!(value["contacts"][0]["wa_id"], "447700900123");
        }
    }
}

#[tokio::test]
async fn missing_parts_of_an_inbound_message_are_filled_in() {
    let world = World::new();
    let id = world.sim.inbound(&InboundMessage::text("+1 555 010 0001", "hi")).unwrap();
    let message = values(&world.sim.take_webhooks())[0]["messages"][0].clone();
    assert_eq!(message["id"], id.as_str());
    assert!(id.starts_with("wamid.HBgL"), "{id}");
    assert_eq!(message["from"], "15550100001");
    assert_eq!(message["timestamp"], "1767225600");
    assert_eq!(message["type"], "text");
}

#[tokio::test]
async fn a_sender_may_be_known_by_user_id_only() {
    let world = World::new();
    let inbound = InboundMessage {
        from_user_id: Some("GB.77120394857261034".to_owned()),
        message: json!({"text": {"body": "hello"}}),
        ..InboundMessage::default()
    };
    world.sim.inbound(&inbound).unwrap();
    let value = values(&world.sim.take_webhooks()).remove(0);
    assert_eq!(value["messages"][0]["from_user_id"], "GB.77120394857261034");
    assert!(value["messages"][0].get("from").is_none());
    assert_eq!(value["contacts"][0]["user_id"], "GB.77120394857261034");
    assert!(value["contacts"][0].get("wa_id").is_none());
    let body = json!({"recipient": "GB.77120394857261034", "type": "text", "text": {"body": "x"}});
    ok(world.send(body).await);
    assert_eq!(world.words().await, ["sent", "delivered", "read"], "its window is open");
}

#[tokio::test]
async fn received_media_can_be_fetched_for_seven_days() {
    let world = World::new();
    let inbound = InboundMessage {
        from: Some(MAYA.to_owned()),
        message: json!({"type": "image", "image": {"caption": "Hull"}}),
        media_base64: Some("aGVsbG8=".to_owned()),
        ..InboundMessage::default()
    };
    world.sim.inbound(&inbound).unwrap();
    let image = values(&world.sim.take_webhooks())[0]["messages"][0]["image"].clone();
    assert_eq!(image["sha256"], "LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=");
    let id = image["id"].as_str().unwrap();
    let node = ok(world.get(&format!("/v24.0/{id}")).await);
    assert_eq!(node["sha256"], "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824");
    world.sim.advance(Duration::from_secs(7 * 86_400));
    assert_eq!(world.get(&format!("/v24.0/{id}")).await.code(), 100);
}

#[tokio::test]
async fn wrong_inbound_requests_say_why() {
    let world = World::new();
    for (inbound, part) in [
        (InboundMessage { message: json!({"type": "text"}), ..InboundMessage::default() }, "from:"),
        (InboundMessage::text("Maya", "hi"), "from:"),
        (InboundMessage { message: json!("hi"), ..InboundMessage::text(MAYA, "") }, "message:"),
        (InboundMessage { message: json!({}), ..InboundMessage::text(MAYA, "") }, "message.type:"),
        (InboundMessage { account: Some("1".to_owned()), ..InboundMessage::text(MAYA, "") }, "account:"),
        (
            InboundMessage { from_user_id: Some("x".to_owned()), ..InboundMessage::text(MAYA, "") },
            "from_user_id:",
        ),
    ] {
        let why = world.sim.inbound(&inbound).unwrap_err();
        assert!(why.starts_with(part), "{why}");
    }
    assert!(world.sim.take_webhooks().is_empty());
}

#[tokio::test]
async fn only_200_acknowledges_and_retries_thin_out_for_seven_days() {
    let (world, log) = with_receiver("t", &[500, 201, 302, 404]);
    world.sim.inbound(&InboundMessage::text(MAYA, "hi")).unwrap();
    assert_eq!(world.sim.deliver().await, 1);
    assert_eq!(world.sim.deliver().await, 1, "the first retry is immediate");
    assert_eq!(world.sim.deliver().await, 0);
    let mut gaps = Vec::new();
    let mut gap = 0;
    for _ in 0..(40 * 86_400 / 10) {
        world.sim.advance(Duration::from_secs(10));
        gap += 10;
        if world.sim.deliver().await > 0 {
            gaps.push(gap);
            gap = 0;
        }
        if gap > 3 * 3_600 {
            break;
        }
    }
    assert!(gaps.windows(2).all(|pair| pair[0] <= pair[1] + 10), "never denser: {gaps:?}");
    let n_hours: u64 = gaps.iter().sum::<u64>() / 3_600;
    assert!((166..=168).contains(&n_hours), "for seven days: {n_hours} h");
    let n = log.lock().unwrap().len();
    assert_eq!(n, gaps.len() + 2);
    let bodies: std::collections::BTreeSet<Bytes> =
        log.lock().unwrap().iter().map(|request| request.body().clone()).collect();
    assert_eq!(bodies.len(), 1, "the same bytes each time");
}

#[tokio::test]
async fn an_acknowledged_webhook_is_not_sent_again() {
    let (world, log) = with_receiver("t", &[503, 200]);
    world.sim.inbound(&InboundMessage::text(MAYA, "hi")).unwrap();
    world.sim.deliver().await;
    world.sim.deliver().await;
    world.sim.advance(Duration::from_secs(86_400));
    assert_eq!(world.sim.deliver().await, 0);
    let requests = log.lock().unwrap();
    assert_eq!(requests.len(), 2);
    assert_eq!(requests[0].uri(), "https://gateway.example/webhooks/meta");
    assert!(requests[0].headers().contains_key("x-hub-signature-256"));
}

#[tokio::test]
async fn an_override_needs_the_handshake_and_routes_messages() {
    let (world, log) = with_receiver("right", &[200]);
    let body = |token: &str| json!({"override_callback_uri": "https://other.example/hook?x=1", "verify_token": token});
    let refused = world.post("/v24.0/{waba}/subscribed_apps", body("wrong")).await;
    assert_eq!((refused.status, refused.code()), (422, 100));
    ok(world.post("/v24.0/{waba}/subscribed_apps", body("right")).await);
    let handshake = log.lock().unwrap().last().unwrap().uri().to_string();
    assert!(
        handshake.starts_with("https://other.example/hook?x=1&hub.mode=subscribe&hub.challenge="),
        "{handshake}"
    );
    let listed = ok(world.get("/v24.0/{waba}/subscribed_apps").await);
    assert_eq!(listed["data"][0]["override_callback_uri"], "https://other.example/hook?x=1");
    assert_eq!(listed["data"][0]["whatsapp_business_api_data"]["id"], world.account.app_id.as_str());

    let urls =
        |world: &World| world.sim.take_webhooks().iter().map(|hook| hook.url.clone()).collect::<Vec<_>>();
    world.sim.inbound(&InboundMessage::text(MAYA, "hi")).unwrap();
    assert_eq!(urls(&world), ["https://other.example/hook?x=1"]);

    let own = json!({"webhook_configuration": {"override_callback_uri": "https://number.example/", "verify_token": "right"}});
    ok(world.post("/v24.0/{number}", own).await);
    world.sim.inbound(&InboundMessage::text(MAYA, "hi")).unwrap();
    assert_eq!(urls(&world), ["https://number.example/"]);
    let node = ok(world.get("/v24.0/{number}?fields=webhook_configuration").await);
    assert_eq!(node["webhook_configuration"]["phone_number"], "https://number.example/");

    // Other fields always go to the app.
    let id = ok(world.get("/v24.0/{waba}/message_templates?name=hello_world").await)["data"][0]["id"].clone();
    world
        .control(
            Method::POST,
            &format!("/templates/{}/review", id.as_str().unwrap()),
            Some(json!({"status": "PAUSED"})),
        )
        .await;
    assert!(urls(&world)[0].starts_with("https://gateway.example"));

    ok(world.post("/v24.0/{number}", json!({"webhook_configuration": {"override_callback_uri": ""}})).await);
    ok(world.post("/v24.0/{waba}/subscribed_apps", json!({})).await);
    world.sim.inbound(&InboundMessage::text(MAYA, "hi")).unwrap();
    assert_eq!(urls(&world), ["https://gateway.example/webhooks/meta"]);

    ok(world.delete("/v24.0/{waba}/subscribed_apps").await);
    world.sim.inbound(&InboundMessage::text(MAYA, "hi")).unwrap();
    assert!(urls(&world).is_empty(), "nobody is subscribed");
}

#[tokio::test]
async fn an_app_subscribes_with_its_own_token() {
    let (world, _log) = with_receiver("right", &[200]);
    let app_token = format!("{}|{}", world.account.app_id, world.account.app_secret);
    let body = json!({"object": "whatsapp_business_account", "callback_url": "https://new.example/",
        "verify_token": "right", "fields": "messages"});
    let path = "/v22.0/{app}/subscriptions";
    let refused = world.post(path, body.clone()).await;
    assert_eq!((refused.status, refused.code()), (403, 200), "a user token will not do");
    ok(world.call_as(&app_token, Method::POST, path, Some(body)).await);
    let listed = ok(world.call_as(&app_token, Method::GET, path, None).await);
    assert_eq!(listed["data"][0]["callback_url"], "https://new.example/");
    assert_eq!(listed["data"][0]["fields"], json!([{"name": "messages", "version": "v22.0"}]));

    world.writes(MAYA);
    ok(world.text(MAYA).await);
    let webhooks = world.step().await;
    assert_eq!(webhooks[0].url, "https://new.example/");
    assert!(
        values(&webhooks)[0]["statuses"][0].get("conversation").is_some(),
        "version 22 shows conversations"
    );
    ok(world
        .post(
            "/v24.0/{waba}/message_templates",
            json!({"name": "a", "language": "en", "category": "UTILITY",
        "components": [{"type": "BODY", "text": "Hello there"}]}),
        )
        .await);
    world.sim.advance(Duration::from_secs(3_600));
    assert!(fields(&world.step().await).is_empty(), "only messages were subscribed to");
}

#[tokio::test]
async fn each_app_signs_with_its_own_secret() {
    let world = World::new();
    let more = NewAccount { app_secret: Some("another secret".to_owned()), ..NewAccount::default() };
    let third = world.sim.add_account(more).unwrap();
    for account in world.sim.accounts() {
        let inbound = InboundMessage {
            account: Some(account.phone_number_id.clone()),
            ..InboundMessage::text(MAYA, "hi")
        };
        world.sim.inbound(&inbound).unwrap();
        let webhooks = world.sim.take_webhooks();
        assert_eq!(webhooks.len(), 1);
        assert_eq!(webhooks[0].app_id, account.app_id);
        assert!(signature_is_right(&webhooks[0], &account.app_secret));
        assert_eq!(webhooks[0].json()["entry"][0]["id"], account.waba_id.as_str());
    }
    assert_eq!(third.app_secret, "another secret");
}

#[tokio::test]
async fn past_updates_come_again_shuffled_doubled_and_batched() {
    let world = World::new();
    world.writes(MAYA);
    for _ in 0..20 {
        ok(world.text(MAYA).await);
    }
    let first = world.step().await;
    assert_eq!(first.len(), 60);
    let original = values(&first);

    let wish = Redelivery { order: Order::Shuffled, times: Some(2), batch: Some(50), message_id: None };
    assert_eq!(world.sim.redeliver(&wish).unwrap(), (3, 122), "the inbound message and 60 statuses, twice");
    let again = world.sim.take_webhooks();
    assert!(again.iter().all(|hook| signature_is_right(hook, &world.account.app_secret)));
    let got = values(&again);
    assert_eq!(got.len(), 122);
    for update in &original {
        assert_eq!(got.iter().filter(|other| other == &update).count(), 2, "each update twice and unchanged");
    }
    assert_ne!(got[1..61], original[..], "in another order");

    let wish = Redelivery { order: Order::Reversed, batch: Some(1_000), ..Redelivery::default() };
    assert_eq!(world.sim.redeliver(&wish).unwrap(), (1, 61), "redeliveries are not redelivered");
    let mut reversed = values(&world.sim.take_webhooks());
    reversed.reverse();
    assert_eq!(reversed[1..], original[..]);

    let id = world.sim.messages()[0].message_id.clone();
    let wish = Redelivery { message_id: Some(id), ..Redelivery::default() };
    assert_eq!(world.sim.redeliver(&wish).unwrap(), (3, 3));
    assert!(world.sim.redeliver(&Redelivery { batch: Some(1_001), ..Redelivery::default() }).is_err());
}

#[tokio::test]
async fn updates_can_be_batched_at_the_first_delivery() {
    let world = World::new();
    world.set(|settings| settings.batch = 1_000);
    world.writes(MAYA);
    for _ in 0..10 {
        ok(world.text(MAYA).await);
    }
    let webhooks = world.step().await;
    assert_eq!(webhooks.len(), 1);
    assert_eq!(values(&webhooks).len(), 30);
}
