//! Webhook endpoints: create, change, test, disable; secrets and access.

use engine::ports::WebhookOutcome;
use serde_json::{Value, json};

use super::{OTHER, URL, add, deliveries, id, texts, webhook};
use crate::support::{CUSTOMER, TestApp};

#[tokio::test]
async fn an_endpoint_receives_events_that_happen_after_its_creation() {
    let app = TestApp::new().await;
    app.send_text(CUSTOMER).await.expect(200);
    app.step().await;
    let created = add(&app, URL, json!({})).await;
    assert!(created["secret"].as_str().unwrap().starts_with("whsec_"));
    assert_eq!(
        (&created["status"], &created["enabled"], &created["events"]),
        (&json!("active"), &json!(true), &json!(["*"]))
    );
    let sent = app.send_text(CUSTOMER).await.expect(200);
    app.step().await;
    app.deliver_events().await;
    assert_eq!(app.receiver.kinds(URL), ["message.sent", "message.delivered", "message.read"]);
    let received = app.receiver.received();
    assert_eq!(received[0].data()["id"], sent.data()["id"]);
    assert_eq!(received[0].body["id"], received[0].event_id);
    assert_eq!(received[0].secrets, [created["secret"].as_str().unwrap()]);
    // The event log has the same bytes.
    let page = app.get("/api/events?events=message.sent,message.delivered,message.read").await.expect(200);
    let logged = page.data()["events"].as_array().unwrap();
    assert_eq!(logged[logged.len() - 1], received[2].body);
    let rows = deliveries(&app, id(&created), "").await;
    assert_eq!(rows.len(), 3);
    assert_eq!(rows[0]["event"], "message.read");
    assert_eq!(
        (&rows[0]["status"], &rows[0]["attempt"], &rows[0]["http_status"], &rows[0]["latency_ms"]),
        (&json!("succeeded"), &json!(1), &json!(200), &json!(7))
    );
    assert_eq!(rows[0]["event_id"], received[2].event_id);
    let shown = webhook(&app, id(&created)).await;
    assert!(shown.get("secret").is_none());
}

#[tokio::test]
async fn an_endpoint_chooses_events_and_accounts() {
    let app = TestApp::new().await;
    let clinic = app.add_second_account().await;
    add(&app, URL, json!({"events": ["message.sent"], "accounts": ["sandbox"]})).await;
    add(&app, OTHER, json!({"accounts": [clinic.to_string()]})).await;
    app.send_text(CUSTOMER).await.expect(200);
    app.customer_writes(CUSTOMER, "Hi").await;
    app.deliver_events().await;
    assert_eq!(app.receiver.kinds(URL), ["message.sent"]);
    assert_eq!(app.receiver.kinds(OTHER), [""; 0]);
}

