//! Opt-outs from marketing messages: by a keyword, at Meta, and by the application.

use domain::contacts::opt_out::OptOutKeywords;
use serde_json::{Value, json};
use sim::InboundMessage;

use crate::support::{NEW_RECIPIENT, TestApp};

async fn contact(app: &TestApp) -> Value {
    let number = NEW_RECIPIENT.trim_start_matches('+');
    let found = app.get(&format!("/api/contacts?phone_number={number}")).await.expect(200);
    found.data()["contacts"][0].clone()
}

async fn updates(app: &TestApp) -> usize {
    let page = app.get("/api/events?per_page=200&events=contact.updated").await.expect(200);
    let events = page.data()["events"].as_array().unwrap();
    events.iter().filter(|event| event["data"]["changes"] == json!(["opted_out"])).count()
}

fn sale() -> Value {
    json!({"to": NEW_RECIPIENT, "type": "template", "template": {"name": "sandbox_marketing", "language": "en",
        "components": [{"type": "body", "parameters": [{"type": "text", "text": "Maya"}]}]}})
}

#[tokio::test]
async fn a_keyword_opts_out_and_another_one_opts_in() {
    let app = TestApp::new().await;
    app.request("POST", "/api/templates/sync", "").await.expect(200);
    app.customer_writes(NEW_RECIPIENT, "Hi there").await;
    app.send(sale()).await.expect(200);
    app.advance(60);
    app.customer_writes(NEW_RECIPIENT, " Stop! ").await;
    let out = contact(&app).await;
    assert_eq!(
        (&out["opted_out"], &out["opted_out_reason"], &out["opted_out_at"]),
        (&json!(true), &json!("word"), &json!("2026-01-01T00:01:00.000Z"))
    );
    assert_eq!(app.send(sale()).await.expect(400).code(), "recipient_opted_out");
    // Texts and utility templates are not marketing.
    app.send_text(NEW_RECIPIENT).await.expect(200);
    let utility = json!({"to": NEW_RECIPIENT, "type": "template", "template": {"name": "hello_world", "language": "en_US"}});
    app.send(utility).await.expect(200);
    app.advance(60);
    let message = json!({"type": "interactive", "interactive": {
        "type": "button_reply", "button_reply": {"id": "x", "title": "Start"}}});
    app.inbound(&InboundMessage { message, ..InboundMessage::text(NEW_RECIPIENT, "") }).await;
    assert_eq!(contact(&app).await["opted_out"], false);
    app.send(sale()).await.expect(200);
    assert_eq!(updates(&app).await, 2);
}

#[tokio::test]
async fn late_or_repeated_keywords_change_nothing() {
    let app = TestApp::new().await;
    app.sim.inbound(&InboundMessage::text(NEW_RECIPIENT, "STOP")).unwrap();
    app.advance(5);
    app.sim.inbound(&InboundMessage::text(NEW_RECIPIENT, "START")).unwrap();
    let webhooks = app.sim.take_webhooks();
    assert_eq!(webhooks.len(), 2);
    // The webhooks arrive in reverse order, and twice.
    for webhook in webhooks.iter().rev().chain(&webhooks) {
        app.post_signed(&app.seeded.app_secret, webhook.body.clone()).await.expect(200);
    }
    let contact = contact(&app).await;
    assert_eq!((&contact["opted_out"], &contact["opted_out_at"]), (&json!(false), &Value::Null));
    assert_eq!(updates(&app).await, 0);
}

#[tokio::test]
async fn an_opt_out_at_meta_counts_and_a_keyword_opts_in_again() {
    let app = TestApp::new().await;
    app.customer_writes(NEW_RECIPIENT, "Hi").await;
    let sent = app.send_text(NEW_RECIPIENT).await.expect(200);
    app.step().await;
    let wamid = sent.data()["message_id"].as_str().unwrap();
    let status = json!({
        "id": wamid, "status": "failed", "timestamp": "1767225630", "recipient_id": NEW_RECIPIENT.trim_start_matches('+'),
        "errors": [{"code": 131_050, "title": "The user has stopped marketing messages"}]
    });
    app.advance(60);
    let body = json!({"object": "whatsapp_business_account", "entry": [{"id": app.seeded.waba_id, "changes": [{
        "field": "messages", "value": {"messaging_product": "whatsapp",
            "metadata": {"phone_number_id": app.seeded.phone_number_id}, "statuses": [status]}}]}]});
    app.post_signed(&app.seeded.app_secret, body.to_string()).await.expect(200);
    let out = contact(&app).await;
    assert_eq!(
        (&out["opted_out_reason"], &out["opted_out_at"]),
        (&json!("meta"), &json!("2026-01-01T00:00:30.000Z"))
    );
    app.customer_writes(NEW_RECIPIENT, "start").await;
    assert_eq!(contact(&app).await["opted_out"], false);
}

#[tokio::test]
async fn the_application_can_opt_a_contact_in_again() {
    let app = TestApp::new().await;
    app.customer_writes(NEW_RECIPIENT, "STOP").await;
    let path = format!("/api/contacts/{}", contact(&app).await["id"].as_str().unwrap());
    let body = json!({"opted_out": false}).to_string();
    let lifted = app.request("PUT", &path, body).await.expect(200);
    assert_eq!(
        (&lifted.data()["opted_out"], &lifted.data()["opted_out_reason"]),
        (&json!(false), &Value::Null)
    );
    app.advance(1);
    app.customer_writes(NEW_RECIPIENT, "stop").await;
    assert_eq!(contact(&app).await["opted_out"], true);
}

#[tokio::test]
async fn the_keywords_are_configurable() {
    let app = TestApp::with(|settings| settings.opt_out = OptOutKeywords::new(&["basta"], &[])).await;
    app.customer_writes(NEW_RECIPIENT, "STOP").await;
    assert_eq!(contact(&app).await["opted_out"], false);
    app.customer_writes(NEW_RECIPIENT, "Basta!!").await;
    assert_eq!(contact(&app).await["opted_out"], true);
}

#[tokio::test]
async fn queued_marketing_is_not_sent_after_an_opt_out() {
    let app = TestApp::new().await;
    app.request("POST", "/api/templates/sync", "").await.expect(200);
    app.customer_writes(NEW_RECIPIENT, "Hi").await;
    let later = |mut body: Value| {
        body["send_at"] = json!("2026-01-01T01:00:00.000Z");
        body
    };
    let utility = json!({"to": NEW_RECIPIENT, "type": "template", "template": {"name": "hello_world", "language": "en_US"}});
    let fallback = json!({"to": NEW_RECIPIENT, "type": "text", "text": "Hi", "send_at": "2026-01-03T00:00:00.000Z",
        "fallback_template": sale()["template"]});
    let mut ids = Vec::new();
    for body in [later(sale()), later(utility), fallback] {
        let sent = app.send(body).await.expect(202);
        ids.push(sent.data()["id"].as_str().unwrap().to_owned());
    }
    app.advance(60);
    app.customer_writes(NEW_RECIPIENT, "STOP").await;
    app.advance(3_600);
    app.tick_queue().await;
    let sale = app.message(&ids[0]).await;
    assert_eq!((&sale["status"], &sale["error"]["code"]), (&json!("failed"), &json!("recipient_opted_out")));
    assert_eq!(app.message(&ids[1]).await["status"], "sent");
    // The window closes, so that only the template could be sent.
    app.advance(2 * 86_400);
    app.tick_queue().await;
    let fallback = app.message(&ids[2]).await;
    assert_eq!(fallback["error"]["code"], "recipient_opted_out", "{fallback:#}");
    assert_eq!(app.n_accepted(), 1);
}
