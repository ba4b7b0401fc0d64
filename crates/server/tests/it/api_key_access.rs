//! API keys: authentication, authorization, and the headers of each response.

use axum::body::Body;
use axum::http::Request;
use domain::access::api_key::KeyScope;
use domain::id::AccountId;
use engine::AuditContext;
use engine::access::api_key;
use engine::access::api_key::DEV_KEY;
use jiff::SignedDuration;
use serde_json::json;

use crate::support::{CUSTOMER, TestApp};

#[tokio::test]
async fn a_key_is_accepted_in_both_headers() {
    let app = TestApp::new().await;
    let bearer = Request::get("/api/accounts").header("Authorization", format!("Bearer {DEV_KEY}"));
    app.call(bearer.body(Body::empty()).unwrap()).await.expect(200);
    app.get("/api/accounts").await.expect(200);
}

#[tokio::test]
async fn no_key_a_wrong_one_and_one_with_spaces_are_401() {
    let app = TestApp::new().await;
    let none = Request::get("/api/accounts").body(Body::empty()).unwrap();
    let response = app.call(none).await.expect(401);
    assert_eq!(response.body["status"], "error");
    assert_eq!(response.code(), "invalid_api_key");
    assert!(response.headers.contains_key("x-request-id"));
    assert_eq!(response.body["request_id"], response.headers["x-request-id"].to_str().unwrap());
    assert!(!response.headers.contains_key("x-ratelimit-limit"));
    for key in ["wp_test_wrong", "wp test key", " ", &format!(" {DEV_KEY} x")] {
        app.request_as(key, "GET", "/api/accounts", "").await.expect(401);
    }
}

#[tokio::test]
async fn an_expired_and_a_revoked_key_are_401() {
    let app = TestApp::new().await;
    let expires_at = app.deps.now() + SignedDuration::from_secs(60);
    let expiring = app.key(|new| new.expires_at = Some(expires_at)).await;
    app.request_as(&expiring, "GET", "/api/accounts", "").await.expect(200);
    app.advance(60);
    app.request_as(&expiring, "GET", "/api/accounts", "").await.expect(401);

    let revoked = app.key(|_| ()).await;
    let directory = app.deps.directory.current();
    let revoked_key = directory.key(&api_key::digest(&revoked)).unwrap();
    assert!(api_key::revoke_api_key(&app.deps, &AuditContext::gateway(), revoked_key).await.unwrap());
    app.request_as(&revoked, "GET", "/api/accounts", "").await.expect(401);
}

#[tokio::test]
async fn a_missing_scope_is_403_and_does_not_use_the_rate_limit() {
    let app = TestApp::new().await;
    let reader = app.key(|new| new.scopes = vec![KeyScope::Read]).await;
    let body = json!({"to": CUSTOMER, "type": "text", "text": "Hi"}).to_string();
    let response = app.request_as(&reader, "POST", "/api/messages/send", body).await.expect(403);
    assert_eq!(response.code(), "forbidden");
    assert_eq!(response.number("x-ratelimit-remaining"), 100);
    let sender = app.key(|new| new.scopes = vec![KeyScope::Send]).await;
    app.request_as(&sender, "GET", "/api/messages", "").await.expect(403);
    app.request_as(&sender, "POST", "/api/templates/sync", "").await.expect(403);
}

