//! Reads: message details, accounts, contacts and pages.

use engine::{AuditContext, background};
use serde_json::{Value, json};

use crate::support::{CUSTOMER, TestApp};

#[tokio::test]
async fn a_message_detail_has_each_step_with_metas_times_and_the_price() {
    let app = TestApp::new().await;
    let response = app.send_text(CUSTOMER).await.expect(200);
    app.advance(1);
    app.step().await;
    let id = response.data()["id"].as_str().unwrap();
    let message = app.message(id).await;
    let steps: Vec<_> = message["timeline"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| (entry["source"].as_str().unwrap(), entry["status"].as_str().unwrap()))
        .collect();
    assert_eq!(
        steps,
        [
            ("waypost", "sending"),
            ("waypost", "sent"),
            ("meta", "sent"),
            ("meta", "delivered"),
            ("meta", "read")
        ]
    );
    assert_eq!(message["pricing"]["category"], "service");
    assert_eq!(message["status"], "read");
    assert_eq!(message["text"], json!({"body": "Hello!"}));
    let by_wamid = app.message(response.data()["message_id"].as_str().unwrap()).await;
    assert_eq!(by_wamid, message);
}

#[tokio::test]
async fn messages_are_filtered_and_paged() {
    let app = TestApp::new().await;
    for i in 0..7 {
        let body =
            json!({"to": CUSTOMER, "type": "text", "text": "Hi", "client_reference": format!("order-{i}")});
        app.send(body).await.expect(200);
        app.advance(1);
    }
    let total = |query: &str| {
        let path = format!("/api/messages?{query}");
        let app = &app;
        async move { app.get(&path).await.expect(200).data()["total"].as_i64().unwrap() }
    };
    assert_eq!(total("").await, 8);
    assert_eq!(total("direction=inbound").await, 1);
    assert_eq!(total("direction=outbound&type=text&status=sent").await, 7);
    assert_eq!(total("client_reference=order-3").await, 1);
    assert_eq!(total("account=sandbox").await, 8);
    assert_eq!(total("since=2026-01-01T00:00:03.000Z&until=2026-01-01T00:00:05.000Z").await, 2);
    app.get("/api/messages?account=nowhere").await.expect(404);

    let mut seen = Vec::new();
    let mut path = "/api/messages?per_page=3".to_owned();
    loop {
        let page = app.get(&path).await.expect(200);
        seen.extend(page.data()["messages"].as_array().unwrap().iter().map(|one| one["id"].clone()));
        let Some(cursor) = page.data()["next_cursor"].as_str() else { break };
        path = format!("/api/messages?per_page=3&cursor={cursor}");
    }
    assert_eq!(seen.len(), 8);
    let numbered = app.get("/api/messages?per_page=3&page=3").await;
    assert_eq!(numbered.data()["messages"].as_array().unwrap().len(), 2);
    assert_eq!(numbered.data()["next_cursor"], Value::Null);
    assert_eq!((&numbered.data()["page"], &numbered.data()["per_page"]), (&json!(3), &json!(3)));
}

#[tokio::test]
async fn accounts_and_contacts_are_shown() {
    let app = TestApp::new().await;
    app.add_second_account().await;
    let accounts = app.get("/api/accounts").await.expect(200);
    assert_eq!(accounts.data()["total"], 2);
    let first = &accounts.data()["accounts"][0];
    assert_eq!(
        (&first["name"], &first["default"], &first["sandbox"]),
        (&json!("sandbox"), &json!(true), &json!(true))
    );
    assert_eq!(first["status"], "connected");
    app.get("/api/accounts/clinic").await.expect(200);
    app.get("/api/accounts/nowhere").await.expect(404);

    let contacts = app.get("/api/contacts?phone_number=%2B15550100001").await.expect(200);
    let contact = &contacts.data()["contacts"][0];
    assert_eq!(contact["phone_number"], CUSTOMER);
    assert!(contact["last_inbound_at"].is_string());
    let id = contact["id"].as_str().unwrap();
    app.get(&format!("/api/contacts/{id}")).await.expect(200);
    app.get("/api/contacts/nobody").await.expect(404);
}

#[tokio::test]
async fn an_account_shows_its_messaging_limit_and_its_usage() {
    let app = TestApp::new().await;
    background::tick_phone_numbers(&app.deps).await.unwrap();
    let template = |to: &str| json!({"to": to, "type": "template", "template": {"name": "hello_world", "language": "en_US"}});
    // Two recipients without a window, one of them twice, and a customer with an open window.
    for to in ["+447700900001", "+447700900002", "+447700900002", CUSTOMER] {
        app.send(template(to)).await.expect(200);
    }
    let account = app.get("/api/accounts/sandbox").await;
    let limit = &account.data()["messaging_limit"];
    assert_eq!(limit["used_24h"], 2);
    assert!(limit["tier"].as_str().unwrap().starts_with("TIER_"));
    assert_eq!(account.data()["display_phone_number"], "+1 555-010-9999");
    app.advance(24 * 3600);
    assert_eq!(app.get("/api/accounts").await.data()["accounts"][0]["messaging_limit"]["used_24h"], 0);
}

#[tokio::test]
async fn an_inbound_message_is_marked_as_read_with_a_typing_indicator() {
    let app = TestApp::new().await;
    let wamid = app.customer_writes(CUSTOMER, "Are you there?").await;
    let path = |id: &str| {
        let id: String = url::form_urlencoded::byte_serialize(id.as_bytes()).collect();
        format!("/api/messages/{id}/read")
    };
    app.request("POST", &path(&wamid), "").await.expect(200);
    app.post(&path(&wamid), &json!({"typing_indicator": true})).await.expect(200);
    app.post(&path(&wamid), &json!({"typing": true})).await.expect(400);
    let response = app.post(&path("wamid.unknown"), &json!({})).await.expect(404);
    assert_eq!(response.code(), "message_not_found");
    let sent = app.send_text(CUSTOMER).await.expect(200);
    app.post(&path(sent.data()["message_id"].as_str().unwrap()), &json!({})).await.expect(404);
}

#[tokio::test]
async fn a_cursor_is_valid_for_its_list_its_order_and_its_workspace_only() {
    let app = TestApp::new().await;
    for _ in 0..3 {
        app.send_text(CUSTOMER).await.expect(200);
        app.advance(10);
    }
    let clinic = engine::workspace::create_workspace(&app.deps, &AuditContext::command_line(), "clinic")
        .await
        .unwrap();
    let stranger = app.key(|key| key.workspace = clinic).await;
    let page = app.get("/api/messages?per_page=1").await.expect(200);
    let cursor = page.data()["next_cursor"].as_str().unwrap();
    app.get(&format!("/api/messages?per_page=1&cursor={cursor}")).await.expect(200);
    let changed = format!("{}A", cursor.strip_suffix('A').unwrap_or(&cursor[..cursor.len() - 1]));
    let changed = if changed == cursor { cursor.replace('A', "B") } else { changed };
    for path in [
        format!("/api/contacts?cursor={cursor}"),
        format!("/api/messages?order=asc&cursor={cursor}"),
        format!("/api/messages?cursor={changed}"),
        "/api/messages?cursor=bWVzc2FnZXM6Mg".to_owned(),
    ] {
        assert_eq!(app.get(&path).await.expect(400).pointers(), ["/cursor"], "{path}");
    }
    let path = format!("/api/messages?cursor={cursor}");
    let response = app.request_as(stranger.as_str(), "GET", &path, "").await.expect(400);
    assert_eq!(response.pointers(), ["/cursor"]);
}
