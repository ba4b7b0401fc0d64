//! Sessions: login with a password, requests with a cookie, logout.

use std::collections::BTreeSet;

use axum::body::Body;
use axum::http::Request;
use domain::access::api_key::KeyScope;
use domain::access::permission::Role;
use engine::background;
use serde_json::json;
use server::http_options::HttpOptions;
use sha2::{Digest, Sha256};

use crate::browser_session::{Browser, PASSWORD};
use crate::support::{CUSTOMER, TestApp};

fn credentials(email: &str, password: &str) -> serde_json::Value {
    json!({"email": email, "password": password})
}

#[tokio::test]
async fn a_session_can_call_the_routes_of_the_api() {
    let app = TestApp::new().await;
    app.add_user("Ada@Example.com", Role::Agent).await;
    let response = app.try_login(credentials("ada@EXAMPLE.com", PASSWORD), "203.0.113.7").await.expect(200);
    assert_eq!(response.data()["user"]["email"], "Ada@Example.com");
    assert_eq!(response.data()["user"]["role"], "agent");
    assert_eq!(response.data()["expires_at"], "2026-01-15T00:00:00.000Z");
    let cookie = response.headers["set-cookie"].to_str().unwrap();
    assert!(cookie.starts_with("waypost_session=") && !cookie.contains("Secure"), "{cookie}");
    for attribute in ["; HttpOnly", "; SameSite=Lax", "; Path=/"] {
        assert!(cookie.contains(attribute), "{cookie}");
    }
    assert_eq!(response.headers["cache-control"], "no-store");

    let browser = app.log_in("ada@example.com").await;
    let me = app.browse(&browser, "GET", "/api/me", "").await.expect(200);
    assert_eq!((&me.data()["kind"], &me.data()["role"]), (&json!("user"), &json!("agent")));
    assert_eq!(me.data()["workspace"]["name"], "default");
    assert_eq!(me.data()["csrf_token"], browser.csrf_token.as_str());
    assert!(me.data()["permissions"].as_array().unwrap().contains(&json!("messages.send")));
    assert_eq!(me.number("x-ratelimit-limit"), 1200);

    let body = json!({"to": CUSTOMER, "type": "text", "text": "Hi"}).to_string();
    let sent = app.browse(&browser, "POST", "/api/messages/send", body).await.expect(200);
    assert_eq!(sent.number("x-ratelimit-remaining"), 99);
    let id = sent.data()["id"].as_str().unwrap();
    app.browse(&browser, "GET", &format!("/api/messages/{id}"), "").await.expect(200);
}

#[tokio::test]
async fn a_key_can_read_its_own_identity() {
    let app = TestApp::new().await;
    let me = app.get("/api/me").await.expect(200);
    assert_eq!(me.data()["kind"], "api_key");
    assert_eq!(me.data()["key"]["name"], "dev");
    assert_eq!(me.data()["scopes"], json!(KeyScope::ALL.map(KeyScope::as_str)));
    assert!(!me.body.to_string().contains("csrf"));
    assert_eq!(app.post("/api/auth/logout", &json!({})).await.expect(403).code(), "forbidden");
}

#[tokio::test]
async fn all_failed_logins_have_the_same_response() {
    let app = TestApp::new().await;
    let id = app.add_user("ada@example.com", Role::Agent).await;
    app.add_user("off@example.com", Role::Owner).await;
    let off = app.add_user("gone@example.com", Role::Viewer).await;
    let owner = app.log_in("off@example.com").await;
    let disable = json!({"disabled": true}).to_string();
    app.browse(&owner, "PUT", &format!("/api/users/{off}"), disable).await.expect(200);
    let mut bodies = BTreeSet::new();
    for body in [
        credentials("ada@example.com", "wrong horse battery"),
        credentials("nobody@example.com", PASSWORD),
        credentials("gone@example.com", PASSWORD),
        credentials("no address", PASSWORD),
        credentials(&id, PASSWORD),
        json!({"email": "ada@example.com", "password": PASSWORD, "workspace": "elsewhere"}),
    ] {
        let mut response = app.try_login(body.clone(), "203.0.113.7").await.expect(401);
        assert_eq!(response.code(), "invalid_credentials");
        assert!(!response.headers.contains_key("set-cookie"));
        response.body["request_id"].take();
        bodies.insert(response.body.to_string());
    }
    assert_eq!(bodies.len(), 1, "{bodies:#?}");
}

