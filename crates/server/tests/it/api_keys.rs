//! API keys over HTTP: create, list, rotate and revoke. A key never has more access than its creator.

use domain::access::api_key::KeyScope;
use domain::access::permission::Role;
use engine::background;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::support::{CUSTOMER, TestApp};

fn new_key(more: &Value) -> Value {
    let mut new_key = json!({"name": "ci", "scopes": ["read"]});
    for (name, value) in more.as_object().unwrap() {
        new_key[name] = value.clone();
    }
    new_key
}

fn secret(key: &Value) -> String {
    key["key"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_key_is_created_shown_once_used_and_revoked_at_once() {
    let app = TestApp::new().await;
    let body = new_key(&json!({
        "scopes": ["send", "read", "send"], "accounts": ["sandbox"], "expires_at": "2026-06-01T02:00:00+02:00",
        "rate_per_minute": 7, "rate_burst": 3,
    }));
    let created = app.post("/api/api-keys", &body).await.expect(201);
    assert_eq!(created.headers["cache-control"], "no-store");
    let key = created.data().clone();
    let text = secret(&key);
    assert!(text.starts_with("wp_test_") && text.len() == 60, "{text}");
    assert_eq!(key["prefix"], &text[..12]);
    assert_eq!(key["scopes"], json!(["send", "read"]));
    assert_eq!(key["accounts"], json!([app.account.to_string()]));
    assert_eq!(key["expires_at"], "2026-06-01T00:00:00.000Z");
    assert_eq!((&key["rate_per_minute"], &key["rate_burst"]), (&json!(7), &json!(3)));
    assert_eq!(
        (&key["created_at"], &key["last_used_at"]),
        (&json!("2026-01-01T00:00:00.000Z"), &Value::Null)
    );

    let path = format!("/api/api-keys/{}", key["id"].as_str().unwrap());
    app.advance(60);
    assert_eq!(
        app.request_as(&text, "GET", "/api/messages", "").await.expect(200).number("x-ratelimit-limit"),
        1200
    );
    background::tick_last_used(&app.deps).await.unwrap();
    let shown = app.get(&path).await.expect(200);
    assert_eq!(shown.data()["last_used_at"], "2026-01-01T00:01:00.000Z");
    assert!(shown.data()["key"].is_null() && !shown.body.to_string().contains(&text));

    app.request("DELETE", &path, "").await.expect(204);
    app.request_as(&text, "GET", "/api/messages", "").await.expect(401);
    assert_eq!(app.get(&path).await.expect(404).code(), "api_key_not_found");
    app.request("DELETE", &path, "").await.expect(404);
    app.request("POST", &format!("{path}/rotate"), "").await.expect(404);
    assert_eq!(app.get("/api/api-keys").await.data()["total"], 1);
}

#[tokio::test]
async fn keys_are_listed_paged_and_found() {
    let app = TestApp::new().await;
    for n in 0..5 {
        app.post("/api/api-keys", &new_key(&json!({"name": format!("shop {n}")}))).await.expect(201);
    }
    let mut names = Vec::new();
    let mut path = "/api/api-keys?per_page=2".to_owned();
    loop {
        let page = app.get(&path).await.expect(200);
        assert_eq!(page.data()["total"], 6);
        names.extend(page.data()["api_keys"].as_array().unwrap().iter().map(|key| key["name"].clone()));
        let Some(cursor) = page.data()["next_cursor"].as_str() else { break };
        path = format!("/api/api-keys?per_page=2&cursor={cursor}");
    }
    assert_eq!(names, ["shop 4", "shop 3", "shop 2", "shop 1", "shop 0", "dev"]);
    let found = app.get("/api/api-keys?search=shop%203").await.expect(200);
    assert_eq!(found.data()["total"], 1);
    assert_eq!(app.get("/api/api-keys?search=wp_test_sand").await.data()["total"], 1);
    assert_eq!(app.get("/api/api-keys?name=x").await.expect(400).pointers(), ["/name"]);
}

#[tokio::test]
async fn an_invalid_key_request_has_pointers_and_creates_nothing() {
    let app = TestApp::new().await;
    let long = "x".repeat(101);
    for (more, pointer) in [
        (json!({"name": null}), "/name"),
        (json!({"name": ""}), "/name"),
        (json!({"name": "  "}), "/name"),
        (json!({"name": "a\nb"}), "/name"),
        (json!({"name": long}), "/name"),
        (json!({"name": "a\u{0}"}), "/name"),
        (json!({"scopes": null}), "/scopes"),
        (json!({"scopes": []}), "/scopes"),
        (json!({"scopes": "read"}), "/scopes"),
        (json!({"scopes": ["read", "fly"]}), "/scopes/1"),
        (json!({"accounts": ["sandbox", "nowhere"]}), "/accounts/1"),
        (json!({"accounts": [7]}), "/accounts/0"),
        (json!({"accounts": "sandbox"}), "/accounts"),
        (json!({"expires_at": "2026-01-01T00:00:00.000Z"}), "/expires_at"),
        (json!({"expires_at": "2020-01-01T00:00:00.000Z"}), "/expires_at"),
        (json!({"expires_at": "tomorrow"}), "/expires_at"),
        (json!({"expires_at": 4_000_000_000_u64}), "/expires_at"),
        (json!({"rate_per_minute": 0}), "/rate_per_minute"),
        (json!({"rate_burst": -1}), "/rate_burst"),
        (json!({"rate_burst": 1.5}), "/rate_burst"),
        (json!({"key": "wp_test_mine"}), "/key"),
        (json!({"prefix": "wp"}), "/prefix"),
        (json!({"owner": "me"}), "/owner"),
    ] {
        let response = app.post("/api/api-keys", &new_key(&more)).await.expect(400);
        assert_eq!(response.pointers(), [pointer], "{more}");
    }
    assert!(app.post("/api/api-keys", &new_key(&json!({"scops": 1}))).await.reasons().contains("`scopes`"));
    assert_eq!(app.get("/api/api-keys").await.data()["total"], 1);
}

#[tokio::test]
async fn a_key_creates_only_keys_within_its_own_scopes() {
    let app = TestApp::new().await;
    let clinic = app.add_second_account().await;
    let here = app.account;
    let end = Timestamp::from_second(1_767_225_600).unwrap() + SignedDuration::from_hours(48);
    let limited = app
        .key(move |new| {
            (new.scopes, new.accounts) = (vec![KeyScope::Read, KeyScope::Manage], vec![here]);
            new.expires_at = Some(end);
        })
        .await;
    let make = |more: Value| {
        let (app, limited) = (&app, &limited);
        async move { app.request_as(limited, "POST", "/api/api-keys", new_key(&more).to_string()).await }
    };
    // Omitted fields are copied from the creator.
    let created = make(json!({})).await.expect(201);
    assert_eq!(created.data()["accounts"], json!([here.to_string()]));
    assert_eq!(created.data()["expires_at"], "2026-01-03T00:00:00.000Z");
    assert_eq!(created.data()["test"], true);
    for (more, expected) in [
        (json!({"scopes": ["send"]}), "`send`"),
        (json!({"scopes": ["read", "send", "manage"]}), "`send`"),
        (json!({"accounts": [clinic.to_string()]}), "accounts"),
        (json!({"accounts": ["sandbox", "clinic"]}), "accounts"),
        (json!({"expires_at": "2026-01-03T00:00:01.000Z"}), "longer"),
        (json!({"test": false}), "test keys"),
    ] {
        let response = make(more.clone()).await;
        if more.get("test").is_some() {
            // A live key cannot use the creator's accounts, because they are sandbox accounts.
            assert_eq!(response.expect(403).code(), "forbidden");
            continue;
        }
        let response = response.expect(403);
        assert_eq!(response.code(), "forbidden");
        assert!(response.body["message"].as_str().unwrap().contains(expected), "{more}: {}", response.body);
    }
    // A caller that can rotate or revoke a key could use it or disable it.
    let listed = app.request_as(&limited, "GET", "/api/api-keys?search=dev", "").await.expect(200);
    let dev = listed.data()["api_keys"][0]["id"].as_str().unwrap();
    for (method, path) in
        [("POST", format!("/api/api-keys/{dev}/rotate")), ("DELETE", format!("/api/api-keys/{dev}"))]
    {
        assert_eq!(app.request_as(&limited, method, &path, "").await.expect(403).code(), "forbidden");
    }
    app.get("/api/me").await.expect(200);
    let reader = app.key(|new| new.scopes = vec![KeyScope::Read, KeyScope::Send]).await;
    app.request_as(&reader, "POST", "/api/api-keys", new_key(&json!({})).to_string()).await.expect(403);
}

#[tokio::test]
async fn a_user_creates_the_kind_of_key_that_the_accounts_need() {
    let app = TestApp::new().await;
    let admin = app.browser(Role::Admin).await;
    let make = |more: Value| {
        let (app, admin) = (&app, &admin);
        async move { app.browse(admin, "POST", "/api/api-keys", new_key(&more).to_string()).await }
    };
    assert_eq!(make(json!({})).await.expect(201).data()["test"], true);
    assert_eq!(make(json!({"name": "two", "accounts": ["sandbox"]})).await.expect(201).data()["test"], true);
    let live = make(json!({"name": "live", "test": false})).await.expect(201);
    assert!(secret(live.data()).starts_with("wp_live_"));
    let response = make(json!({"accounts": ["sandbox"], "test": false})).await.expect(400);
    assert_eq!(response.pointers(), ["/accounts/0"]);
    // A user can create keys of both kinds.
    let path = format!("/api/api-keys/{}", live.data()["id"].as_str().unwrap());
    app.browse(&admin, "POST", &format!("{path}/rotate"), "").await.expect(201);
    app.browse(&admin, "DELETE", &path, "").await.expect(204);
}

#[tokio::test]
async fn a_rotated_key_has_a_successor_and_stays_valid_for_the_overlap() {
    let app = TestApp::new().await;
    let body = new_key(&json!({"scopes": ["send", "read"], "rate_burst": 2, "rate_per_minute": 5}));
    let old = app.post("/api/api-keys", &body).await.expect(201).data().clone();
    let path = format!("/api/api-keys/{}", old["id"].as_str().unwrap());
    let rotated = app.post(&format!("{path}/rotate"), &json!({"overlap_seconds": 60})).await.expect(201);
    let new = rotated.data().clone();
    assert_ne!((&new["id"], &new["key"], &new["prefix"]), (&old["id"], &old["key"], &old["prefix"]));
    for same in ["name", "scopes", "accounts", "rate_per_minute", "rate_burst", "expires_at"] {
        assert_eq!(new[same], old[same], "{same}");
    }
    let shown = app.get(&path).await.expect(200);
    assert_eq!(shown.data()["expires_at"], "2026-01-01T00:01:00.000Z");
    assert_eq!(shown.data()["replaced_by"], new["id"]);

    // Both keys share the rate limits and the stored responses of repeated requests.
    let send = |key: &Value, idempotency_key: &'static str| {
        let body = json!({"to": CUSTOMER, "type": "text", "text": "Hi"}).to_string();
        let request = axum::http::Request::post("/api/messages/send")
            .header("X-API-Key", secret(key))
            .header("Idempotency-Key", idempotency_key)
            .body(axum::body::Body::from(body))
            .unwrap();
        app.call(request)
    };
    let first = send(&old, "a").await.expect(200);
    let again = send(&new, "a").await.expect(200);
    assert_eq!(again.headers["idempotent-replayed"], "true");
    assert_eq!(again.data()["id"], first.data()["id"]);
    assert_eq!(send(&new, "b").await.expect(200).number("x-ratelimit-remaining"), 3);
    assert_eq!(send(&old, "c").await.expect(429).code(), "rate_limited");
    assert_eq!(app.n_accepted(), 2);

    let twice = app.request("POST", &format!("{path}/rotate"), "").await.expect(409);
    assert_eq!(twice.code(), "not_rotatable");
    app.advance(60);
    app.request_as(&secret(&old), "GET", "/api/me", "").await.expect(401);
    app.request_as(&secret(&new), "GET", "/api/me", "").await.expect(200);
}

#[tokio::test]
async fn the_overlap_is_one_day_by_default_and_can_be_zero() {
    let app = TestApp::new().await;
    let old = app
        .post("/api/api-keys", &new_key(&json!({"expires_at": "2026-01-01T12:00:00.000Z"})))
        .await
        .expect(201);
    let path = |key: &Value| format!("/api/api-keys/{}/rotate", key["id"].as_str().unwrap());
    for (body, pointer) in [
        (json!({"overlap_seconds": -1}), "/overlap_seconds"),
        (json!({"overlap_seconds": 2_592_001}), "/overlap_seconds"),
        (json!({"overlap_seconds": "60"}), "/overlap_seconds"),
        (json!({"overlap": 60}), "/overlap"),
    ] {
        assert_eq!(app.post(&path(old.data()), &body).await.expect(400).pointers(), [pointer]);
    }
    // An earlier expiry time remains, and the successor has the same expiry time.
    let second = app.request("POST", &path(old.data()), "").await.expect(201);
    assert_eq!(second.data()["expires_at"], "2026-01-01T12:00:00.000Z");
    let shown = app.get(path(old.data()).trim_end_matches("/rotate")).await;
    assert_eq!(shown.data()["expires_at"], "2026-01-01T12:00:00.000Z");

    let endless = app.post("/api/api-keys", &new_key(&json!({"name": "endless"}))).await.expect(201);
    let third = app.request("POST", &path(endless.data()), "").await.expect(201);
    let shown = app.get(path(endless.data()).trim_end_matches("/rotate")).await;
    assert_eq!(shown.data()["expires_at"], "2026-01-02T00:00:00.000Z");
    app.post(&path(third.data()), &json!({"overlap_seconds": 0})).await.expect(201);
    app.request_as(&secret(third.data()), "GET", "/api/me", "").await.expect(401);
    app.advance(12 * 3600);
    assert_eq!(app.request("POST", &path(second.data()), "").await.expect(409).code(), "not_rotatable");
}

#[tokio::test]
async fn a_key_that_another_process_revoked_is_rejected_after_the_next_refresh() {
    let mut app = TestApp::new().await;
    let created = app.post("/api/api-keys", &new_key(&json!({}))).await.expect(201).data().clone();
    let here = (app.deps.clone(), app.router.clone());
    app.restart().await;
    app.request("DELETE", &format!("/api/api-keys/{}", created["id"].as_str().unwrap()), "")
        .await
        .expect(204);
    (app.deps, app.router) = here;
    app.request_as(&secret(&created), "GET", "/api/me", "").await.expect(200);
    background::tick_directory(&app.deps).await.unwrap();
    app.request_as(&secret(&created), "GET", "/api/me", "").await.expect(401);
}
