//! Templates over HTTP: create, change, delete and show, against the simulator's own implementation of Meta's rules.

use serde_json::{Value, json};
use sim::{Fault, FaultAction, FaultAnswer, Review};

use crate::support::{NEW_RECIPIENT, TestApp, TestResponse};

fn ferry() -> Value {
    json!({"name": "ferry_delay", "language": "en", "category": "utility", "components": [
        {"type": "header", "format": "text", "text": "Ferry {{1}}", "example": {"header_text": ["CM-22"]}},
        {"type": "body", "text": "Sailing from {{1}} leaves {{2}} minutes late today.",
         "example": {"body_text": [["Oban", "45"]]}},
        {"type": "footer", "text": "Harbour"},
        {"type": "buttons", "buttons": [{"type": "quick_reply", "text": "Stop alerts"}]}]})
}

async fn create(app: &TestApp, template: &Value) -> TestResponse {
    app.post("/api/templates", template).await
}

async fn put(app: &TestApp, id: &str, change: &Value) -> TestResponse {
    app.request("PUT", &format!("/api/templates/{id}"), change.to_string()).await
}

/// Reports Meta's decision about a template.
async fn review(app: &TestApp, template: &Value, status: &str) {
    // The same update in the same second would be a duplicate.
    app.advance(1);
    let review = Review { status: Some(status.to_owned()), ..Review::default() };
    app.sim.review(template["template_id"].as_str().unwrap(), &review).unwrap().unwrap();
    app.deliver_webhooks().await;
    engine::directory::refresh(&app.deps).await.unwrap();
}

#[tokio::test]
async fn a_template_is_submitted_reviewed_and_sent() {
    let app = TestApp::new().await;
    let created = create(&app, &ferry()).await.expect(201);
    let template = created.data().clone();
    assert_eq!((&template["status"], &template["category"]), (&json!("PENDING"), &json!("UTILITY")));
    assert_eq!(template["components"][1]["type"], "BODY");
    assert!(template["template_id"].as_str().unwrap().bytes().all(|byte| byte.is_ascii_digit()));
    let id = template["id"].as_str().unwrap();
    assert_eq!(app.get(&format!("/api/templates/{id}")).await.expect(200).data(), &template);
    let text = |text: &str| json!({"type": "text", "text": text});
    let send = || {
        json!({"to": NEW_RECIPIENT, "type": "template", "template": {"name": "ferry_delay", "language": "en", "components": [
            {"type": "header", "parameters": [text("CM-22")]},
            {"type": "body", "parameters": [text("Oban"), text("45")]}]}})
    };
    assert_eq!(app.send(send()).await.expect(400).code(), "template_not_approved");
    review(&app, &template, "APPROVED").await;
    app.send(send()).await.expect(200);
    let response = app.get("/api/events").await.expect(200);
    let statuses: Vec<_> = response.data()["events"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|event| event["event"] == "template.status" && event["data"]["change"] == "status")
        .map(|event| event["data"]["status"].clone())
        .collect();
    assert_eq!(statuses, ["APPROVED"]);
}

#[tokio::test]
async fn an_authentication_template_is_submitted_and_sent() {
    let app = TestApp::new().await;
    let template = json!({"name": "code", "language": "en_US", "category": "AUTHENTICATION", "components": [
        {"type": "BODY", "add_security_recommendation": true}, {"type": "FOOTER", "code_expiration_minutes": 5},
        {"type": "BUTTONS", "buttons": [{"type": "OTP", "otp_type": "COPY_CODE", "text": "Copy"}]}]});
    let created = create(&app, &template).await.expect(201).data().clone();
    review(&app, &created, "APPROVED").await;
    let code = json!([{"type": "text", "text": "123456"}]);
    let send = json!({"to": NEW_RECIPIENT, "type": "template", "template": {"name": "code", "language": "en_US", "components": [
        {"type": "body", "parameters": code},
        {"type": "button", "sub_type": "url", "index": 0, "parameters": code}]}});
    app.send(send).await.expect(200);
}

