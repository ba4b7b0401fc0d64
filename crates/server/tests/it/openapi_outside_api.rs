//! Routes outside of `/api`: each one exists and responds as the OpenAPI document describes.

use std::collections::BTreeSet;

use axum::body::Body;
use axum::http::{Method, Request};
use serde_json::Value;

use crate::contract::{DOCUMENT, assert_fits, described};
use crate::support::{CUSTOMER, TestApp, TestResponse};

async fn get(app: &TestApp, path: &str) -> TestResponse {
    app.call(Request::get(path).body(Body::empty()).unwrap()).await
}

#[tokio::test]
async fn each_path_outside_of_the_api_accepts_exactly_its_methods() {
    let app = TestApp::new().await;
    let mut found = BTreeSet::new();
    for path in DOCUMENT["paths"].as_object().unwrap().keys().filter(|path| !path.starts_with("/api/")) {
        for method in ["GET", "POST", "PUT", "DELETE"] {
            let parsed: Method = method.parse().unwrap();
            let is_described = described(&parsed, path).is_some();
            let response = app.request(method, path, "").await;
            assert_eq!(response.status != 405, is_described, "{method} {path}: {}", response.status);
            assert_ne!(response.status, 404, "{method} {path}");
            if is_described {
                found.insert(format!("{method} {path}"));
            } else {
                assert!(response.headers.contains_key("allow"), "{method} {path} does not say what it takes");
            }
        }
    }
    let known = [
        "GET /healthz",
        "GET /metrics",
        "GET /readyz",
        "GET /webhooks/meta",
        "POST /v1/messages",
        "POST /webhooks/meta",
    ];
    assert_eq!(found, known.map(str::to_owned).into());
}

#[tokio::test]
async fn meta_checks_the_callback_as_described() {
    let app = TestApp::new().await;
    let operation = described(&Method::GET, "/webhooks/meta").unwrap();
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    for parameter in operation["parameters"].as_array().unwrap() {
        let name = parameter["name"].as_str().unwrap();
        let shown = parameter["example"].as_str().unwrap();
        assert_eq!(parameter["required"], true, "{name}");
        query.append_pair(name, if name == "hub.verify_token" { &app.seeded.verify_token } else { shown });
    }
    let query = query.finish();
    let response = get(&app, &format!("/webhooks/meta?{query}")).await.expect(200);
    let shown = &operation["responses"]["200"]["content"]["text/plain"]["example"];
    // The challenge consists of digits, which the test parses as a number.
    assert_eq!(response.body.to_string(), shown.as_str().unwrap());
    for part in query.split('&') {
        let without: Vec<_> = query.split('&').filter(|other| *other != part).collect();
        get(&app, &format!("/webhooks/meta?{}", without.join("&"))).await.expect(403);
    }
}

#[tokio::test]
async fn meta_posts_as_described() {
    let app = TestApp::new().await;
    let operation = described(&Method::POST, "/webhooks/meta").unwrap();
    let example = &operation["requestBody"]["content"]["application/json"]["examples"]["message"]["value"];
    app.post_signed(&app.seeded.app_secret, example.to_string()).await.expect(200);
    let response = app.get("/api/messages?direction=inbound").await.expect(200);
    let message = &example["entry"][0]["changes"][0]["value"]["messages"][0];
    assert_eq!(response.data()["messages"][0]["message_id"], message["id"]);
    app.post_signed(&app.seeded.app_secret, "no JSON".to_owned()).await.expect(400);
    app.post_signed("somebody else", example.to_string()).await.expect(401);
    app.post_signed(&app.seeded.app_secret, " ".repeat(5_000_000)).await.expect(413);
}

#[tokio::test]
async fn the_v1_dialect_rejects_as_described() {
    let app = TestApp::new().await;
    let send =
        async |key: &str, body: &str| app.request_as(key, "POST", "/v1/messages", body.to_owned()).await;
    let text = |to: &str| serde_json::json!({"to": to, "type": "text", "text": {"body": "Hi"}}).to_string();
    let key = engine::access::api_key::DEV_KEY;
    let mut cases = vec![
        ("invalid_api_key", send("wp_test_wrong", "{}").await),
        ("outside_window", send(key, &text("+447700900123")).await),
        ("invalid_request", send(key, r#"{"to":"+15550100001"}"#).await),
    ];
    app.customer_writes(CUSTOMER, "Hello").await;
    let limited = loop {
        let response = send(key, &text(CUSTOMER)).await;
        if response.status == 429 {
            break response;
        }
    };
    cases.push(("rate_limited", limited));
    let operation = described(&Method::POST, "/v1/messages").unwrap();
    for (code, response) in cases {
        let content = &operation["responses"][response.status.as_str()]["content"]["application/json"];
        let shown = &content["examples"][code]["value"];
        assert_eq!(response.body["error"]["code"], shown["error"]["code"], "{code}: {:#}", response.body);
        let names =
            |body: &Value| -> Vec<String> { body["error"].as_object().unwrap().keys().cloned().collect() };
        assert_eq!(names(&response.body), names(shown), "{code}");
    }
    for (status, documented) in operation["responses"].as_object().unwrap() {
        let content = &documented["content"]["application/json"];
        for (code, example) in content["examples"].as_object().into_iter().flatten() {
            assert_fits(&example["value"], &content["schema"], true, &format!("{status} {code}"));
        }
    }
}
