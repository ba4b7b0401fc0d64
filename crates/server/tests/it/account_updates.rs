//! Webhooks of Meta about accounts and templates.

use domain::access::audit::{AuditAction, AuditTarget, AuditTargetKind};
use domain::id::AccountId;
use engine::AuditContext;
use serde_json::{Value, json};

use crate::contact_updates::orders;
use crate::meta_payloads::START;
use crate::support::{CUSTOMER, NEW_RECIPIENT, TestApp};

fn ban(state: &str) -> Value {
    json!({"event": "DISABLED_UPDATE", "ban_info": {"waba_ban_state": state, "waba_ban_date": "January 9, 2026"}})
}

#[tokio::test]
async fn a_disabled_business_account_sends_nothing_until_meta_reinstates_it() {
    let app = TestApp::new().await;
    app.deliver_account_webhook("account_update", 10, ban("SCHEDULE_FOR_DISABLE")).await;
    app.send_text(CUSTOMER).await.expect(200);
    app.deliver_account_webhook("account_update", 20, ban("DISABLE")).await;
    let account = app.first_account().await;
    assert_eq!(account["status"], "held");
    assert!(account["status_reason"].as_str().unwrap().contains("disabled"));
    assert_eq!(app.send_text(CUSTOMER).await.expect(503).code(), "account_disconnected");
    app.deliver_account_webhook("account_update", 30, ban("REINSTATE")).await;
    assert_eq!(app.first_account().await["status"], "connected");
    app.send_text(CUSTOMER).await.expect(200);
    let events = app.events_of_kind("account.status").await;
    let events: Vec<_> =
        events.iter().map(|data| [&data["change"], &data["status"], &data["field"]]).collect();
    let field = json!("account_update");
    assert_eq!(
        events,
        [
            [&json!("notice"), &Value::Null, &field],
            [&json!("status"), &json!("held"), &field],
            [&json!("status"), &json!("connected"), &field]
        ]
    );
}

#[tokio::test]
async fn the_latest_suspension_update_wins_in_any_order_and_each_is_one_event() {
    for order in orders(&[(10, "DISABLE"), (20, "REINSTATE"), (30, "SCHEDULE_FOR_DISABLE")]) {
        let app = TestApp::new().await;
        for (time, state) in order.iter().chain(&order) {
            app.deliver_account_webhook("account_update", *time, ban(state)).await;
        }
        assert_eq!(app.first_account().await["status"], "connected", "{order:?}");
        assert_eq!(app.events_of_kind("account.status").await.len(), 3, "{order:?}");
    }
}

#[tokio::test]
async fn a_reinstatement_ends_no_other_suspension() {
    let app = TestApp::new().await;
    let subject = AuditTarget::named(AuditTargetKind::Account, &app.account, "sandbox");
    let entry = AuditContext::gateway().entry(&app.deps, app.workspace, AuditAction::AccountHeld, subject);
    app.deps
        .accounts
        .update_account_suspension(
            app.workspace,
            app.account,
            Some(engine::ports::AccountSuspension { reason: "bad token".to_owned(), is_probed: false }),
            entry,
        )
        .await
        .unwrap();
    engine::directory::refresh(&app.deps).await.unwrap();
    app.deliver_account_webhook("account_update", 10, ban("DISABLE")).await;
    app.deliver_account_webhook("account_update", 20, ban("REINSTATE")).await;
    let account = app.first_account().await;
    assert_eq!((&account["status"], &account["status_reason"]), (&json!("held"), &json!("bad token")));
    // Neither a resume nor an added app enables an account that Meta disabled.
    app.request("POST", "/api/accounts/sandbox/resume", "").await.expect(200);
    app.deliver_account_webhook("account_update", 30, ban("DISABLE")).await;
    let waba = app.seeded.waba_id.clone();
    let partner = json!({"event": "PARTNER_ADDED", "waba_info": {"waba_id": waba, "owner_business_id": "2"}});
    app.deliver_account_webhook("account_update", 40, partner).await;
    assert_eq!(app.first_account().await["status"], "held");
}