#[tokio::test]
async fn an_invalid_template_is_rejected_with_all_pointers() {
    let app = TestApp::new().await;
    let wrong = json!({"name": "Ferry", "language": "en-GB", "category": "SPAM", "whatsapp_account": "sandbox", "colour": 1,
        "components": [{"type": "BODY", "text": "{{1}} is late"}, {"type": "FOOTER", "text": "x".repeat(61)}]});
    let refused = create(&app, &wrong).await.expect(400);
    assert_eq!(refused.code(), "invalid_request");
    assert_eq!(
        refused.pointers(),
        [
            "/name",
            "/language",
            "/category",
            "/components/0/text",
            "/components/0/example",
            "/components/1/text",
            "/colour"
        ]
    );
    assert!(refused.reasons().contains("did you mean `en_GB`?"));
    let unknown_account = json!({"whatsapp_account": "nowhere", "name": "a", "language": "en", "category": "UTILITY",
        "components": [{"type": "BODY", "text": "Late."}]});
    assert_eq!(create(&app, &unknown_account).await.expect(404).code(), "account_not_found");
}

#[tokio::test]
async fn a_rejection_of_meta_has_metas_message() {
    let app = TestApp::new().await;
    create(&app, &ferry()).await.expect(201);
    let twice = create(&app, &ferry()).await.expect(400);
    assert_eq!((twice.code(), &twice.body["details"]["meta"]["subcode"]), ("meta_error", &json!(2_388_024)));
    let response = FaultAnswer { status: Some(500), ..FaultAnswer::default() };
    app.sim.fail(Fault::on("/message_templates", FaultAction::Status(response)));
    let mut other = ferry();
    other["name"] = json!("other");
    assert_eq!(create(&app, &other).await.expect(503).code(), "meta_unavailable");
    assert_eq!(app.get("/api/templates?name=other").await.data()["total"], 0);
}

#[tokio::test]
async fn a_template_can_be_edited_when_meta_allows_it() {
    let app = TestApp::new().await;
    let created = create(&app, &ferry()).await.expect(201).data().clone();
    let id = created["id"].as_str().unwrap();
    let change = json!({"components": [{"type": "BODY", "text": "It is late."}]});
    let early = put(&app, id, &change).await.expect(409);
    assert_eq!(
        (early.code(), &early.body["details"]["status"]),
        ("template_not_editable", &json!("PENDING"))
    );
    review(&app, &created, "REJECTED").await;
    let mut with_category = change.clone();
    with_category["category"] = json!("MARKETING");
    let changed = put(&app, id, &with_category).await.expect(200);
    assert_eq!(
        (&changed.data()["status"], &changed.data()["category"]),
        (&json!("PENDING"), &json!("MARKETING"))
    );
    assert_eq!(changed.data()["components"], json!([{"type": "BODY", "text": "It is late."}]));
    review(&app, &created, "APPROVED").await;
    assert_eq!(put(&app, id, &json!({"category": "UTILITY"})).await.expect(400).pointers(), ["/category"]);
    assert_eq!(
        put(&app, id, &json!({"name": "x", "components": []})).await.expect(400).pointers(),
        ["/name", "/components"]
    );
    assert_eq!(put(&app, id, &json!({})).await.expect(400).pointers(), [""]);
    put(&app, id, &change).await.expect(200);
    review(&app, &created, "APPROVED").await;
    // Meta allows one change in 24 hours, and rejects the second one.
    let often = put(&app, id, &change).await.expect(400);
    assert_eq!((often.code(), &often.body["details"]["meta"]["subcode"]), ("meta_error", &json!(2_388_039)));
    app.advance(86_401);
    put(&app, id, &change).await.expect(200);
    put(&app, "nothing", &change).await.expect(404);
}

