//! Users: access rules for adding, changing and removing users; the last owner; sessions that end immediately.

use domain::access::api_key::KeyScope;
use domain::access::permission::Role;
use engine::AuditContext;
use engine::accounts;
use engine::accounts::{NewAccountRequest, Verification};
use serde_json::{Value, json};

use crate::browser_session::{Browser, PASSWORD};
use crate::support::TestApp;

fn new(email: &str, role: &str) -> Value {
    json!({"email": email, "role": role, "password": PASSWORD})
}

fn path(user: &str) -> String {
    format!("/api/users/{user}")
}

async fn put(app: &TestApp, browser: &Browser, user: &str, change: Value) -> crate::support::TestResponse {
    app.browse(browser, "PUT", &path(user), change.to_string()).await
}

#[tokio::test]
async fn a_user_is_added_listed_changed_and_removed() {
    let app = TestApp::new().await;
    let owner = app.browser(Role::Owner).await;
    let mut body = new("Ada@Example.com", "agent");
    body["name"] = json!("Ada");
    let added = app.browse(&owner, "POST", "/api/users", body.to_string()).await.expect(201);
    let ada = added.data()["id"].as_str().unwrap().to_owned();
    assert_eq!((&added.data()["email"], &added.data()["name"]), (&json!("Ada@Example.com"), &json!("Ada")));
    assert_eq!((&added.data()["role"], &added.data()["disabled"]), (&json!("agent"), &json!(false)));
    assert!(!added.body.to_string().contains("argon2"));

    let accepted_message =
        app.browse(&owner, "POST", "/api/users", new("ada@example.COM", "viewer").to_string()).await;
    assert_eq!(accepted_message.expect(409).code(), "email_taken");
    let accepted_message = put(&app, &owner, &ada, json!({"email": "OWNER@example.com"})).await;
    assert_eq!(accepted_message.expect(409).code(), "email_taken");

    let listed = app.browse(&owner, "GET", "/api/users?per_page=1", "").await.expect(200);
    assert_eq!((&listed.data()["total"], &listed.data()["users"][0]["role"]), (&json!(2), &json!("owner")));
    let cursor = listed.data()["next_cursor"].as_str().unwrap();
    let rest = app.browse(&owner, "GET", &format!("/api/users?cursor={cursor}"), "").await.expect(200);
    assert_eq!(rest.data()["users"][0]["id"], ada.as_str());
    for (query, total) in
        [("search=ada", 1), ("role=owner", 1), ("email=ADA@example.com", 1), ("search=%25", 0)]
    {
        let found = app.browse(&owner, "GET", &format!("/api/users?{query}"), "").await.expect(200);
        assert_eq!(found.data()["total"], total, "{query}");
    }

    let changed =
        put(&app, &owner, &ada, json!({"name": null, "email": "ada@example.org", "role": "viewer"})).await;
    assert_eq!(changed.expect(200).data()["name"], Value::Null);
    app.log_in("ada@example.org").await;
    app.browse(&owner, "DELETE", &path(&ada), "").await.expect(204);
    assert_eq!(app.browse(&owner, "GET", &path(&ada), "").await.expect(404).code(), "user_not_found");
    app.browse(&owner, "DELETE", &path(&ada), "").await.expect(404);
    app.browse(&owner, "GET", &path("nobody"), "").await.expect(404);
}

#[tokio::test]
async fn an_invalid_user_is_rejected_with_pointers() {
    let app = TestApp::new().await;
    let owner = app.browser(Role::Owner).await;
    let body = |field: &str, value: Value| {
        let mut body = new("ada@example.com", "agent");
        body[field] = value;
        body.to_string()
    };
    for (field, value) in [
        ("email", json!("ada")),
        ("email", json!(null)),
        ("email", json!("a@b\u{0}.c")),
        ("email", json!(["ada@example.com"])),
        ("role", json!("root")),
        ("role", json!("Owner")),
        ("role", json!(1)),
        ("password", json!("short")),
        ("password", json!("eleven char")),
        ("password", json!("Password1234")),
        ("password", json!("ada@example.com")),
        ("password", json!("Waypost-2026")),
        ("password", json!("x".repeat(257))),
        ("password", json!(12_345_678)),
        ("name", json!("")),
        ("name", json!("a\u{7}b")),
        ("name", json!("x".repeat(101))),
        ("id", json!("x")),
        ("password_hash", json!("$argon2id$")),
        ("workspace", json!("other")),
    ] {
        let response = app.browse(&owner, "POST", "/api/users", body(field, value.clone())).await.expect(400);
        assert_eq!(response.pointers(), [format!("/{field}")], "{value}");
        assert!(!response.body.to_string().contains(PASSWORD));
    }
    for (change, pointer) in [
        (json!({"email": null}), "/email"),
        (json!({"role": null}), "/role"),
        (json!({"disabled": "yes"}), "/disabled"),
        (json!({"password": ""}), "/password"),
        (json!({"password": "iloveyou2026!"}), "/password"),
        (json!({"password": "owner@example.com"}), "/password"),
        (json!({"emial": "a@b.c"}), "/emial"),
    ] {
        let response = put(&app, &owner, &owner.user, change).await.expect(400);
        assert_eq!(response.pointers(), [pointer]);
    }
    assert_eq!(app.browse(&owner, "GET", "/api/users", "").await.data()["total"], 1);
}