#[tokio::test]
async fn an_account_whose_app_was_removed_is_held_for_every_kind_of_entry() {
    for event in ["PARTNER_REMOVED", "PARTNER_APP_UNINSTALLED"] {
        let app = TestApp::new().await;
        let value =
            json!({"event": event, "waba_info": {"waba_id": app.seeded.waba_id, "owner_business_id": "7"}});
        // The entry of a partner has the id of the partner's business.
        let body = json!({"object": "whatsapp_business_account", "entry": [{"id": "2949482758682047",
            "time": START + 9, "changes": [{"field": "account_update", "value": value}]}]});
        app.post_signed(&app.seeded.app_secret, body.to_string()).await.expect(200);
        assert_eq!(app.first_account().await["status"], "held", "{event}");
        let events = app.events_of_kind("account.status").await;
        assert_eq!((&events[0]["waba_id"], &events[0]["details"]), (&json!(app.seeded.waba_id), &value));
    }
    let app = TestApp::new().await;
    app.deliver_account_webhook("account_update", 1, json!({"event": "ACCOUNT_OFFBOARDED"})).await;
    assert_eq!(app.first_account().await["status"], "held");
    app.deliver_account_webhook("account_update", 2, json!({"event": "ACCOUNT_RECONNECTED"})).await;
    assert_eq!(app.first_account().await["status"], "connected");
}

/// Sets the display phone number of an account, as `waypost accounts test` does.
async fn describe(app: &TestApp, id: AccountId, number: &str) {
    let known = engine::ports::PhoneNumberInfo {
        display_phone_number: Some(number.to_owned()),
        quality_rating: Some("GREEN".to_owned()),
        messaging_limit_tier: Some("TIER_250".to_owned()),
        verified_name: Some("Harbour".to_owned()),
        ..engine::ports::PhoneNumberInfo::default()
    };
    app.deps.accounts.update_account_number(app.workspace, id, &known, app.deps.now()).await.unwrap();
    engine::directory::refresh(&app.deps).await.unwrap();
}

#[tokio::test]
async fn quality_limit_and_name_of_a_number_follow_meta() {
    let app = TestApp::new().await;
    describe(&app, app.account, "+1 555-010-9999").await;
    let says = |event: &str, members: Value| {
        let mut value = json!({"display_phone_number": "15550109999", "event": event});
        for (name, member) in members.as_object().unwrap() {
            value[name] = member.clone();
        }
        value
    };
    app.deliver_account_webhook(
        "phone_number_quality_update",
        1,
        says("FLAGGED", json!({"current_limit": "TIER_250"})),
    )
    .await;
    assert_eq!(app.first_account().await["quality_rating"], "RED");
    let upgrade = json!({"current_limit": "TIER_10K", "max_daily_conversations_per_business": "TIER_2K"});
    app.deliver_account_webhook("phone_number_quality_update", 3, says("UPGRADE", upgrade)).await;
    assert_eq!(app.first_account().await["messaging_limit"]["tier"], "TIER_2K");
    // An older update arrives late.
    app.deliver_account_webhook(
        "phone_number_quality_update",
        2,
        says("DOWNGRADE", json!({"current_limit": "TIER_50"})),
    )
    .await;
    assert_eq!(app.first_account().await["messaging_limit"]["tier"], "TIER_2K");
    app.deliver_account_webhook(
        "phone_number_quality_update",
        4,
        says("THROUGHPUT_UPGRADE", json!({"current_limit": "TIER_UNLIMITED"})),
    )
    .await;
    assert_eq!(app.first_account().await["messaging_limit"]["tier"], "TIER_UNLIMITED");
    let named = |decision: &str, name: &str| json!({"display_phone_number": "+1 (555) 010-9999", "decision": decision, "requested_verified_name": name});
    app.deliver_account_webhook("phone_number_name_update", 5, named("REJECTED", "Pier")).await;
    app.deliver_account_webhook("phone_number_name_update", 6, named("APPROVED", "Quay")).await;
    let events = app.events_of_kind("account.status").await;
    let changes: Vec<_> = events.iter().map(|data| data["change"].as_str().unwrap()).collect();
    assert_eq!(changes, ["quality", "messaging_limit", "messaging_limit", "throughput", "name", "name"]);
    assert!(events.iter().all(|data| data["whatsapp_account_id"] == app.account.to_string()));
    assert_eq!(events[0]["details"]["event"], "FLAGGED");
}

