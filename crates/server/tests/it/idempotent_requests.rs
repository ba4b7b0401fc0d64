//! `Idempotency-Key` of operations other than sends: a repeated request has one effect and the first response.

mod crash;
mod streams;

use axum::body::Body;
use axum::http::Request;
use domain::access::permission::Role;
use domain::id::{RequestId, WorkerId};
use engine::access::api_key::DEV_KEY;
use engine::background;
use engine::ports::NewIdempotentRequest;
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::support::{CUSTOMER, TestApp, TestResponse};

/// Sends a POST with an idempotency key.
async fn post_as(app: &TestApp, api_key: &str, path: &str, key: &str, body: &str) -> TestResponse {
    let request = Request::post(path)
        .header("X-API-Key", api_key)
        .header("Idempotency-Key", key)
        .header("Content-Type", "application/json")
        .body(Body::from(body.to_owned()))
        .unwrap();
    app.run_with_clock(app.call(request)).await
}

async fn post(app: &TestApp, path: &str, key: &str, body: &Value) -> TestResponse {
    post_as(app, DEV_KEY, path, key, &body.to_string()).await
}

fn contact() -> Value {
    json!({"phone_number": "+15550100077", "name": "Maya"})
}

fn is_replayed(response: &TestResponse) -> bool {
    response.headers.get("idempotent-replayed").is_some_and(|value| value == "true")
}

#[tokio::test]
async fn a_repeated_request_has_the_first_response_and_no_second_effect() {
    let app = TestApp::new().await;
    let first = post(&app, "/api/contacts", "c-1", &contact()).await.expect(201);
    assert!(!is_replayed(&first));
    // The same JSON, with other spaces and another order of members.
    let same = r#"{ "name": "Maya",  "phone_number": "+15550100077" }"#;
    let second = post_as(&app, DEV_KEY, "/api/contacts", "c-1", same).await.expect(201);
    assert!(is_replayed(&second));
    assert_eq!(first.body, second.body);
    assert_ne!(first.headers["x-request-id"], second.headers["x-request-id"]);
    // Each call counts once.
    let n = |response: &TestResponse| response.number("x-ratelimit-remaining");
    assert_eq!(n(&second), n(&first) - 1);
    // A definite error after the checks is repeated, too.
    let exists = post(&app, "/api/contacts", "c-2", &contact()).await.expect(409);
    let again = post(&app, "/api/contacts", "c-2", &contact()).await.expect(409);
    assert_eq!((exists.code(), is_replayed(&exists), is_replayed(&again)), ("contact_exists", false, true));
    assert_eq!(exists.body, again.body);
}

#[tokio::test]
async fn another_body_path_or_query_with_the_same_key_is_rejected() {
    let app = TestApp::new().await;
    post(&app, "/api/contacts", "k", &contact()).await.expect(201);
    let other = json!({"phone_number": "+15550100078"});
    assert_eq!(post(&app, "/api/contacts", "k", &other).await.expect(409).code(), "idempotency_mismatch");
    for path in ["/api/contacts?upsert=true", "/api/contacts/bulk", "/api/webhooks"] {
        assert_eq!(
            post(&app, path, "k", &contact()).await.expect(409).code(),
            "idempotency_mismatch",
            "{path}"
        );
    }
    // Sends and other requests share the keys.
    let text = json!({"to": CUSTOMER, "type": "text", "text": "Hi"});
    let batch = json!({"messages": [text]});
    assert_eq!(post(&app, "/api/messages/send", "k", &text).await.expect(409).code(), "idempotency_mismatch");
    assert_eq!(
        post(&app, "/api/messages/batch", "k", &batch).await.expect(409).code(),
        "idempotency_mismatch"
    );
    post(&app, "/api/messages/send", "s", &text).await.expect(200);
    post(&app, "/api/messages/batch", "b", &batch).await.expect(202);
    for key in ["s", "b"] {
        assert_eq!(post(&app, "/api/contacts", key, &other).await.expect(409).code(), "idempotency_mismatch");
    }
    assert_eq!(app.get("/api/contacts").await.data()["total"], 2);
}