#[tokio::test]
async fn a_scope_of_one_subject_gives_access_to_that_subject_only() {
    let app = TestApp::new().await;
    let hook = json!({"name": "shop", "url": "https://shop.example/hook", "events": ["*"]}).to_string();
    let webhooks = app.key(|new| new.scopes = vec![KeyScope::Webhooks, KeyScope::Read]).await;
    let created = app.request_as(&webhooks, "POST", "/api/webhooks", hook.clone()).await.expect(201);
    let path = format!("/api/webhooks/{}", created.data()["id"].as_str().unwrap());
    let tested = app.request_as(&webhooks, "POST", &format!("{path}/test"), "{}").await.expect(200);
    let key = json!({"name": "more", "scopes": ["webhooks"]}).to_string();
    let refused = app.request_as(&webhooks, "POST", "/api/api-keys", key).await.expect(403);
    assert_eq!(refused.body["details"]["scope"], "keys");
    assert!(refused.body["message"].as_str().unwrap().contains("`keys` or `manage`"), "{}", refused.body);
    app.request_as(&webhooks, "POST", "/api/contacts", "{}").await.expect(403);
    // Without `read`, a key could read the messages of customers through a webhook of its own.
    for scope in [KeyScope::Webhooks, KeyScope::Manage] {
        let blind = app.key(|new| new.scopes = vec![scope]).await;
        let refused = app.request_as(&blind, "POST", "/api/webhooks", hook.clone()).await.expect(403);
        assert_eq!(refused.body["details"], json!({"permission": "webhooks.manage", "scope": "read"}));
        assert!(refused.body["message"].as_str().unwrap().contains("lacks the scope `read`"));
        let changes = [
            ("PUT", "", r#"{"url":"https://evil.example/"}"#),
            ("POST", "/test", "{}"),
            ("POST", "/replay", r#"{"since":"2025-01-01T00:00:00.000Z"}"#),
            ("POST", "/rotate-secret", ""),
            ("DELETE", "", ""),
        ];
        for (method, below, body) in changes {
            let refused = app.request_as(&blind, method, &format!("{path}{below}"), body).await.expect(403);
            assert_eq!(refused.body["details"]["scope"], "read", "{method} {below}");
        }
        let delivery = format!("/api/deliveries/{}/redeliver", tested.data()["id"].as_str().unwrap());
        let refused = app.request_as(&blind, "POST", &delivery, "{}").await.expect(403);
        assert_eq!(refused.body["details"]["scope"], "read");
    }
}

#[tokio::test]
async fn a_key_gives_only_scopes_that_it_has_itself() {
    let app = TestApp::new().await;
    let create = async |scopes: Vec<KeyScope>, wanted: &str| {
        let creator = app.key(|new| new.scopes = scopes).await;
        let name = format!("made {}", app.deps.directory.current().keys.len());
        let body = json!({"name": name, "scopes": [wanted]}).to_string();
        app.request_as(&creator, "POST", "/api/api-keys", body).await.status.as_u16()
    };
    for (scopes, wanted, status) in [
        (vec![KeyScope::Keys], "keys", 201),
        (vec![KeyScope::Keys], "contacts", 403),
        (vec![KeyScope::Keys], "manage", 403),
        (vec![KeyScope::Keys, KeyScope::Send], "media", 201),
        (vec![KeyScope::Manage], "contacts", 201),
        (vec![KeyScope::Manage], "media", 403),
        (vec![KeyScope::Manage], "read", 403),
    ] {
        assert_eq!(create(scopes.clone(), wanted).await, status, "{scopes:?} {wanted}");
    }
    let body = json!({"name": "x", "scopes": ["webhook"]});
    let near = app.post("/api/api-keys", &body).await.expect(400);
    assert!(near.body.to_string().contains("did you mean `webhooks`?"), "{}", near.body);
}

#[tokio::test]
async fn two_active_keys_cannot_have_the_same_name() {
    let app = TestApp::new().await;
    let body = json!({"name": "ci", "scopes": ["send"]});
    let first = app.post("/api/api-keys", &body).await.expect(201);
    let taken = app.post("/api/api-keys", &body).await.expect(409);
    assert_eq!((taken.code(), taken.body["details"]["field"].as_str()), ("api_key_exists", Some("name")));
    let path = format!("/api/api-keys/{}", first.data()["id"].as_str().unwrap());
    let rotated = app.request("POST", &format!("{path}/rotate"), "").await.expect(201);
    assert_eq!(rotated.data()["name"], "ci");
    app.post("/api/api-keys", &body).await.expect(409);
    app.request("DELETE", &format!("/api/api-keys/{}", rotated.data()["id"].as_str().unwrap()), "").await;
    app.post("/api/api-keys", &body).await.expect(201);
}

#[tokio::test]
async fn a_key_uses_only_its_accounts() {
    let app = TestApp::new().await;
    let body = || json!({"to": CUSTOMER, "type": "text", "text": "Hi"}).to_string();
    let live = app.key(|new| new.is_test = false).await;
    assert!(live.starts_with("wp_live_"));
    let response = app.request_as(&live, "POST", "/api/messages/send", body()).await.expect(403);
    assert_eq!(response.code(), "forbidden");
    let elsewhere = app.key(|new| new.accounts = vec![AccountId::from_parts(0, &[9; 10])]).await;
    app.request_as(&elsewhere, "POST", "/api/messages/send", body()).await.expect(403);
    let here = app.account;
    let allowed = app.key(move |new| new.accounts = vec![here]).await;
    app.request_as(&allowed, "POST", "/api/messages/send", body()).await.expect(200);
    assert_eq!(app.n_accepted(), 1);
}

#[tokio::test]
async fn a_key_sees_only_data_of_its_accounts() {
    let app = TestApp::new().await;
    let clinic = app.add_second_account().await;
    let sent = app.send_text(CUSTOMER).await.expect(200);
    let limited = app.key(move |new| new.accounts = vec![clinic]).await;
    let live = app.key(|new| new.is_test = false).await;
    let id = sent.data()["id"].as_str().unwrap();
    let contact = app.message(id).await["contact_id"].as_str().unwrap().to_owned();
    for key in [&limited, &live] {
        for (path, total) in [("/api/messages", 0), ("/api/contacts", 0), ("/api/messages?type=text", 0)] {
            let seen = app.request_as(key, "GET", path, "").await.expect(200);
            assert_eq!(seen.data()["total"], total, "{path}");
        }
        for path in [
            format!("/api/messages/{id}"),
            "/api/accounts/sandbox".to_owned(),
            format!("/api/accounts/{}", app.account),
            format!("/api/contacts/{contact}"),
        ] {
            assert_eq!(app.request_as(key, "GET", &path, "").await.expect(403).code(), "forbidden", "{path}");
        }
        for path in ["/api/accounts/sandbox/resume".to_owned(), format!("/api/messages/{id}/cancel")] {
            app.request_as(key, "POST", &path, "").await.expect(403);
        }
    }
    let accounts = app.request_as(&limited, "GET", "/api/accounts", "").await;
    assert_eq!(accounts.data()["total"], 1);
    assert_eq!(accounts.data()["accounts"][0]["name"], "clinic");
}

#[tokio::test]
async fn an_unknown_path_is_404() {
    let app = TestApp::new().await;
    for path in ["/api/", "/nothing", "/"] {
        let nothing = app.get(path).await.expect(404);
        assert_eq!(nothing.code(), "not_found");
        assert!(nothing.headers.contains_key("x-request-id"));
    }
    assert_eq!(app.get("/api/messages/%ff").await.expect(404).code(), "not_found");
    assert_eq!(app.get("/api/nothing").await.expect(404).code(), "not_found");
    app.get("/api/messages/send").await.expect(405);
    let response = app.request("DELETE", "/api/messages", "").await.expect(405);
    assert_eq!(response.code(), "method_not_allowed");
    assert!(response.headers.contains_key("allow"));
    let stranger = Request::get("/api/nothing").body(Body::empty()).unwrap();
    app.call(stranger).await.expect(401);
}

#[tokio::test]
async fn the_health_checks_report_health_and_readiness() {
    let app = TestApp::new().await;
    for path in ["/healthz", "/readyz"] {
        app.call(Request::get(path).body(Body::empty()).unwrap()).await.expect(200);
    }
}

#[tokio::test]
async fn no_response_contains_a_secret() {
    let app = TestApp::new().await;
    for path in ["/api/accounts", "/api/accounts/sandbox", "/api/templates", "/api/contacts", "/api/messages"]
    {
        let shown = app.get(path).await.expect(200).body.to_string();
        for secret in [&app.seeded.access_token, &app.seeded.app_secret, &app.seeded.verify_token] {
            assert!(!shown.contains(secret.as_str()), "{path}");
        }
    }
}