#[tokio::test]
async fn a_messaging_limit_is_a_number_or_a_tier() {
    let app = TestApp::new().await;
    for (time, members, tier) in [
        (
            1,
            json!({"max_daily_conversations_per_business": 2000, "max_phone_numbers_per_waba": 25}),
            "TIER_2K",
        ),
        (2, json!({"max_daily_conversations_per_business": "TIER_10K"}), "TIER_10K"),
        (3, json!({"max_daily_conversation_per_phone": 250}), "TIER_250"),
        (4, json!({"max_daily_conversation_per_phone": -1}), "TIER_UNLIMITED"),
        (5, json!({"max_phone_numbers_per_business": 2}), "TIER_UNLIMITED"),
        (6, json!({"max_daily_conversations_per_business": [7]}), "TIER_UNLIMITED"),
    ] {
        app.deliver_account_webhook("business_capability_update", time, members).await;
        assert_eq!(app.first_account().await["messaging_limit"]["tier"], tier, "{time}");
    }
    assert_eq!(app.events_of_kind("account.status").await.len(), 6);
}

#[tokio::test]
async fn an_update_of_a_business_account_is_one_event_for_all_its_numbers() {
    let app = TestApp::new().await;
    // A second number of the same WhatsApp Business Account.
    let new = engine::accounts::NewAccountRequest {
        workspace: app.workspace,
        name: "second".to_owned(),
        phone_number_id: "330011220099999".to_owned(),
        waba_id: app.seeded.waba_id.clone(),
        access_token: "t".into(),
        app_secret: Some(app.seeded.app_secret.clone().into()),
        verify_token: None,
        is_default: false,
        is_sandbox: true,
        fetches_links: None,
        verification: engine::accounts::Verification::Skipped,
    };
    let second =
        engine::accounts::create_account(&app.deps, &AuditContext::command_line(), new).await.unwrap().id;
    app.deliver_account_webhook("account_review_update", 1, json!({"decision": "REJECTED"})).await;
    app.deliver_account_webhook("account_update", 2, ban("DISABLE")).await;
    let events = app.events_of_kind("account.status").await;
    assert_eq!(events.len(), 2);
    assert!(events.iter().all(|data| data["whatsapp_account_id"].is_null()));
    for name in ["sandbox", "second"] {
        let shown = app.get(&format!("/api/accounts/{name}")).await;
        assert_eq!(shown.data()["status"], "held", "{name}");
    }
    // The update of one number names it by its digits.
    describe(&app, second, "+44 7700 900000").await;
    let pin = json!({"display_phone_number": "447700900000", "event": "PIN_CHANGED"});
    app.deliver_account_webhook("security", 3, pin).await;
    // The update of an unknown number is not applied to a known number.
    let other = json!({"display_phone_number": "447700900001", "event": "FLAGGED"});
    app.deliver_account_webhook("phone_number_quality_update", 4, other).await;
    let events = app.events_of_kind("account.status").await;
    assert_eq!(events[events.len() - 2]["whatsapp_account_id"], second.to_string());
    assert_eq!(events[events.len() - 1]["whatsapp_account_id"], Value::Null);
    assert_eq!(app.get("/api/accounts/second").await.data()["quality_rating"], "GREEN");
}

#[tokio::test]
async fn an_account_error_is_an_account_notice_event() {
    let app = TestApp::new().await;
    let error = json!({"code": 130_429, "title": "Rate limit hit"});
    app.deliver_number_webhook("messages", json!({"errors": [error]})).await;
    app.deliver_number_webhook("messages", json!({"errors": [error]})).await;
    let events = app.events_of_kind("account.status").await;
    assert_eq!(events.len(), 1);
    assert_eq!((&events[0]["change"], &events[0]["details"]), (&json!("notice"), &error));
    assert_eq!(events[0]["whatsapp_account_id"], app.account.to_string());
    // The same update is a new event if it arrives much later.
    app.advance(7200);
    app.deliver_number_webhook("messages", json!({"errors": [error]})).await;
    assert_eq!(app.events_of_kind("account.status").await.len(), 2);
}