#[tokio::test]
async fn a_refused_request_leaves_the_key_free_for_the_corrected_request() {
    let app = TestApp::new().await;
    let refused = post(&app, "/api/contacts", "k", &json!({"phone_number": "nobody"})).await.expect(400);
    assert_eq!(refused.pointers(), ["/phone_number"]);
    post_as(&app, DEV_KEY, "/api/contacts", "k", "[]").await.expect(400);
    post_as(&app, DEV_KEY, "/api/contacts", "k", "{").await.expect(400);
    post(&app, "/api/contacts?color=red", "k", &contact()).await.expect(400);
    let nobody = "/api/webhooks/01a2b3c4-0000-7000-8000-000000000009/rotate-secret";
    post(&app, nobody, "k", &json!({})).await.expect(404);
    let reader = app.key(|new| new.scopes = vec![domain::access::api_key::KeyScope::Read]).await;
    post_as(&app, &reader, "/api/contacts", "k", &contact().to_string()).await.expect(403);
    post_as(&app, "wp_test_unknown", "/api/contacts", "k", &contact().to_string()).await.expect(401);
    assert!(!is_replayed(&post(&app, "/api/contacts", "k", &contact()).await.expect(201)));
    for (key, reason) in [(String::new(), "must not be empty"), ("x".repeat(256), "at most 255")] {
        let refused = post(&app, "/api/contacts", &key, &contact()).await.expect(400);
        assert!(refused.body.to_string().contains(reason), "{}", refused.body);
    }
}

#[tokio::test]
async fn a_response_with_a_secret_is_repeated_and_stored_encrypted() {
    let app = TestApp::new().await;
    let new_key = json!({"name": "shop", "scopes": ["send"]});
    let hook = json!({"name": "shop", "url": "https://shop.example/hook", "events": ["*"]});
    let mut secrets = Vec::new();
    for (path, body, member) in [("/api/api-keys", new_key, "key"), ("/api/webhooks", hook, "secret")] {
        let first = post(&app, path, member, &body).await.expect(201);
        let again = post(&app, path, member, &body).await.expect(201);
        assert_eq!(first.body, again.body);
        assert!(is_replayed(&again));
        assert_eq!(again.headers["cache-control"], "no-store");
        secrets.push(first.data()[member].as_str().unwrap().to_owned());
    }
    let webhooks = app.get("/api/webhooks").await;
    let path =
        format!("/api/webhooks/{}/rotate-secret", webhooks.data()["webhooks"][0]["id"].as_str().unwrap());
    let rotated = post(&app, &path, "rotate", &json!({})).await.expect(200);
    assert_eq!(post(&app, &path, "rotate", &json!({})).await.expect(200).body, rotated.body);
    secrets.push(rotated.data()["secret"].as_str().unwrap().to_owned());
    let stored = app.stored_bytes();
    for secret in secrets {
        assert!(!stored.windows(secret.len()).any(|bytes| bytes == secret.as_bytes()), "{secret}");
    }
    assert_eq!(webhooks.data()["total"], 1);
}