#[tokio::test]
async fn users_cannot_create_or_change_users_with_more_permissions() {
    let app = TestApp::new().await;
    let owner = app.browser(Role::Owner).await;
    let admin = app.browser(Role::Admin).await;
    let agent = app.browser(Role::Agent).await;
    let viewer = app.browser(Role::Viewer).await;
    for (browser, may) in [
        (&owner, vec!["owner", "admin", "agent", "viewer"]),
        (&admin, vec!["admin", "agent", "viewer"]),
        (&agent, vec![]),
        (&viewer, vec![]),
    ] {
        for role in Role::ALL.map(Role::as_str) {
            let email = format!("{role}-by-{}@example.com", &browser.user);
            let response = app.browse(browser, "POST", "/api/users", new(&email, role).to_string()).await;
            let status = if may.contains(&role) { 201 } else { 403 };
            assert_eq!(
                response.expect(status).code(),
                if status == 403 { "forbidden" } else { "" },
                "{role}"
            );
        }
    }
    for change in [
        json!({"role": "viewer"}),
        json!({"disabled": true}),
        json!({"email": "x@example.com"}),
        json!({"name": "x"}),
    ] {
        put(&app, &admin, &owner.user, change).await.expect(403);
    }
    app.browse(&admin, "DELETE", &path(&owner.user), "").await.expect(403);
    // No user can raise its own role, or another role above its own.
    for browser in [&admin, &agent, &viewer] {
        put(&app, browser, &browser.user, json!({"role": "owner"})).await.expect(403);
        put(&app, browser, &viewer.user, json!({"role": "owner"})).await.expect(403);
    }
    put(&app, &admin, &viewer.user, json!({"role": "agent"})).await.expect(200);
    put(&app, &owner, &admin.user, json!({"role": "owner"})).await.expect(200);
    // A changed role takes effect immediately in open sessions.
    put(&app, &admin, &owner.user, json!({"role": "viewer"})).await.expect(200);
    app.browse(&owner, "GET", "/api/users", "").await.expect(403);
}

#[tokio::test]
async fn the_last_owner_stays() {
    let app = TestApp::new().await;
    let owner = app.browser(Role::Owner).await;
    for change in [json!({"role": "admin"}), json!({"disabled": true})] {
        assert_eq!(put(&app, &owner, &owner.user, change).await.expect(409).code(), "last_owner");
    }
    let own = path(&owner.user);
    let delete = || app.browse(&owner, "DELETE", &own, "");
    assert_eq!(delete().await.expect(409).code(), "last_owner");
    let second = app.browse(&owner, "POST", "/api/users", new("two@example.com", "owner").to_string()).await;
    let second = second.expect(201).data()["id"].as_str().unwrap().to_owned();
    put(&app, &owner, &second, json!({"disabled": true})).await.expect(200);
    // A disabled owner does not count as an owner.
    assert_eq!(delete().await.expect(409).code(), "last_owner");
    put(&app, &owner, &second, json!({"disabled": false})).await.expect(200);
    delete().await.expect(204);
    app.browse(&owner, "GET", "/api/me", "").await.expect(401);
}

#[tokio::test]
async fn changing_ones_own_password_needs_the_old_one_and_ends_all_sessions() {
    let app = TestApp::new().await;
    let agent = app.browser(Role::Agent).await;
    let other = app.log_in("agent@example.com").await;
    let change = |current: Option<&str>| {
        let mut body = json!({"password": "a better one, longer"});
        if let Some(current) = current {
            body["current_password"] = json!(current);
        }
        body
    };
    for current in [None, Some("wrong horse battery")] {
        let response = put(&app, &agent, &agent.user, change(current)).await.expect(400);
        assert_eq!(response.pointers(), ["/current_password"]);
    }
    put(&app, &agent, &agent.user, json!({"name": "Ada"})).await.expect(200);
    put(&app, &agent, &agent.user, change(Some(PASSWORD))).await.expect(200);
    for browser in [&agent, &other] {
        app.browse(browser, "GET", "/api/me", "").await.expect(401);
    }
    let body = json!({"email": "agent@example.com", "password": PASSWORD});
    app.try_login(body, "203.0.113.9").await.expect(401);
    app.log_in_with("agent@example.com", "a better one, longer").await;
}

