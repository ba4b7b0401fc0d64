//! Webhooks from Meta and webhook endpoints of the application.

use axum::body::Body;
use axum::http::{Request, StatusCode};
use engine::access::api_key::DEV_KEY;
use serde_json::json;
use tower::ServiceExt;

use crate::support::{CUSTOMER, NEW_RECIPIENT, TestApp, signature};

#[tokio::test]
async fn an_update_of_an_endpoint_reverted_a_secret_of_another_process() {
    let mut app = TestApp::new().await;
    let body = json!({"name": "shop", "url": "https://shop.example.com/hook", "events": ["*"]});
    let created = app.post("/api/webhooks", &body).await.expect(201);
    let path = format!("/api/webhooks/{}", created.data()["id"].as_str().unwrap());
    // Two processes use one database; the first one checks for changes once a second.
    let first = app.router.clone();
    app.restart().await;
    let rotated = app.post(&format!("{path}/rotate-secret"), &json!({})).await.expect(200);
    app.request("PUT", &path, json!({"events": ["message.incoming"]}).to_string()).await.expect(200);
    let change = Request::put(&path)
        .header("X-API-Key", DEV_KEY)
        .body(Body::from(json!({"name": "store"}).to_string()))
        .unwrap();
    assert_eq!(first.oneshot(change).await.unwrap().status(), StatusCode::OK);
    app.customer_writes(CUSTOMER, "Hi").await;
    app.deliver_events().await;
    let received = app.receiver.received();
    let secret =
        |response: &crate::support::TestResponse| response.data()["secret"].as_str().unwrap().to_owned();
    assert_eq!(received.last().unwrap().secrets, [secret(&rotated), secret(&created)]);
    let shown = app.get(&path).await.expect(200);
    assert_eq!(
        (&shown.data()["name"], &shown.data()["events"]),
        (&json!("store"), &json!(["message.incoming"]))
    );
}

#[tokio::test]
async fn a_redrive_could_not_decode_the_payloads_of_an_erased_contact() {
    let app = TestApp::new().await;
    app.customer_writes(NEW_RECIPIENT, "Hi").await;
    let sent = app.send_text(NEW_RECIPIENT).await.expect(200);
    app.step().await;
    let contact = app.message(sent.data()["id"].as_str().unwrap()).await["contact_id"].clone();
    let path = format!("/api/contacts/{}", contact.as_str().unwrap());
    app.request("DELETE", &path, "").await.expect(204);
    engine::contacts::run_erasures(&app.deps).await.unwrap();
    let accepted_message = app
        .run_with_clock(server::meta_webhook::redrive(&app.deps, jiff::Timestamp::UNIX_EPOCH, None))
        .await
        .unwrap();
    assert_eq!(
        (accepted_message.applied, accepted_message.undecodable, accepted_message.unrouted),
        (0, 0, 0),
        "{accepted_message:?}"
    );
}

#[tokio::test]
async fn a_message_to_an_account_that_another_process_had_just_added_was_unrouted() {
    let mut app = TestApp::new().await;
    let first = app.router.clone();
    app.restart().await;
    // The account belongs to the same app, whose secret the first process knows.
    let clinic = app.sim.accounts().into_iter().nth(1).unwrap();
    let new = engine::accounts::NewAccountRequest {
        fetches_links: None,
        workspace: app.workspace,
        name: "clinic".to_owned(),
        phone_number_id: clinic.phone_number_id.clone(),
        waba_id: clinic.waba_id.clone(),
        access_token: clinic.access_token.clone().into(),
        app_secret: Some(app.seeded.app_secret.clone().into()),
        verify_token: None,
        is_default: false,
        is_sandbox: true,
        verification: engine::accounts::Verification::Skipped,
    };
    engine::accounts::create_account(&app.deps, &engine::AuditContext::command_line(), new).await.unwrap();
    let body = json!({"object": "whatsapp_business_account", "entry": [{"id": clinic.waba_id, "changes": [{
        "field": "messages", "value": {"messaging_product": "whatsapp",
            "metadata": {"phone_number_id": clinic.phone_number_id},
            "messages": [{"from": &NEW_RECIPIENT[1..], "id": "wamid.first", "timestamp": "1767225600", "type": "text",
                "text": {"body": "Hi"}}]}}]}]})
    .to_string();
    let post = Request::post("/webhooks/meta")
        .header("X-Hub-Signature-256", signature(&app.seeded.app_secret, body.as_bytes()))
        .body(Body::from(body))
        .unwrap();
    assert_eq!(first.oneshot(post).await.unwrap().status(), StatusCode::OK);
    assert_eq!(app.message("wamid.first").await["status"], "received");
}
