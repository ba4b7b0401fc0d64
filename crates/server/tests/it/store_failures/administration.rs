//! Store failures during logins, changes of accounts and templates, and refreshes of the directory.

use std::sync::Arc;

use domain::access::permission::Role;
use engine::background;
use serde_json::json;
use sim::TokenChange;
use tokio::sync::Notify;

use super::{FaultTable, Side, TestFault, app_with_faults, text};
use crate::browser_session::PASSWORD;
use crate::fault_ports::with_faults;
use crate::support::TestApp;

#[tokio::test]
async fn a_session_that_cannot_be_read_is_a_retryable_error() {
    let (app, faults) = app_with_faults().await;
    let browser = app.browser(Role::Agent).await;
    faults.add(1, "get_session", Side::Before, TestFault::Fails);
    let response = app.browse(&browser, "POST", "/api/messages/send", text().to_string()).await.expect(503);
    assert_eq!((response.code(), response.number("retry-after")), ("store_unavailable", 1));
    app.browse(&browser, "POST", "/api/messages/send", text().to_string()).await.expect(200);
    // A login that the store could not check does not count as failed.
    let login = || json!({"email": "agent@example.com", "password": PASSWORD});
    for call in ["get_user_credentials", "insert_session"] {
        for _ in 0..6 {
            faults.add(1, call, Side::Before, TestFault::Fails);
            app.try_login(login(), "203.0.113.7").await.expect(503);
        }
    }
    app.try_login(login(), "203.0.113.7").await.expect(200);
}

#[tokio::test]
async fn a_change_that_cannot_be_stored_is_an_error_and_changes_nothing() {
    let (app, faults) = app_with_faults().await;
    let change = json!({"name": "desk", "verify_token": null}).to_string();
    faults.add(1, "update_account", Side::Before, TestFault::Fails);
    let failed = app.request("PUT", "/api/accounts/sandbox", change.clone()).await.expect(503);
    assert_eq!(failed.code(), "store_unavailable");
    app.get("/api/accounts/sandbox").await.expect(200);
    app.request("PUT", "/api/accounts/sandbox", change).await.expect(200);
    faults.add(1, "delete_account", Side::Before, TestFault::Fails);
    app.request("DELETE", "/api/accounts/desk", "").await.expect(503);
    app.get("/api/accounts/desk").await.expect(200);
    let new = json!({"name": "x", "phone_number_id": "1", "waba_id": "2", "access_token": "t"});
    faults.add(1, "insert_account", Side::Before, TestFault::Fails);
    app.post("/api/accounts", &new).await.expect(503);
    app.post("/api/accounts", &new).await.expect(201);
}

#[tokio::test]
async fn a_template_that_was_created_at_meta_but_not_stored_appears_with_the_next_sync() {
    let (app, faults) = app_with_faults().await;
    let template = json!({"name": "late", "language": "en", "category": "UTILITY",
        "components": [{"type": "BODY", "text": "It is late."}]});
    faults.add(1, "sync_templates", Side::Before, TestFault::Fails);
    app.post("/api/templates", &template).await.expect(503);
    assert_eq!(app.post("/api/templates", &template).await.expect(400).code(), "meta_error");
    let listed = async || app.get("/api/templates?name=late").await.data()["templates"].clone();
    assert_eq!(listed().await, json!([]));
    app.post("/api/templates/sync", &json!({"whatsapp_account": "sandbox"})).await.expect(200);
    let id = listed().await[0]["id"].as_str().unwrap().to_owned();
    faults.add(1, "delete_templates", Side::Before, TestFault::Fails);
    app.request("DELETE", &format!("/api/templates/{id}"), "").await.expect(503);
    app.advance(1);
    app.post("/api/templates/sync", &json!({"whatsapp_account": "sandbox"})).await.expect(200);
    assert_eq!(listed().await, json!([]));
}

#[tokio::test]
async fn a_rejection_of_the_old_token_does_not_suspend_an_account_with_a_new_token() {
    let (app, faults) = app_with_faults().await;
    let second = "EAAsecond-token";
    let old = app.seeded.access_token.clone();
    let copy = TokenChange { access_token: second.into(), like: Some(old.clone()), ..TokenChange::default() };
    app.sim.change_token(&copy).unwrap();
    let (is_there, may_go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    faults.add(1, "send_message", Side::Before, TestFault::Waits(is_there.clone(), may_go.clone()));
    let body = text();
    let send = app.post("/api/messages/send", &body);
    let replace = async {
        is_there.notified().await;
        let body = json!({"access_token": second}).to_string();
        app.request("PUT", "/api/accounts/sandbox", body).await.expect(200);
        let revoked = TokenChange { access_token: old, is_valid: Some(false), ..TokenChange::default() };
        app.sim.change_token(&revoked).unwrap();
        may_go.notify_one();
    };
    let (response, ()) = app.run_with_clock(async { tokio::join!(send, replace) }).await;
    assert_eq!(response.expect(503).code(), "account_disconnected");
    assert_eq!(app.get("/api/accounts/sandbox").await.data()["status"], "connected");
    app.send(text()).await.expect(200);
}

#[tokio::test]
async fn a_new_token_also_ends_a_suspension_that_was_never_stored() {
    let (app, faults) = app_with_faults().await;
    let second = "EAAsecond-token";
    let old = app.seeded.access_token.clone();
    let copy = TokenChange { access_token: second.into(), like: Some(old.clone()), ..TokenChange::default() };
    app.sim.change_token(&copy).unwrap();
    let revoked = TokenChange { access_token: old, is_valid: Some(false), ..TokenChange::default() };
    app.sim.change_token(&revoked).unwrap();
    faults.add(1, "update_account_suspension", Side::Before, TestFault::Fails);
    app.send(text()).await.expect(503);
    assert_eq!(app.get("/api/accounts/sandbox").await.data()["status"], "connected");
    assert_eq!(app.send(text()).await.expect(503).code(), "account_disconnected");
    let body = json!({"access_token": second}).to_string();
    app.request("PUT", "/api/accounts/sandbox", body).await.expect(200);
    app.send(text()).await.expect(200);
    assert_eq!(app.get("/api/accounts/sandbox").await.data()["status"], "connected");
}

#[tokio::test]
async fn a_stale_directory_does_not_restore_a_revoked_key() {
    let mut app = TestApp::new().await;
    let other = app.deps.clone();
    let faults = Arc::new(FaultTable::default());
    let guard = faults.clone();
    app.restart_with(|ports| with_faults(ports, guard)).await;
    let key = app.key(|new| new.name = "leaked".to_owned()).await;
    let keys = app.get("/api/api-keys?search=leaked").await.expect(200);
    let path = format!("/api/api-keys/{}", keys.data()["api_keys"][0]["id"].as_str().unwrap());
    app.request_as(&key, "GET", "/api/me", "").await.expect(200);
    // Another process changes the directory while this process starts to read it.
    engine::workspace::create_workspace(&other, &engine::AuditContext::command_line(), "clinic")
        .await
        .unwrap();
    let (is_there, may_go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    faults.add(1, "get_directory", Side::After, TestFault::Waits(is_there.clone(), may_go.clone()));
    let deps = app.deps.clone();
    let mut looking = tokio::task::JoinSet::new();
    looking.spawn(async move { background::tick_directory(&deps).await });
    is_there.notified().await;
    app.request("DELETE", &path, "").await.expect(204);
    app.request_as(&key, "GET", "/api/me", "").await.expect(401);
    may_go.notify_one();
    looking.join_next().await.unwrap().unwrap().unwrap();
    app.request_as(&key, "GET", "/api/me", "").await.expect(401);
}