#[tokio::test]
async fn an_invalid_login_request_has_pointers() {
    let app = TestApp::new().await;
    for (body, pointers) in [
        ("{}", vec!["/email", "/password"]),
        (r#"{"email":1,"password":[]}"#, vec!["/email", "/password"]),
        (r#"{"email":"","password":"x","remember":true}"#, vec!["/email", "/remember"]),
        (r#"{"email":"a","password":"b\u0000"}"#, vec!["/password"]),
        ("[]", vec![""]),
        ("{", vec![""]),
    ] {
        let request = Request::post("/api/auth/login").body(Body::from(body)).unwrap();
        assert_eq!(app.call(request).await.expect(400).pointers(), pointers, "{body}");
    }
    let query = Request::post("/api/auth/login?x=1").body(Body::from("{}")).unwrap();
    assert_eq!(app.call(query).await.expect(400).pointers(), ["/x"]);
}

#[tokio::test]
async fn wrong_passwords_throttle_one_user_and_not_others() {
    let app = TestApp::new().await;
    app.add_user("ada@example.com", Role::Agent).await;
    app.add_user("bob@example.com", Role::Agent).await;
    let wrong = || credentials("ada@example.com", "wrong horse battery");
    let right = || credentials("ada@example.com", PASSWORD);
    for _ in 0..5 {
        app.try_login(wrong(), "203.0.113.7").await.expect(401);
    }
    // The correct password is throttled as well, so that the response reveals nothing.
    let refused = app.try_login(right(), "203.0.113.7").await.expect(429);
    assert_eq!((refused.code(), refused.number("retry-after")), ("rate_limited", 60));
    app.try_login(right(), "203.0.113.8").await.expect(200);
    app.try_login(credentials("bob@example.com", PASSWORD), "203.0.113.7").await.expect(200);
    app.advance(59);
    app.try_login(wrong(), "203.0.113.7").await.expect(429);
    app.advance(1);
    app.try_login(wrong(), "203.0.113.7").await.expect(401);
    assert_eq!(app.try_login(right(), "203.0.113.7").await.expect(429).number("retry-after"), 120);
    app.advance(120);
    app.try_login(right(), "203.0.113.7").await.expect(200);
    app.try_login(wrong(), "203.0.113.7").await.expect(401);
}

#[tokio::test]
async fn concurrent_logins_do_not_bypass_the_throttle() {
    let app = TestApp::new().await;
    app.add_user("ada@example.com", Role::Agent).await;
    let attempts =
        (0..20).map(|_| app.try_login(credentials("ada@example.com", "wrong horse"), "203.0.113.7"));
    let mut statuses = Vec::new();
    let mut attempts: Vec<_> = attempts.map(Box::pin).collect();
    // All attempts start before the first one ends.
    std::future::poll_fn(|context| {
        attempts.retain_mut(|attempt| match attempt.as_mut().poll(context) {
            std::task::Poll::Ready(response) => {
                statuses.push(response.status.as_u16());
                false
            }
            std::task::Poll::Pending => true,
        });
        if attempts.is_empty() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    assert_eq!(statuses.iter().filter(|status| **status == 401).count(), 5, "{statuses:?}");
    assert_eq!(statuses.iter().filter(|status| **status == 429).count(), 15, "{statuses:?}");
}

#[tokio::test]
async fn the_throttle_uses_the_address_from_a_trusted_proxy() {
    let mut app = TestApp::new().await;
    app.add_user("ada@example.com", Role::Agent).await;
    let web = HttpOptions { trusted_proxies: vec!["10.0.0.0/8".parse().unwrap()], ..HttpOptions::default() };
    app.router = server::run::router(&app.deps, web);
    let try_from = |peer: &'static str, forwarded: &'static str| {
        let request = Request::post("/api/auth/login")
            .extension(axum::extract::ConnectInfo::<std::net::SocketAddr>(peer.parse().unwrap()))
            .header("X-Forwarded-For", forwarded)
            .body(Body::from(credentials("ada@example.com", "wrong horse").to_string()))
            .unwrap();
        app.call(request)
    };
    for _ in 0..5 {
        try_from("10.0.0.1:1", "192.0.2.1").await.expect(401);
    }
    try_from("10.0.0.2:1", "192.0.2.1").await.expect(429);
    // The entries that the client forged are to the left of the entry that the proxy appends.
    try_from("10.0.0.1:1", "198.51.100.1, 192.0.2.1").await.expect(429);
    try_from("10.0.0.1:1", "192.0.2.2").await.expect(401);
    // The header of a peer that is not a trusted proxy is ignored.
    for _ in 0..5 {
        try_from("192.0.2.9:1", "198.51.100.2").await.expect(401);
    }
    try_from("192.0.2.9:1", "198.51.100.3").await.expect(429);
}

fn request(browser: &Browser, method: &str, path: &str) -> axum::http::request::Builder {
    Request::builder()
        .method(method)
        .uri(path)
        .header("Cookie", &browser.cookie)
        .header("Host", "wa.example.com")
}

#[tokio::test]
async fn a_cookie_alone_changes_nothing() {
    let app = TestApp::new().await;
    let browser = app.browser(Role::Owner).await;
    let other = app.browser(Role::Admin).await;
    let call = |request: axum::http::request::Builder| app.call(request.body(Body::empty()).unwrap());
    let logout = || request(&browser, "POST", "/api/auth/logout");
    call(request(&browser, "GET", "/api/users")).await.expect(200);
    for wrong in [
        logout(),
        logout().header("X-CSRF-Token", ""),
        logout().header("X-CSRF-Token", &other.csrf_token),
        logout().header("X-CSRF-Token", browser.cookie.trim_start_matches("waypost_session=")),
        logout().header("X-CSRF-Token", &browser.csrf_token).header("Sec-Fetch-Site", "cross-site"),
        logout().header("X-CSRF-Token", &browser.csrf_token).header("Sec-Fetch-Site", "same-site"),
        logout().header("X-CSRF-Token", &browser.csrf_token).header("Origin", "https://evil.example"),
        logout().header("X-CSRF-Token", &browser.csrf_token).header("Origin", "null"),
    ] {
        let response = call(wrong).await.expect(403);
        assert_eq!(response.code(), "csrf_required");
        assert!(!response.body.to_string().contains(&browser.csrf_token));
    }
    let own = logout()
        .header("X-CSRF-Token", &browser.csrf_token)
        .header("Sec-Fetch-Site", "same-origin")
        .header("Origin", "https://wa.example.com");
    let ended = call(own).await.expect(204);
    assert!(ended.headers["set-cookie"].to_str().unwrap().starts_with("waypost_session=; Max-Age=0"));
    assert_eq!(call(request(&browser, "GET", "/api/me")).await.expect(401).code(), "invalid_api_key");
    call(request(&other, "GET", "/api/me")).await.expect(200);
}

#[tokio::test]
async fn a_form_of_another_site_cannot_log_in() {
    let app = TestApp::new().await;
    app.add_user("ada@example.com", Role::Agent).await;
    let request = Request::post("/api/auth/login")
        .header("Origin", "https://evil.example")
        .header("Host", "wa.example.com")
        .body(Body::from(credentials("ada@example.com", PASSWORD).to_string()))
        .unwrap();
    assert_eq!(app.call(request).await.expect(403).code(), "csrf_required");
}

#[tokio::test]
async fn a_key_overrides_a_cookie() {
    let app = TestApp::new().await;
    let browser = app.browser(Role::Owner).await;
    let wrong = request(&browser, "GET", "/api/users").header("X-API-Key", "wp_test_wrong");
    app.call(wrong.body(Body::empty()).unwrap()).await.expect(401);
    let right = request(&browser, "POST", "/api/templates/sync")
        .header("X-API-Key", engine::access::api_key::DEV_KEY);
    app.call(right.body(Body::empty()).unwrap()).await.expect(200);
    // The password that a proxy sends in `Authorization` is not an API key.
    let basic = request(&browser, "GET", "/api/me").header("Authorization", "Basic eDp5");
    assert_eq!(app.call(basic.body(Body::empty()).unwrap()).await.expect(200).data()["kind"], "user");
}

#[tokio::test]
async fn a_session_expires_when_idle_and_after_thirty_days() {
    let mut app = TestApp::new().await;
    let idle = app.browser(Role::Admin).await;
    let busy = app.browser(Role::Agent).await;
    let day = 24 * 3600;
    for _ in 0..13 {
        app.advance(day);
        app.browse(&busy, "GET", "/api/me", "").await.expect(200);
    }
    background::tick_last_used(&app.deps).await.unwrap();
    app.advance(day - 1);
    app.browse(&idle, "GET", "/api/me", "").await.expect(200);
    app.restart().await;
    // Use of the session that was not stored before the crash does not extend the session.
    app.advance(1);
    app.browse(&idle, "GET", "/api/me", "").await.expect(401);
    for _ in 14..29 {
        app.browse(&busy, "GET", "/api/me", "").await.expect(200);
        app.advance(day);
    }
    let me = app.browse(&busy, "GET", "/api/me", "").await.expect(200);
    assert_eq!(me.data()["expires_at"], "2026-01-31T00:00:00.000Z");
    app.advance(day);
    app.browse(&busy, "GET", "/api/me", "").await.expect(401);
    background::tick_last_used(&app.deps).await.unwrap();
    for browser in [idle, busy] {
        let digest = Sha256::digest(browser.cookie.trim_start_matches("waypost_session=")).into();
        assert!(app.deps.users.get_session(&digest).await.unwrap().is_none());
    }
}

#[tokio::test]
async fn an_invalid_session_is_rejected() {
    let app = TestApp::new().await;
    let browser = app.browser(Role::Owner).await;
    let secret = browser.cookie.trim_start_matches("waypost_session=").to_owned();
    for cookie in [
        "",
        "x",
        "'; drop table sessions; --",
        &secret[1..],
        &format!("{secret}a"),
        &secret.to_uppercase(),
        &"a".repeat(52),
        &"a".repeat(60_000),
    ] {
        let forged = Browser { cookie: format!("waypost_session={cookie}"), ..browser.clone() };
        app.browse(&forged, "GET", "/api/me", "").await.expect(401);
    }
}

#[tokio::test]
async fn an_email_in_two_workspaces_logs_in_to_the_default_workspace() {
    let app = TestApp::new().await;
    let by = engine::AuditContext::command_line();
    let other = engine::workspace::create_workspace(&app.deps, &by, "clinic").await.unwrap();
    app.add_user("ada@example.com", Role::Owner).await;
    let new = engine::access::user::NewUser {
        email: "ada@example.com".parse().unwrap(),
        name: None,
        role: Role::Viewer,
        password: "another password".into(),
    };
    let requester = engine::access::user::Requester { caller: None, audit: &by };
    engine::access::user::create_user(&app.deps, requester, other, new).await.unwrap();
    let role = |body| {
        let app = &app;
        async move { app.try_login(body, "203.0.113.7").await.expect(200).data()["user"]["role"].clone() }
    };
    assert_eq!(role(credentials("ada@example.com", PASSWORD)).await, "owner");
    let named = |name: &str, password: &str| json!({"email": "ada@example.com", "password": password, "workspace": name});
    assert_eq!(role(named("clinic", "another password")).await, "viewer");
    app.try_login(named("clinic", PASSWORD), "203.0.113.7").await.expect(401);
    app.try_login(credentials("ada@example.com", "another password"), "203.0.113.7").await.expect(401);
}
