//! The audit log: one entry for each administrative action.

use std::net::SocketAddr;

use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::Request;
use domain::access::permission::Role;
use engine::AuditContext;
use engine::access::api_key::DEV_KEY;
use serde_json::{Value, json};

use crate::browser_session::PASSWORD;
use crate::support::TestApp;

async fn entries(app: &TestApp, query: &str) -> Vec<Value> {
    let response = app.get(&format!("/api/audit?per_page=200&{query}")).await.expect(200);
    response.data()["audit"].as_array().unwrap().clone()
}

fn words(entries: &[Value]) -> Vec<&str> {
    entries.iter().map(|entry| entry["action"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn an_audit_entry_has_actor_action_target_and_address() {
    let app = TestApp::new().await;
    let peer: SocketAddr = "203.0.113.7:4711".parse().unwrap();
    let request = Request::post("/api/api-keys")
        .header("X-API-Key", DEV_KEY)
        .extension(ConnectInfo(peer))
        .body(Body::from(json!({"name": "ci", "scopes": ["read"]}).to_string()))
        .unwrap();
    let created = app.call(request).await.expect(201);
    let entries = entries(&app, "action=api_key.create&subject=ci").await;
    let [entry] = entries.as_slice() else { panic!("{entries:#?}") };
    assert_eq!(entry["at"], "2026-01-01T00:00:00.000Z");
    assert_eq!((&entry["actor"]["kind"], &entry["actor"]["name"]), (&json!("api_key"), &json!("dev")));
    assert_eq!(entry["subject"], json!({"kind": "api_key", "id": created.data()["id"], "name": "ci"}));
    assert_eq!(entry["client_address"], "203.0.113.7");
    assert_eq!(entry["request_id"], created.headers["x-request-id"].to_str().unwrap());
    assert_eq!(entry["details"]["scopes"], json!(["read"]));
    assert_eq!(entry["details"]["prefix"], created.data()["prefix"]);
}

#[tokio::test]
async fn every_administrative_action_is_audited_and_rejected_actions_are_not() {
    let app = TestApp::new().await;
    let owner = app.browser(Role::Owner).await;
    let browse = |method: &'static str, path: String, body: Value| {
        let (app, owner) = (&app, &owner);
        async move { app.browse(owner, method, &path, body.to_string()).await }
    };
    let user = json!({"email": "ada@example.com", "role": "agent", "password": PASSWORD});
    let ada = browse("POST", "/api/users".to_owned(), user.clone()).await.expect(201).data()["id"].clone();
    let ada = format!("/api/users/{}", ada.as_str().unwrap());
    browse("POST", "/api/users".to_owned(), user).await.expect(409);
    browse("PUT", ada.clone(), json!({"role": "viewer", "password": "another password"})).await.expect(200);
    browse("DELETE", ada, json!({})).await.expect(204);
    browse("DELETE", format!("/api/users/{}", owner.user), json!({})).await.expect(409);
    let key = browse("POST", "/api/api-keys".to_owned(), json!({"name": "k", "scopes": ["read"]})).await;
    let key = format!("/api/api-keys/{}", key.expect(201).data()["id"].as_str().unwrap());
    browse("POST", format!("{key}/rotate"), json!({})).await.expect(201);
    browse("POST", format!("{key}/rotate"), json!({})).await.expect(409);
    browse("DELETE", key, json!({})).await.expect(204);
    browse("POST", "/api/templates/sync".to_owned(), json!({})).await.expect(200);
    // The account is not suspended, so the resume changes nothing.
    browse("POST", "/api/accounts/sandbox/resume".to_owned(), json!({})).await.expect(200);
    let account = app.deps.directory.current().account(app.workspace, "sandbox").unwrap().account.clone();
    let error = domain::meta_error::MetaError { code: 190, ..domain::meta_error::MetaError::default() };
    engine::accounts::suspend_account(&app.deps, &account, &error).await.unwrap();
    engine::accounts::suspend_account(&app.deps, &account, &error).await.unwrap();
    browse("POST", "/api/accounts/sandbox/resume".to_owned(), json!({})).await.expect(200);
    engine::accounts::delete_account(&app.deps, &AuditContext::command_line(), &account, false)
        .await
        .unwrap();
    let listed = entries(&app, "").await;
    let expected = [
        "account.delete",
        "account.resume",
        "account.hold",
        "template.sync",
        "api_key.revoke",
        "api_key.rotate",
        "api_key.create",
        "user.delete",
        "user.update",
        "user.create",
        "user.login",
        "user.create",
        "api_key.create",
        "account.create",
    ];
    assert_eq!(words(&listed), expected);
    let update = &listed[8];
    assert_eq!(update["details"], json!({"role_before": "agent", "role": "viewer", "password": "changed"}));
    assert_eq!(update["actor"]["id"], owner.user.as_str());

    assert_eq!(words(&entries(&app, &format!("actor={}", owner.user)).await).len(), 9);
    assert_eq!(entries(&app, "actor=waypost").await.len(), 5);
    assert_eq!(words(&entries(&app, "subject=sandbox").await)[..2], ["account.delete", "account.resume"]);
    assert_eq!(entries(&app, "search=ADA@").await.len(), 3);
}

#[tokio::test]
async fn changes_of_accounts_and_templates_are_audited() {
    let app = TestApp::new().await;
    let call = async |method, path: &str, body: Value, status| {
        app.request(method, path, body.to_string()).await.expect(status)
    };
    let account = json!({"name": "second", "phone_number_id": "1", "waba_id": "2", "access_token": "t"});
    call("POST", "/api/accounts", account.clone(), 201).await;
    call("POST", "/api/accounts", account, 409).await;
    call("PUT", "/api/accounts/second", json!({"name": "third"}), 200).await;
    call("DELETE", "/api/accounts/third", json!({}), 204).await;
    call("POST", "/api/accounts/sandbox/subscribe", json!({}), 200).await;
    call("POST", "/api/accounts/sandbox/register", json!({"pin": "123456"}), 200).await;
    call("PUT", "/api/accounts/sandbox/profile", json!({"about": "Open."}), 200).await;
    // An empty change is not recorded.
    call("PUT", "/api/accounts/sandbox/profile", json!({}), 200).await;
    let template = json!({"name": "late", "language": "en", "category": "UTILITY",
        "components": [{"type": "BODY", "text": "It is late."}]});
    let created = call("POST", "/api/templates", template.clone(), 201).await.data()["id"].clone();
    call("POST", "/api/templates", template, 400).await;
    call("DELETE", &format!("/api/templates/{}", created.as_str().unwrap()), json!({}), 204).await;
    let listed = entries(&app, "actor=dev").await;
    let expected = [
        "template.delete",
        "template.create",
        "account.profile",
        "account.register",
        "account.subscribe",
        "account.delete",
        "account.update",
        "account.create",
    ];
    assert_eq!(words(&listed), expected);
    for entry in &listed[..2] {
        assert_eq!(entry["subject"], json!({"kind": "template", "id": created, "name": "late (en)"}));
    }
    assert_eq!(listed[2]["details"], json!({"fields": ["about"]}));
    assert!(!serde_json::to_string(&listed).unwrap().contains("123456"));
}

#[tokio::test]
async fn the_log_is_filtered_by_time_and_followed_without_gaps() {
    let app = TestApp::new().await;
    for n in 0..7 {
        app.advance(60);
        app.post("/api/api-keys", &json!({"name": format!("k{n}"), "scopes": ["read"]})).await.expect(201);
    }
    let span = entries(&app, "since=2026-01-01T00:02:00.000Z&until=2026-01-01T00:04:00.000Z").await;
    let names: Vec<_> = span.iter().map(|entry| entry["subject"]["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["k2", "k1"]);
    let mut seen = Vec::new();
    let mut path = "/api/audit?per_page=2&action=api_key.create".to_owned();
    loop {
        let page = app.get(&path).await.expect(200);
        seen.extend(
            page.data()["audit"].as_array().unwrap().iter().map(|entry| entry["subject"]["name"].clone()),
        );
        let Some(cursor) = page.data()["next_cursor"].as_str() else { break };
        path = format!("/api/audit?per_page=2&action=api_key.create&cursor={cursor}");
    }
    assert_eq!(seen, ["k6", "k5", "k4", "k3", "k2", "k1", "k0", "dev"]);
    for (query, pointer) in [("action=fly", "/action"), ("from=now", "/from"), ("actions=x", "/actions")] {
        assert_eq!(app.get(&format!("/api/audit?{query}")).await.expect(400).pointers(), [pointer]);
    }
}

#[tokio::test]
async fn decisions_about_messages_and_deliveries_are_audited() {
    let app = TestApp::new().await;
    let webhook = json!({"name": "shop", "url": "https://shop.example.com/hook", "events": ["message.sent"]});
    let created = app.post("/api/webhooks", &webhook).await.expect(201).data().clone();
    let path = format!("/api/webhooks/{}", created["id"].as_str().unwrap());
    let tested = app.post(&format!("{path}/test"), &json!({})).await.expect(200).data().clone();
    let again = format!("/api/deliveries/{}/redeliver", tested["id"].as_str().unwrap());
    app.post(&again, &json!({})).await.expect(202);
    let template = json!({"name": "hello_world", "language": "en_US"});
    let mut ids = Vec::new();
    for _ in 0..2 {
        let lost = json!({"to": "+15550100505", "type": "template", "template": template});
        ids.push(app.send(lost).await.expect(202).data()["id"].as_str().unwrap().to_owned());
        app.advance(60);
    }
    let resolve = async |id: &str, action: &str| {
        app.post(&format!("/api/messages/{id}/resolve"), &json!({"action": action})).await
    };
    resolve(&ids[0], "fail").await.expect(200);
    resolve(&ids[0], "fail").await.expect(409);
    resolve(&ids[1], "resend").await.expect(200);
    let update = json!({"name": "shop", "access_token": app.seeded.access_token, "app_secret": "MARK"});
    app.request("PUT", "/api/accounts/sandbox", update.to_string()).await.expect(200);
    let listed = entries(&app, "").await;
    assert_eq!(
        words(&listed[..6]),
        [
            "account.update",
            "message.resolve",
            "message.resolve",
            "webhook.redeliver",
            "webhook.test",
            "webhook.create"
        ]
    );
    assert_eq!(listed[0]["details"]["changed"], json!(["name", "access_token", "app_secret"]));
    assert_eq!(listed[1]["subject"], json!({"kind": "message", "id": ids[1], "name": null}));
    assert_eq!(
        (&listed[1]["details"]["action"], &listed[2]["details"]["action"]),
        (&json!("resend"), &json!("fail"))
    );
    assert_eq!(listed[3]["details"]["delivery_id"], tested["id"]);
    assert_eq!(
        (&listed[4]["subject"]["id"], &listed[4]["subject"]["name"]),
        (&created["id"], &json!("shop"))
    );
    assert!(!json!(listed).to_string().contains("MARK"));
}