#[tokio::test]
async fn a_template_is_deleted_in_one_language_or_in_all() {
    let app = TestApp::new().await;
    let mut ids = Vec::new();
    for language in ["en", "fr", "de"] {
        let mut template = ferry();
        template["language"] = json!(language);
        ids.push(create(&app, &template).await.expect(201).data()["id"].as_str().unwrap().to_owned());
    }
    let delete =
        async |id: &str, query: &str| app.request("DELETE", &format!("/api/templates/{id}{query}"), "").await;
    delete(&ids[0], "?all=true").await.expect(400);
    delete(&ids[0], "").await.expect(204);
    delete(&ids[0], "").await.expect(404);
    app.get(&format!("/api/templates/{}", ids[0])).await.expect(404);
    assert_eq!(app.get("/api/templates?name=ferry_delay").await.data()["total"], 2);
    delete(&ids[1], "?all_languages=true").await.expect(204);
    app.deliver_webhooks().await;
    assert_eq!(app.get("/api/templates?name=ferry_delay").await.data()["total"], 0);
    app.post("/api/templates/sync", &json!({})).await.expect(200);
    assert_eq!(app.get("/api/templates?name=ferry_delay").await.data()["total"], 0);
}

#[tokio::test]
async fn a_preview_shows_samples_or_parameters() {
    let app = TestApp::new().await;
    let created = create(&app, &ferry()).await.expect(201).data().clone();
    let path = format!("/api/templates/{}/preview", created["id"].as_str().unwrap());
    let shown = app.request("POST", &path, "").await.expect(200);
    assert_eq!(
        shown.data(),
        &json!({"header": "Ferry CM-22", "body": "Sailing from Oban leaves 45 minutes late today.",
            "footer": "Harbour", "buttons": ["Stop alerts"], "cards": [], "filled_with": "samples",
            "text": "Ferry CM-22\nSailing from Oban leaves 45 minutes late today.\nHarbour\n[Stop alerts]"})
    );
    let text = |text: &str| json!({"type": "text", "text": text});
    let components = json!([{"type": "header", "parameters": [text("CM-7")]},
        {"type": "body", "parameters": [text("Mallaig"), text("5")]}]);
    let shown = app.post(&path, &json!({"components": components})).await.expect(200);
    assert_eq!(shown.data()["body"], "Sailing from Mallaig leaves 5 minutes late today.");
    assert_eq!(shown.data()["filled_with"], "parameters");
    let short = json!({"components": [{"type": "body", "parameters": [text("Mallaig")]}]});
    let refused = app.post(&path, &short).await.expect(400);
    assert_eq!(refused.code(), "template_parameters");
    assert!(
        refused.pointers().iter().all(|pointer| pointer.starts_with("/components")),
        "{:#}",
        refused.body
    );
    assert_eq!(app.post(&path, &json!({"components": 7})).await.expect(400).pointers(), ["/components"]);
    assert_eq!(app.post(&path, &json!({"parameters": []})).await.expect(400).pointers(), ["/parameters"]);
    app.post("/api/templates/nothing/preview", &json!({})).await.expect(404);
}

#[tokio::test]
async fn a_key_changes_only_templates_of_its_accounts() {
    let app = TestApp::new().await;
    let created = create(&app, &ferry()).await.expect(201).data().clone();
    let path = format!("/api/templates/{}", created["id"].as_str().unwrap());
    let clinic = app.add_second_account().await;
    let other = app.key(move |new| new.accounts = vec![clinic]).await;
    let live = app.key(|new| new.is_test = false).await;
    let change = json!({"components": [{"type": "BODY", "text": "It is late."}]}).to_string();
    for key in [&other, &live] {
        app.request_as(key, "PUT", &path, change.clone()).await.expect(404);
        app.request_as(key, "DELETE", &path, "").await.expect(404);
        app.request_as(key, "POST", &format!("{path}/preview"), "").await.expect(404);
    }
    let mut there = ferry();
    there["whatsapp_account"] = json!("sandbox");
    app.request_as(&other, "POST", "/api/templates", there.to_string()).await.expect(403);
    let reader = app.key(|new| new.scopes = vec![domain::access::api_key::KeyScope::Read]).await;
    app.request_as(&reader, "POST", "/api/templates", ferry().to_string()).await.expect(403);
    app.request_as(&reader, "POST", &format!("{path}/preview"), "").await.expect(200);
}