#[tokio::test]
async fn invalid_endpoints_are_rejected_with_all_errors() {
    let app = TestApp::new().await;
    let body = json!({
        "url": "http://127.0.0.1/x", "events": ["message.send", 7], "accounts": ["nobody"],
        "headers": {"Host": "evil", "X-Fine": 1, "X-Line": "a\nb"}, "enabled": "yes", "urls": 1
    });
    let refused = app.post("/api/webhooks", &body).await.expect(400);
    assert_eq!(
        refused.pointers(),
        [
            "/name",
            "/url",
            "/events/0",
            "/events/1",
            "/accounts/0",
            "/headers/Host",
            "/headers/X-Fine",
            "/headers/X-Line",
            "/enabled",
            "/urls"
        ]
    );
    assert!(refused.reasons().contains("did you mean `message.sent`?"));
    assert_eq!(app.get("/api/webhooks").await.expect(200).data()["total"], 0);
    for hostile in [
        "https://localhost/x",
        "https://10.0.0.1/",
        "https://[::1]/",
        "https://169.254.169.254/latest/meta-data",
        "https://0x7f.1/",
        "https://2130706433/",
        "https://user:pass@example.com/",
        "ftp://example.com/",
        "https://[::ffff:10.0.0.1]/",
        "http://example.com/",
    ] {
        let body = json!({"name": "x", "url": hostile, "events": ["*"]});
        assert_eq!(app.post("/api/webhooks", &body).await.expect(400).pointers(), ["/url"], "{hostile}");
    }
    for path in ["", "/test", "/replay", "/rotate-secret"] {
        let unknown = "018f2f3e-0c1d-7a3b-9c55-0242ac120002";
        let (method, body) = if path.is_empty() {
            ("DELETE", "")
        } else {
            ("POST", r#"{"since":"2025-01-01T00:00:00.000Z"}"#)
        };
        let body = if path == "/replay" || path.is_empty() { body } else { "{}" };
        let response =
            app.request(method, &format!("/api/webhooks/{unknown}{path}"), body.to_owned()).await.expect(404);
        assert_eq!(response.code(), "webhook_not_found");
    }
    let unknown =
        app.post("/api/deliveries/018f2f3e-0c1d-7a3b-9c55-0242ac120002/redeliver", &json!({})).await;
    assert_eq!(unknown.expect(404).code(), "delivery_not_found");
}

#[tokio::test]
async fn an_update_changes_only_the_given_fields() {
    let app = TestApp::new().await;
    let created = add(&app, URL, json!({"headers": {"Authorization": "Bearer secret-of-the-shop"}})).await;
    assert_eq!(created["headers"], json!({"Authorization": "***"}));
    let path = format!("/api/webhooks/{}", id(&created));
    let put = app.request(
        "PUT",
        &path,
        json!({"name": "till", "headers": {"Authorization": "***", "X-More": "1"}}).to_string(),
    );
    let changed = put.await.expect(200);
    assert_eq!((&changed.data()["name"], &changed.data()["url"]), (&json!("till"), &json!(URL)));
    app.send_text(CUSTOMER).await.expect(200);
    app.deliver_events().await;
    let headers = &app.receiver.received()[0].headers;
    assert_eq!(headers.len(), 2);
    assert!(headers.contains(&("Authorization".to_owned(), "Bearer secret-of-the-shop".to_owned())));
    let cleared = app.request("PUT", &path, r#"{"headers":null,"accounts":null}"#).await.expect(200);
    assert_eq!(cleared.data()["headers"], json!({}));
    let refused = app.request("PUT", &path, r#"{"name":null,"url":null}"#).await.expect(400);
    assert_eq!(refused.pointers(), ["/name", "/url"]);
    app.request("DELETE", &path, "").await.expect(204);
    app.get(&path).await.expect(404);
}

#[tokio::test]
async fn an_endpoint_that_returns_410_is_disabled_and_the_others_get_an_event() {
    let app = TestApp::new().await;
    let endpoint = add(&app, URL, json!({})).await;
    add(&app, OTHER, json!({"events": ["webhook.disabled"]})).await;
    app.receiver.respond_with(URL, 410);
    for n in 0..3 {
        app.customer_writes(CUSTOMER, &n.to_string()).await;
    }
    app.deliver_events().await;
    assert_eq!(texts(&app, URL), ["0"]);
    assert_eq!(app.receiver.kinds(OTHER), ["webhook.disabled"]);
    let shown = webhook(&app, id(&endpoint)).await;
    assert_eq!((&shown["status"], &shown["enabled"]), (&json!("disabled"), &json!(false)));
    assert!(shown["status_reason"].as_str().unwrap().contains("410"));
    app.deliver_events().await;
    assert_eq!(deliveries(&app, id(&endpoint), "status=dead").await.len(), 3);
    // A disabled endpoint receives no new events and no retries.
    app.customer_writes(CUSTOMER, "unheard").await;
    app.deliver_events().await;
    assert_eq!(deliveries(&app, id(&endpoint), "").await.len(), 3);
    let path = format!("/api/webhooks/{}", id(&endpoint));
    let since = json!({"since": "2026-01-01T00:00:00.000Z"});
    assert_eq!(app.post(&format!("{path}/replay"), &since).await.expect(409).code(), "webhook_disabled");

    // After it was enabled again, the endpoint can request a replay of all events.
    app.receiver.respond_with(URL, 200);
    app.receiver.clear();
    let revived = app.request("PUT", &path, r#"{"enabled":true}"#).await.expect(200);
    assert_eq!(
        (&revived.data()["status"], &revived.data()["status_reason"]),
        (&json!("active"), &Value::Null)
    );
    app.post(&format!("{path}/replay"), &since).await.expect(202);
    app.deliver_events().await;
    assert_eq!(texts(&app, URL), ["Hello", "0", "1", "2", "unheard"]);
    assert!(
        app.receiver
            .received()
            .iter()
            .filter(|received| received.url == URL)
            .all(|received| received.is_redelivery)
    );
}

#[tokio::test]
async fn five_days_of_failures_disable_an_endpoint() {
    let app = TestApp::new().await;
    let created = add(&app, URL, json!({"events": ["message.incoming"]})).await;
    app.receiver.respond_with(URL, 500);
    for day in 0..5 {
        app.customer_writes(CUSTOMER, &day.to_string()).await;
        app.deliver_events().await;
        assert_ne!(webhook(&app, id(&created)).await["status"], "disabled", "day {day}");
        app.advance(86_400);
    }
    app.customer_writes(CUSTOMER, "last").await;
    app.deliver_events().await;
    assert_eq!(webhook(&app, id(&created)).await["status"], "disabled");
}

#[tokio::test]
async fn the_old_and_the_new_secret_both_sign_for_a_day() {
    let app = TestApp::new().await;
    let created = add(&app, URL, json!({"events": ["message.incoming"]})).await;
    let path = format!("/api/webhooks/{}/rotate-secret", id(&created));
    let rotated = app.post(&path, &json!({})).await.expect(200);
    let (old, new) = (created["secret"].as_str().unwrap(), rotated.data()["secret"].as_str().unwrap());
    assert_ne!(old, new);
    app.customer_writes(CUSTOMER, "during").await;
    app.deliver_events().await;
    app.advance(86_401);
    app.customer_writes(CUSTOMER, "after").await;
    app.deliver_events().await;
    let received = app.receiver.received();
    assert_eq!(received[0].secrets, [new, old]);
    assert_eq!(received[1].secrets, [new]);
}

#[tokio::test]
async fn a_test_event_goes_to_its_endpoint_only_and_returns_the_result() {
    let app = TestApp::new().await;
    let created = add(&app, URL, json!({"events": ["message.read"]})).await;
    add(&app, OTHER, json!({})).await;
    let path = format!("/api/webhooks/{}/test", id(&created));
    let fine = app.post(&path, &json!({})).await.expect(200);
    assert_eq!(
        (&fine.data()["status"], &fine.data()["event"], &fine.data()["http_status"]),
        (&json!("succeeded"), &json!("webhook.test"), &json!(200))
    );
    app.receiver.end(URL, WebhookOutcome::Failed { reason: "connection refused".to_owned() });
    let failed = app.post(&path, &json!({})).await.expect(200);
    assert_eq!(
        (&failed.data()["status"], &failed.data()["response"], &failed.data()["http_status"]),
        (&json!("dead"), &json!("connection refused"), &Value::Null)
    );
    app.advance(100_000);
    app.deliver_events().await;
    assert_eq!(app.receiver.kinds(URL), ["webhook.test", "webhook.test"]);
    assert_eq!(app.receiver.kinds(OTHER), [""; 0]);
}

#[tokio::test]
async fn a_disabled_endpoint_receives_waiting_events_after_it_is_enabled() {
    let app = TestApp::new().await;
    let created = add(&app, URL, json!({"events": ["message.incoming"]})).await;
    let path = format!("/api/webhooks/{}", id(&created));
    app.request("PUT", &path, r#"{"enabled":false}"#).await.expect(200);
    assert_eq!(webhook(&app, id(&created)).await["status"], "disabled");
    app.customer_writes(CUSTOMER, "meanwhile").await;
    app.deliver_events().await;
    assert_eq!(texts(&app, URL), [""; 0]);
    app.request("PUT", &path, r#"{"enabled":true}"#).await.expect(200);
    app.deliver_events().await;
    assert_eq!(texts(&app, URL), ["meanwhile"]);
}

#[tokio::test]
async fn a_key_of_one_account_cannot_access_endpoints_of_other_accounts() {
    let app = TestApp::new().await;
    let clinic = app.add_second_account().await;
    let all = add(&app, URL, json!({})).await;
    let of_sandbox = add(&app, OTHER, json!({"accounts": ["sandbox"]})).await;
    let key = app.key(|key| key.accounts = vec![clinic]).await;
    for endpoint in [&all, &of_sandbox] {
        let path = format!("/api/webhooks/{}", id(endpoint));
        let since = json!({"since": "2026-01-01T00:00:00.000Z"}).to_string();
        for (method, path, body) in [
            ("GET", path.clone(), String::new()),
            ("PUT", path.clone(), r#"{"url":"https://mine.example.com/"}"#.to_owned()),
            ("GET", format!("{path}/deliveries"), String::new()),
            ("POST", format!("{path}/rotate-secret"), String::new()),
            ("POST", format!("{path}/test"), String::new()),
            ("POST", format!("{path}/replay"), since),
            ("DELETE", path, String::new()),
        ] {
            let response = app.request_as(&key, method, &path, body).await.expect(404);
            assert_eq!(response.code(), "webhook_not_found", "{method} {path}");
        }
    }
    let listed = app.request_as(&key, "GET", "/api/webhooks", "").await.expect(200);
    assert_eq!(listed.data()["total"], 0);
    let body =
        |accounts: Value| json!({"name": "x", "url": URL, "events": ["*"], "accounts": accounts}).to_string();
    for accounts in [Value::Null, json!([]), json!(["sandbox"])] {
        let refused = app.request_as(&key, "POST", "/api/webhooks", body(accounts)).await.expect(400);
        assert!(refused.pointers()[0].starts_with("/accounts"), "{:?}", refused.pointers());
    }
    let own = app.request_as(&key, "POST", "/api/webhooks", body(json!(["clinic"]))).await.expect(201);
    let path = format!("/api/webhooks/{}", own.data()["id"].as_str().unwrap());
    app.request_as(&key, "PUT", &path, r#"{"accounts":null}"#).await.expect(400);
    app.request_as(&key, "PUT", &path, r#"{"name":"mine"}"#).await.expect(200);
}
