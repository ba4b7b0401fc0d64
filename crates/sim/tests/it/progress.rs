//! Statuses, windows and prices.

use std::time::Duration;

use expect_test::expect;
use serde_json::{Value, json};
use sim::{InboundMessage, Options, Status, StatusReport, Step};

use crate::harness::{MAYA, World, ok, values};

const DAY: Duration = Duration::from_secs(86_400);

fn order_confirmation() -> Value {
    json!({"name": "order_confirmation", "language": {"code": "en"}, "components": [
        {"type": "body", "parameters": [{"type": "text", "text": "Maya"}, {"type": "text", "text": "WP-1"}]}]})
}

fn marketing() -> Value {
    json!({"name": "sandbox_marketing", "language": {"code": "en"}, "components": [
        {"type": "body", "parameters": [{"type": "text", "text": "Maya"}]}]})
}

#[tokio::test]
async fn a_status_webhook_has_metas_shape() {
    let world = World::new();
    world.writes(MAYA);
    let id = world
        .send(json!({"to": MAYA, "type": "text", "text": {"body": "x"}, "biz_opaque_callback_data": "job=4417;row=9"}))
        .await
        .wamid();
    let webhooks = world.step().await;
    assert_eq!(webhooks.len(), 3);
    let body = webhooks[0].json();
    assert_eq!(body["object"], "whatsapp_business_account");
    assert_eq!(body["entry"][0]["id"], world.account.waba_id.as_str());
    assert_eq!(body["entry"][0]["changes"][0]["field"], "messages");
    expect![[r#"
        {
          "contacts": [
            {
              "profile": {
                "name": "Customer 0123"
              },
              "user_id": "GB.37328502496791703",
              "wa_id": "447700900123"
            }
          ],
          "messaging_product": "whatsapp",
          "metadata": {
            "display_phone_number": "15550109999",
            "phone_number_id": "555010000000301"
          },
          "statuses": [
            {
              "biz_opaque_callback_data": "job=4417;row=9",
              "id": "WAMID",
              "pricing": {
                "billable": false,
                "category": "service",
                "pricing_model": "PMP",
                "type": "free_customer_service"
              },
              "recipient_id": "447700900123",
              "recipient_user_id": "GB.37328502496791703",
              "status": "sent",
              "timestamp": "1767225600"
            }
          ]
        }"#]]
    .assert_eq(
        &serde_json::to_string_pretty(&body["entry"][0]["changes"][0]["value"])
            .unwrap()
            .replace(&id, "WAMID"),
    );
}

#[tokio::test]
async fn pricing_is_on_sent_and_delivered_and_not_on_failed() {
    let world = World::new();
    ok(world.template(order_confirmation()).await);
    let statuses = world.statuses().await;
    let has: Vec<bool> = statuses.iter().map(|status| status.get("pricing").is_some()).collect();
    assert_eq!(has, [true, true, false]);
    ok(world.text("+44 7700 900999").await);
    let failed = &world.statuses().await[0];
    assert!(failed.get("pricing").is_none() && failed.get("conversation").is_none());
    assert_eq!(failed["errors"][0]["title"], "Re-engagement message");
    assert_eq!(failed["errors"][0]["message"], failed["errors"][0]["title"]);
    assert!(failed["errors"][0]["href"].is_string());
}

#[tokio::test]
async fn the_price_follows_window_and_category() {
    for (is_open, template, expected) in [
        (
            true,
            None,
            json!({"billable": false, "pricing_model": "PMP", "type": "free_customer_service", "category": "service"}),
        ),
        (
            true,
            Some(order_confirmation()),
            json!({"billable": false, "pricing_model": "PMP", "type": "free_customer_service", "category": "utility"}),
        ),
        (
            false,
            Some(order_confirmation()),
            json!({"billable": true, "pricing_model": "PMP", "type": "regular", "category": "utility"}),
        ),
        (
            true,
            Some(marketing()),
            json!({"billable": true, "pricing_model": "PMP", "type": "regular", "category": "marketing"}),
        ),
    ] {
        let world = World::new();
        if is_open {
            world.writes(MAYA);
        }
        match template {
            Some(template) => ok(world.template(template).await),
            None => ok(world.text(MAYA).await),
        };
        assert_eq!(world.statuses().await[0]["pricing"], expected);
    }
}

#[tokio::test]
async fn the_window_is_open_for_24_hours_from_the_last_message() {
    let world = World::new();
    ok(world.text(MAYA).await);
    assert_eq!(world.words().await, ["failed 131047"], "nobody has written yet");
    world.writes(MAYA);
    world.sim.advance(DAY - Duration::from_secs(1));
    ok(world.text(MAYA).await);
    assert_eq!(world.words().await, ["sent", "delivered", "read"]);
    world.sim.advance(Duration::from_secs(1));
    ok(world.text(MAYA).await);
    assert_eq!(world.words().await, ["failed 131047"]);
    ok(world.template(order_confirmation()).await);
    assert_eq!(world.words().await, ["sent", "delivered", "read"], "templates need no window");
}

#[tokio::test]
async fn a_window_belongs_to_one_number_and_one_person() {
    let world = World::new();
    world.writes(MAYA);
    let second = world.sim.accounts()[1].clone();
    let body = json!({"messaging_product": "whatsapp", "to": MAYA, "type": "text", "text": {"body": "x"}});
    let path = format!("/v24.0/{}/messages", second.phone_number_id);
    world.call_as(&second.access_token, http::Method::POST, &path, Some(body)).await.wamid();
    assert_eq!(world.words().await, ["failed 131047"]);
    ok(world.text("+44 7700 900124").await);
    assert_eq!(world.words().await, ["failed 131047"]);
}

#[tokio::test]
async fn some_inbound_messages_open_no_window_and_none_opens_it_later_than_now() {
    for (kind, object, is_open) in [
        ("system", json!({"body": "changed", "wa_id": "447700900999", "type": "user_changed_number"}), false),
        (
            "edit",
            json!({"original_message_id": "wamid.x", "message": {"type": "text", "text": {"body": "y"}}}),
            false,
        ),
        ("revoke", json!({"original_message_id": "wamid.x"}), false),
        ("reaction", json!({"message_id": "wamid.x", "emoji": "👍"}), true),
        ("unsupported", json!({"type": "poll"}), true),
        ("request_welcome", json!({}), true),
    ] {
        let world = World::new();
        let message = json!({"type": kind, kind: object, "timestamp": "1767312000"});
        let inbound = InboundMessage { from: Some(MAYA.to_owned()), message, ..InboundMessage::default() };
        world.sim.inbound(&inbound).unwrap();
        world.sim.take_webhooks();
        ok(world.text(MAYA).await);
        assert_eq!(world.words().await.len() == 3, is_open, "{kind}");
        world.sim.advance(DAY);
        ok(world.text(MAYA).await);
        assert_eq!(world.words().await, ["failed 131047"], "{kind}: the time lay ahead");
    }
}

#[tokio::test]
async fn an_answer_to_an_ad_opens_the_free_entry_point() {
    let world = World::new();
    let message = json!({"type": "text", "text": {"body": "Hi!"},
        "referral": {"source_url": "https://fb.me/abc", "source_id": "1", "source_type": "ad"}});
    let inbound = InboundMessage { from: Some(MAYA.to_owned()), message, ..InboundMessage::default() };
    world.sim.inbound(&inbound).unwrap();
    world.sim.take_webhooks();
    ok(world.text(MAYA).await);
    let statuses = world.statuses().await;
    assert_eq!(statuses[0]["pricing"]["type"], "free_entry_point");
    assert_eq!(statuses[0]["pricing"]["category"], "referral_conversion");
    assert_eq!(statuses[0]["conversation"]["origin"]["type"], "referral_conversion", "also from v24 on");
    world.sim.advance(DAY * 2);
    ok(world.template(marketing()).await);
    assert_eq!(world.statuses().await[0]["pricing"]["billable"], false, "72 hours are free");
    ok(world.text(MAYA).await);
    assert_eq!(world.words().await, ["failed 131047"], "it opens nothing for free-form messages");
    world.sim.advance(DAY * 2);
    ok(world.template(marketing()).await);
    assert_eq!(world.statuses().await[0]["pricing"]["billable"], true);
}

#[tokio::test]
async fn conversations_are_shown_up_to_version_23() {
    let world = World::with(Options { webhook_version: 23, ..Options::default() });
    ok(world.template(order_confirmation()).await);
    ok(world.template(order_confirmation()).await);
    let statuses = world.statuses().await;
    let first = &statuses[0]["conversation"];
    assert_eq!(first["origin"]["type"], "utility");
    assert_eq!(first["expiration_timestamp"], "1767312000");
    assert!(statuses[1]["conversation"].get("expiration_timestamp").is_none(), "only on sent");
    assert!(statuses[2].get("conversation").is_none());
    assert_ne!(first["id"], statuses[3]["conversation"]["id"], "one per message");

    world.set(|settings| settings.webhook_version = 24);
    ok(world.template(order_confirmation()).await);
    assert!(world.statuses().await.iter().all(|status| status.get("conversation").is_none()));
}

#[tokio::test]
async fn user_ids_can_be_switched_off() {
    let world = World::with(Options { user_ids: false, ..Options::default() });
    world.sim.inbound(&InboundMessage::text(MAYA, "hi")).unwrap();
    ok(world.text(MAYA).await);
    let text = world.step().await.iter().map(|hook| hook.json().to_string()).collect::<String>();
    assert!(!text.contains("user_id"), "{text}");
}

#[tokio::test]
async fn us_marketing_fails_except_for_the_fictional_numbers() {
    let world = World::new();
    for (to, template, expected) in [
        ("+1 212 555 0123", marketing(), &["failed 131049"][..]),
        ("+1 212 555 0123", order_confirmation(), &["sent", "delivered", "read"]),
        ("+1 555 010 0001", marketing(), &["sent", "delivered", "read"]),
        (MAYA, marketing(), &["sent", "delivered", "read"]),
    ] {
        ok(world.send(json!({"to": to, "type": "template", "template": template})).await);
        assert_eq!(world.words().await, expected, "{to}");
    }
}

#[tokio::test]
async fn impossible_numbers_are_accepted_and_fail() {
    let world = World::new();
    ok(world.text("+1234").await);
    assert_eq!(world.words().await, ["failed 131026"]);
}

#[tokio::test]
async fn a_wrong_identity_hash_fails() {
    let world = World::new();
    ok(world
        .post(
            "/v24.0/{number}/settings",
            json!({"user_identity_change": {"enable_identity_key_check": true}}),
        )
        .await);
    world.sim.inbound(&InboundMessage::text(MAYA, "hi")).unwrap();
    let hash = values(&world.sim.take_webhooks())[0]["contacts"][0]["identity_key_hash"].clone();
    for (hash, expected) in [(hash, 3), (json!("other"), 1)] {
        let body =
            json!({"to": MAYA, "type": "text", "text": {"body": "x"}, "recipient_identity_key_hash": hash});
        ok(world.send(body).await);
        assert_eq!(world.words().await.len(), expected);
    }
}

#[tokio::test]
async fn statuses_come_one_after_the_other_within_two_seconds() {
    let world = World::with(Options { status_delay_ms: Some(300), ..Options::default() });
    world.writes(MAYA);
    ok(world.text(MAYA).await);
    assert!(world.words().await.is_empty(), "not due yet");
    world.sim.advance(Duration::from_millis(300));
    assert_eq!(world.words().await, ["sent"]);
    world.sim.advance(Duration::from_millis(600));
    assert_eq!(world.words().await, ["delivered", "read"]);
}

#[tokio::test]
async fn a_test_can_step_statuses_one_by_one() {
    let world = World::with(Options { status_delay_ms: Some(60_000), ..Options::default() });
    world.writes(MAYA);
    let first = world.text(MAYA).await.wamid();
    world.text(MAYA).await.wamid();
    assert_eq!(world.sim.step_statuses(Step::Due), 0);
    assert_eq!(world.sim.step_statuses(Step::Next), 2);
    assert_eq!(world.sim.messages()[0].status, Status::Sent);
    assert_eq!(world.sim.step_statuses(Step::All), 4);
    assert_eq!(world.sim.messages()[1].status, Status::Read);
    assert_eq!(world.sim.messages()[0].message_id, first);
}

#[tokio::test]
async fn a_status_is_reported_by_hand_as_asked() {
    let world = World::with(Options { status_delay_ms: Some(1_000), ..Options::default() });
    world.writes(MAYA);
    let id = world.text(MAYA).await.wamid();
    assert!(world.sim.set_status(&StatusReport::of(&id, Status::Delivered)));
    let taken = values(&world.sim.take_webhooks());
    assert_eq!(taken[0]["statuses"][0]["status"], "delivered");
    world.sim.advance(Duration::from_secs(10));
    assert_eq!(world.words().await, ["read"], "what was overtaken does not come any more");
    assert!(world.sim.set_status(&StatusReport::of(&id, Status::Sent)), "also backwards, if a test wants it");
    assert_eq!(values(&world.sim.take_webhooks())[0]["statuses"][0]["status"], "sent");
    assert_eq!(world.sim.messages()[0].status, Status::Read);
    assert!(!world.sim.set_status(&StatusReport::of("wamid.none", Status::Read)));
}

#[tokio::test]
async fn a_failure_by_hand_ends_the_plan() {
    let world = World::with(Options { status_delay_ms: Some(1_000), ..Options::default() });
    world.writes(MAYA);
    let id = world.text(MAYA).await.wamid();
    let report = StatusReport {
        code: Some(130_472),
        timestamp: Some(1_767_225_700),
        ..StatusReport::of(&id, Status::Failed)
    };
    assert!(world.sim.set_status(&report));
    let status = values(&world.sim.take_webhooks())[0]["statuses"][0].clone();
    assert_eq!(status["errors"][0]["code"], 130_472);
    assert_eq!(status["timestamp"], "1767225700");
    world.sim.advance(DAY);
    assert!(world.words().await.is_empty());
}

#[tokio::test]
async fn media_of_the_wrong_kind_fail_later() {
    let world = World::new();
    world.writes(MAYA);
    let id = world.upload("application/pdf", b"%PDF").await.id();
    ok(world.typed("document", json!({"id": id})).await);
    assert_eq!(world.words().await, ["sent", "delivered", "read"]);
    ok(world.typed("image", json!({"id": id})).await);
    assert_eq!(world.words().await, ["failed 131053"]);
}