fn delivery_update() -> Value {
    json!({"name": "my_update", "language": "en_US", "category": "UTILITY",
        "library_template_name": "delivery_update_1",
        "library_template_button_inputs": [{"type": "URL", "url": {
            "base_url": "https://shop.example/t/{{1}}", "url_suffix_example": "https://shop.example/t/7"}}]})
}

#[tokio::test]
async fn a_library_template_is_created_stored_and_sent() {
    let app = TestApp::new().await;
    let created = create(&app, &delivery_update()).await.expect(201).data().clone();
    assert_eq!((&created["name"], &created["status"]), (&json!("my_update"), &json!("APPROVED")));
    let kinds: Vec<_> = created["components"].as_array().unwrap().iter().map(|one| &one["type"]).collect();
    assert_eq!(kinds, ["HEADER", "BODY", "BUTTONS"]);
    let path = format!("/api/templates/{}", created["id"].as_str().unwrap());
    assert_eq!(app.get(&path).await.expect(200).data(), &created);
    let preview = app.request("POST", &format!("{path}/preview"), "").await.expect(200);
    assert!(preview.data()["text"].as_str().unwrap().contains("#12345"), "{:#}", preview.body);
    let text = |text: &str| json!({"type": "text", "text": text});
    let send = |parameters: Value| {
        json!({"to": NEW_RECIPIENT, "type": "template", "template": {"name": "my_update", "language": "en_US", "components": [
            {"type": "body", "parameters": parameters},
            {"type": "button", "sub_type": "url", "index": 0, "parameters": [text("7")]}]}})
    };
    let short = app.send(send(json!([text("Ada")]))).await.expect(400);
    assert_eq!(short.code(), "template_parameters");
    app.send(send(json!([text("Ada"), text("#7"), text("May 5th, 2026")]))).await.expect(200);
    let log = app.get("/api/audit").await.expect(200);
    let entry = &log.data()["audit"][0];
    assert_eq!(entry["details"]["library_template_name"], "delivery_update_1", "{entry:#}");
}

#[tokio::test]
async fn an_invalid_library_template_is_rejected_locally_or_with_metas_message() {
    let app = TestApp::new().await;
    let mut wrong = delivery_update();
    wrong["category"] = json!("MARKETING");
    wrong["components"] = json!([{"type": "BODY", "text": "Late."}]);
    wrong["library_template_button_inputs"][0]["url"] = json!({"base_url": "shop.example"});
    let refused = create(&app, &wrong).await.expect(400);
    assert_eq!(
        refused.pointers(),
        ["/category", "/components", "/library_template_button_inputs/0/url/base_url"]
    );
    let mut unknown = delivery_update();
    unknown["library_template_name"] = json!("delivery_update_9");
    let refused = create(&app, &unknown).await.expect(400);
    assert_eq!((refused.code(), &refused.body["details"]["meta"]["code"]), ("meta_error", &json!(100)));
    let mut own = ferry();
    own["library_template_body_inputs"] = json!({});
    assert_eq!(create(&app, &own).await.expect(400).pointers(), ["/library_template_body_inputs"]);
    assert_eq!(app.get("/api/templates?search=update").await.data()["total"], 0);
}

#[tokio::test]
async fn a_template_that_cannot_be_read_back_appears_with_the_next_sync() {
    let app = TestApp::new().await;
    let response = FaultAnswer { status: Some(500), ..FaultAnswer::default() };
    let unread = Fault {
        method: Some("GET".to_owned()),
        ..Fault::on("/message_templates", FaultAction::Status(response))
    };
    app.sim.fail(unread);
    assert_eq!(create(&app, &delivery_update()).await.expect(503).code(), "meta_unavailable");
    assert_eq!(app.get("/api/templates?name=my_update").await.data()["total"], 0);
    let log = app.get("/api/audit").await.expect(200);
    assert_eq!(log.data()["audit"][0]["details"]["library_template_name"], "delivery_update_1");
    app.post("/api/templates/sync", &json!({})).await.expect(200);
    assert_eq!(app.get("/api/templates?name=my_update").await.data()["total"], 1);
}