#[tokio::test]
async fn notices_are_events_and_unknown_fields_are_stored() {
    let app = TestApp::new().await;
    for (field, value) in [
        (
            "account_alerts",
            json!({"entity_type": "BUSINESS", "entity_id": "6", "alert_info": {"alert_type": "OBA_APPROVED"}}),
        ),
        ("flows", json!({"event": "FLOW_STATUS_CHANGE", "flow_id": "6", "new_status": "PUBLISHED"})),
        ("payment_configuration_update", json!({"configuration_name": "a", "status": "Active"})),
        (
            "account_update",
            json!({"event": "ACCOUNT_VIOLATION", "violation_info": {"violation_type": "ADULT"}}),
        ),
        ("account_update", json!({"event": "SOMETHING_NEW", "depth": [1, {"a": null}]})),
    ] {
        app.deliver_account_webhook(field, 1, value.clone()).await;
        let event = app.events_of_kind("account.status").await.pop().unwrap();
        assert_eq!(
            (&event["change"], &event["field"], &event["details"]),
            (&json!("notice"), &json!(field), &value)
        );
    }
    let n_events = app.all_events().await.len();
    for field in ["history", "smb_app_state_sync", "group_lifecycle_update", "hologram_update"] {
        app.deliver_account_webhook(field, 1, json!({"anything": [1, 2]})).await;
    }
    assert_eq!(app.all_events().await.len(), n_events);
    assert_eq!(app.first_account().await["status"], "connected");
}

fn template(event: &str, members: &Value) -> Value {
    let mut value = json!({"event": event, "message_template_id": 1, "message_template_name": "hello_world",
        "message_template_language": "en_US", "message_template_category": "UTILITY", "reason": "NONE"});
    for (name, member) in members.as_object().unwrap() {
        value[name] = member.clone();
    }
    value
}

async fn shown_template(app: &TestApp, name: &str) -> Value {
    let mut listed = app.get(&format!("/api/templates?name={name}")).await;
    listed.body["data"]["templates"][0].take()
}

#[tokio::test]
async fn the_latest_template_status_wins_in_any_order_and_its_reason_is_stored() {
    let paused = template(
        "PAUSED",
        &json!({"other_info": {"title": "FIRST_PAUSE", "description": "paused for quality"}}),
    );
    let disabled = template(
        "DISABLED",
        &json!({"reason": "PROMOTIONAL", "disable_info": {"disable_date": "1767348700"}}),
    );
    for order in orders(&[(10, &paused), (20, &template("APPROVED", &json!({}))), (30, &disabled)]) {
        let app = TestApp::new().await;
        app.post("/api/templates/sync", &json!({})).await.expect(200);
        for (time, value) in order.iter().chain(&order) {
            app.deliver_account_webhook("message_template_status_update", *time, (*value).clone()).await;
        }
        let shown = shown_template(&app, "hello_world").await;
        assert_eq!(shown["status"], "DISABLED", "{order:?}");
        assert_eq!(shown["rejected_reason"], "PROMOTIONAL: disabled on 1767348700", "{order:?}");
        let events = app.events_of_kind("template.status").await;
        assert_eq!(events.last().unwrap()["reason"], "PROMOTIONAL: disabled on 1767348700", "{order:?}");
        assert!(events.len() <= 3);
    }
}

#[tokio::test]
async fn a_template_with_low_quality_is_an_event_and_can_still_be_sent() {
    let app = TestApp::new().await;
    app.post("/api/templates/sync", &json!({})).await.expect(200);
    app.deliver_account_webhook("message_template_status_update", 1, template("FLAGGED", &json!({}))).await;
    let events = app.events_of_kind("template.status").await;
    assert_eq!((events.len(), &events[0]["status"]), (1, &json!("FLAGGED")));
    let body = json!({"to": NEW_RECIPIENT, "type": "template", "template": {"name": "hello_world", "language": "en_US"}});
    app.send(body).await.expect(200);
}