#[tokio::test]
async fn guesses_of_the_old_password_are_throttled_like_logins() {
    let app = TestApp::new().await;
    let agent = app.browser(Role::Agent).await;
    let guess = || {
        put(&app, &agent, &agent.user, json!({"password": "a better one, longer", "current_password": "no"}))
    };
    for _ in 0..5 {
        guess().await.expect(400);
    }
    assert_eq!(guess().await.expect(429).number("retry-after"), 60);
}

#[tokio::test]
async fn only_an_owner_sets_the_password_of_another_user() {
    let app = TestApp::new().await;
    let owner = app.browser(Role::Owner).await;
    let admin = app.browser(Role::Admin).await;
    let agent = app.browser(Role::Agent).await;
    let change = || json!({"password": "a better one, longer"});
    let refused = put(&app, &admin, &agent.user, change()).await.expect(403);
    assert_eq!(refused.body["details"]["permission"], "passwords.reset");
    let refused = app.request("PUT", &path(&agent.user), change().to_string()).await.expect(403);
    assert_eq!(refused.body["details"]["permission"], "passwords.reset");
    app.browse(&agent, "GET", "/api/me", "").await.expect(200);
    // Every user can read its own account only.
    app.browse(&agent, "GET", &path(&agent.user), "").await.expect(200);
    app.browse(&agent, "GET", &path(&admin.user), "").await.expect(403);
    put(&app, &owner, &agent.user, change()).await.expect(200);
    app.browse(&agent, "GET", "/api/me", "").await.expect(401);
    app.log_in_with("agent@example.com", "a better one, longer").await;
}

#[tokio::test]
async fn a_disabled_or_removed_user_loses_access_at_once() {
    let app = TestApp::new().await;
    let owner = app.browser(Role::Owner).await;
    let agent = app.browser(Role::Agent).await;
    let viewer = app.browser(Role::Viewer).await;
    put(&app, &owner, &agent.user, json!({"disabled": true})).await.expect(200);
    app.browse(&agent, "GET", "/api/me", "").await.expect(401);
    put(&app, &owner, &agent.user, json!({"disabled": false})).await.expect(200);
    // The previous sessions remain ended.
    app.browse(&agent, "GET", "/api/me", "").await.expect(401);
    app.browse(&owner, "DELETE", &path(&viewer.user), "").await.expect(204);
    app.browse(&viewer, "GET", "/api/me", "").await.expect(401);
}

#[tokio::test]
async fn a_key_adds_users_within_its_own_scopes() {
    let app = TestApp::new().await;
    let add = |key: String, role: &'static str| {
        let app = &app;
        async move {
            let email = format!("{role}-{}@example.com", key.len());
            app.request_as(&key, "POST", "/api/users", new(&email, role).to_string()).await
        }
    };
    let manager = app.key(|new| new.scopes = vec![KeyScope::Manage]).await;
    // An agent may send messages; the key does not have that scope.
    assert_eq!(add(manager.clone(), "agent").await.expect(403).body["details"]["role"], "agent");
    add(manager, "owner").await.expect(403);
    let here = app.account;
    let limited = app.key(move |new| new.accounts = vec![here]).await;
    add(limited, "viewer").await.expect(403);
    // A key with all scopes can add the first owner of a workspace; only an owner can add the second one.
    let full = app.key(|_| ()).await;
    add(full.clone(), "owner").await.expect(201);
    let again = app.request_as(&full, "POST", "/api/users", new("b@example.com", "owner").to_string()).await;
    assert_eq!(again.expect(403).body["details"]["role"], "owner");
    add(full.clone(), "admin").await.expect(201);
    // A user may use live accounts; a test key may not.
    let live = NewAccountRequest {
        workspace: app.workspace,
        name: "live".to_owned(),
        phone_number_id: "1".to_owned(),
        waba_id: "2".to_owned(),
        access_token: "t".into(),
        app_secret: None,
        verify_token: None,
        is_default: false,
        is_sandbox: false,
        fetches_links: None,
        verification: Verification::Skipped,
    };
    accounts::create_account(&app.deps, &AuditContext::command_line(), live).await.unwrap();
    add(full, "viewer").await.expect(403);
}