#[tokio::test]
async fn a_key_belongs_to_the_api_key_and_its_rotations_or_to_the_user() {
    let app = TestApp::new().await;
    let old =
        app.post("/api/api-keys", &json!({"name": "ci", "scopes": ["contacts", "read"]})).await.expect(201);
    let secret = |response: &TestResponse| response.data()["key"].as_str().unwrap().to_owned();
    let path = format!("/api/api-keys/{}/rotate", old.data()["id"].as_str().unwrap());
    let new = app.request("POST", &path, "").await.expect(201);
    let body = json!({"contacts": [contact()]}).to_string();
    post_as(&app, &secret(&old), "/api/contacts/bulk", "k", &body).await.expect(200);
    assert!(is_replayed(&post_as(&app, &secret(&new), "/api/contacts/bulk", "k", &body).await.expect(200)));
    assert!(!is_replayed(&post(&app, "/api/contacts/bulk", "k", &json!({"contacts": [contact()]})).await));

    let browser = app.browser(Role::Admin).await;
    let call = || {
        let request = Request::post("/api/contacts/bulk")
            .header("Cookie", &browser.cookie)
            .header("X-CSRF-Token", &browser.csrf_token)
            .header("Idempotency-Key", "k")
            .body(Body::from(body.clone()))
            .unwrap();
        app.call(request)
    };
    assert!(!is_replayed(&call().await.expect(200)));
    assert!(is_replayed(&call().await.expect(200)));
}

#[tokio::test]
async fn a_key_is_stored_for_24_hours() {
    let app = TestApp::new().await;
    post(&app, "/api/contacts", "k", &contact()).await.expect(201);
    app.advance(24 * 3600 - 1);
    assert!(is_replayed(&post(&app, "/api/contacts", "k", &contact()).await.expect(201)));
    app.advance(1);
    assert!(!is_replayed(&post(&app, "/api/contacts", "k", &contact()).await.expect(409)));
}

#[tokio::test]
async fn a_request_of_another_process_is_in_progress_while_that_process_lives() {
    let app = TestApp::new().await;
    let worker = WorkerId::from_bytes([9; 16]);
    app.deps.workers.record_heartbeat(worker, app.deps.now()).await.unwrap();
    let new = NewIdempotentRequest {
        id: RequestId::from_bytes([9; 16]),
        workspace: app.workspace,
        owner: app.deps.directory.current().keys.values().next().unwrap().owner,
        key: "k".to_owned(),
        digest: None,
        worker,
        now: app.deps.now(),
        expires_at: app.deps.now() + SignedDuration::from_hours(24),
    };
    app.deps.idempotent_requests.insert_idempotent_request(new).await.unwrap();
    let running = post(&app, "/api/contacts", "k", &contact()).await.expect(409);
    assert_eq!((running.code(), running.number("retry-after")), ("idempotency_in_progress", 1));
    app.advance(11);
    background::tick_recovery(&app.deps).await.unwrap();
    let dead = post(&app, "/api/contacts", "k", &contact()).await.expect(409);
    assert_eq!((dead.code(), dead.headers.get("retry-after")), ("idempotency_interrupted", None));
    app.advance(24 * 3600);
    post(&app, "/api/contacts", "k", &contact()).await.expect(201);
}

#[tokio::test]
async fn the_stored_response_about_an_erased_contact_is_deleted() {
    let app = TestApp::new().await;
    let created = post(&app, "/api/contacts", "k", &contact()).await.expect(201);
    let id = created.data()["id"].as_str().unwrap().to_owned();
    app.request("DELETE", &format!("/api/contacts/{id}"), "").await.expect(204);
    let again = post(&app, "/api/contacts", "k", &contact()).await.expect(409);
    assert_eq!(again.code(), "idempotency_interrupted");
    assert_eq!(app.get("/api/contacts").await.data()["total"], 1);
}

#[tokio::test]
async fn a_client_that_disconnects_does_not_interrupt_its_request() {
    let app = TestApp::new().await;
    let request = || {
        Request::post("/api/contacts")
            .header("X-API-Key", DEV_KEY)
            .header("Idempotency-Key", "k")
            .body(Body::from(contact().to_string()))
            .unwrap()
    };
    let mut call = Box::pin(app.call(request()));
    // The client disconnects as soon as the task of the request exists.
    while app.deps.tasks.is_empty() {
        assert!(futures_util::poll!(&mut call).is_pending());
        tokio::task::yield_now().await;
    }
    drop(call);
    app.finish_tasks().await;
    assert!(is_replayed(&app.call(request()).await.expect(201)));
}