#[tokio::test]
async fn changed_template_components_are_stored_reported_and_synced() {
    let app = TestApp::new().await;
    let definition = json!({"name": "ferry_delay", "language": "en_GB", "category": "UTILITY",
        "components": [{"type": "BODY", "text": "Late."},
            {"type": "BUTTONS", "buttons": [{"type": "URL", "text": "Track", "url": "https://ferry.example/t"}]}]});
    app.sim.add_template(None, definition.as_object().unwrap(), "APPROVED").unwrap();
    app.post("/api/templates/sync", &json!({})).await.expect(200);
    let value = json!({"message_template_id": 1, "message_template_name": "ferry_delay",
        "message_template_language": "en_GB", "message_template_element": "Very late.",
        "message_template_buttons": [{"message_template_button_type": "URL",
            "message_template_button_text": "Follow", "message_template_button_url": "https://ferry.example/f"}]});
    // Meta cannot be called; the update is applied nevertheless.
    app.sim.fail(sim::Fault {
        times: 1,
        ..sim::Fault::on(
            "/message_templates",
            sim::FaultAction::Status(sim::FaultAnswer { status: Some(500), ..Default::default() }),
        )
    });
    app.deliver_account_webhook("message_template_components_update", 10, value.clone()).await;
    app.finish_tasks().await;
    let shown = shown_template(&app, "ferry_delay").await;
    assert_eq!(shown["components"][0]["text"], "Very late.");
    assert_eq!(shown["components"][1]["buttons"][0]["text"], "Follow");
    assert_eq!(shown["components"][1]["buttons"][0]["url"], "https://ferry.example/f");
    let events = app.events_of_kind("template.status").await;
    assert_eq!((events.len(), &events[0]["change"]), (1, &json!("components")));
    // The next update starts a sync of the templates. The simulator's template is unchanged.
    app.clear_faults().await;
    app.deliver_account_webhook("message_template_components_update", 20, value).await;
    app.finish_tasks().await;
    assert_eq!(shown_template(&app, "ferry_delay").await["components"][0]["text"], "Late.");
    let events = app.events_of_kind("template.status").await;
    let changes: Vec<_> = events.iter().map(|data| data["change"].as_str().unwrap()).collect();
    assert_eq!(changes, ["components", "components", "components"]);
}

#[tokio::test]
async fn a_template_that_meta_rejects_as_paused_is_paused_at_once() {
    for (code, status, code_in_api) in
        [(132_015, "PAUSED", "template_paused"), (132_016, "DISABLED", "template_not_approved")]
    {
        let app = TestApp::new().await;
        app.post("/api/templates/sync", &json!({})).await.expect(200);
        let body = || {
            json!({"to": NEW_RECIPIENT, "type": "template",
                "template": {"name": "hello_world", "language": "en_US"}})
        };
        // Meta's webhook about the new status is late.
        let id = shown_template(&app, "hello_world").await["template_id"].as_str().unwrap().to_owned();
        let review = sim::Review { status: Some(status.to_owned()), ..sim::Review::default() };
        app.sim.review(&id, &review).unwrap().unwrap();
        drop(app.sim.take_webhooks());
        let refused = app.send(body()).await.expect(400);
        assert_eq!((refused.code(), &refused.body["details"]["meta"]["code"]), ("meta_error", &json!(code)));
        // No message is sent to Meta again.
        let n_accepted = app.n_accepted();
        assert_eq!(app.send(body()).await.expect(400).code(), code_in_api);
        assert_eq!(app.n_accepted(), n_accepted);
        assert_eq!(shown_template(&app, "hello_world").await["status"], status);
        let events = app.events_of_kind("template.status").await;
        assert_eq!(
            (events.len(), &events[0]["status"], &events[0]["change"]),
            (1, &json!(status), &json!("status"))
        );
        let review = sim::Review { status: Some("APPROVED".to_owned()), ..sim::Review::default() };
        app.sim.review(&id, &review).unwrap().unwrap();
        drop(app.sim.take_webhooks());
        app.deliver_account_webhook("message_template_status_update", 1, template("APPROVED", &json!({})))
            .await;
        app.send(body()).await.expect(200);
    }
}
