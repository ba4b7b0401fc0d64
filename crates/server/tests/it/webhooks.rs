//! Webhook endpoints of the application: events, order, retries and dead letters.

use engine::ports::WebhookOutcome;
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::support::{CUSTOMER, NEW_RECIPIENT, TestApp};
use crate::webhook_receiver::ReceivedDelivery;

const URL: &str = "https://shop.example.com/hook";
const OTHER: &str = "https://other.example.com/hook";

async fn add(app: &TestApp, url: &str, extra: Value) -> Value {
    let mut body = json!({"name": "shop", "url": url, "events": ["*"]});
    body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    app.post("/api/webhooks", &body).await.expect(201).body["data"].take()
}

fn id(resource: &Value) -> &str {
    resource["id"].as_str().unwrap()
}

async fn webhook(app: &TestApp, id: &str) -> Value {
    app.get(&format!("/api/webhooks/{id}")).await.expect(200).body["data"].take()
}

async fn deliveries(app: &TestApp, id: &str, query: &str) -> Vec<Value> {
    let page = app.get(&format!("/api/webhooks/{id}/deliveries?{query}")).await.expect(200);
    page.data()["deliveries"].as_array().unwrap().clone()
}

/// Returns the texts of the incoming messages that an endpoint received, in order.
fn texts(app: &TestApp, url: &str) -> Vec<String> {
    let is_word = |received: &ReceivedDelivery| received.url == url && received.kind() == "message.incoming";
    let received = app.receiver.received();
    received
        .iter()
        .filter(|received| is_word(received))
        .map(|received| received.data()["text"].as_str().unwrap().to_owned())
        .collect()
}

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
        let (method, body) =
            if path.is_empty() { ("DELETE", "") } else { ("POST", r#"{"since":"2025-01-01T00:00:00Z"}"#) };
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
async fn a_failed_delivery_is_retried_by_the_schedule_and_blocks_only_its_contact() {
    let app = TestApp::new().await;
    let created = add(&app, URL, json!({"events": ["message.incoming"]})).await;
    app.receiver.respond_with(URL, 500);
    app.customer_writes(CUSTOMER, "one").await;
    app.customer_writes(CUSTOMER, "two").await;
    app.deliver_events().await;
    assert_eq!(texts(&app, URL), ["one"]);
    let rows = deliveries(&app, id(&created), "status=failed").await;
    assert_eq!((&rows[0]["attempt"], &rows[0]["response"]), (&json!(1), &json!("so be it")));
    assert!(rows[0]["next_attempt_at"].is_string());
    let waiting = deliveries(&app, id(&created), "status=pending").await;
    assert_eq!((waiting.len(), &waiting[0]["next_attempt_at"]), (1, &Value::Null));

    // Another contact has its own queue.
    app.receiver.respond_with(URL, 200);
    app.customer_writes(NEW_RECIPIENT, "other").await;
    app.deliver_events().await;
    assert_eq!(texts(&app, URL), ["one", "other"]);
    // A success releases the following events immediately.
    app.advance(13);
    app.deliver_events().await;
    assert_eq!(texts(&app, URL), ["one", "other", "one", "two"]);
    let ids: Vec<_> = app.receiver.received().iter().map(|received| received.event_id.clone()).collect();
    assert_eq!(ids[0], ids[2]);
}

#[tokio::test]
async fn the_retry_schedule_ends_in_a_dead_letter() {
    let app = TestApp::new().await;
    let created = add(&app, URL, json!({"events": ["message.incoming"]})).await;
    app.receiver.respond_with(URL, 503);
    app.customer_writes(CUSTOMER, "lost?").await;
    app.deliver_events().await;
    let waits = [10, 60, 300, 1_800, 7_200, 18_000, 36_000, 86_400];
    for (n, wait) in waits.into_iter().enumerate() {
        assert_eq!(texts(&app, URL).len(), n + 1);
        app.advance(wait * 4 / 5 - 1);
        app.deliver_events().await;
        assert_eq!(texts(&app, URL).len(), n + 1, "too early after {n}");
        app.advance(wait * 2 / 5 + 2);
        app.deliver_events().await;
    }
    assert!(texts(&app, URL).len() >= 8);
    app.advance(42 * 3600);
    app.deliver_events().await;
    let rows = deliveries(&app, id(&created), "status=dead").await;
    assert_eq!(rows.len(), 1);
    assert_eq!(webhook(&app, id(&created)).await["status"], "failing");
    // The event is still available for a replay.
    app.receiver.respond_with(URL, 200);
    app.receiver.clear();
    let path = format!("/api/deliveries/{}/redeliver", id(&rows[0]));
    let repeated = app.post(&path, &json!({})).await.expect(202);
    assert_eq!(
        (&repeated.data()["redelivery"], &repeated.data()["event_id"]),
        (&json!(true), &rows[0]["event_id"])
    );
    app.deliver_events().await;
    assert_eq!(texts(&app, URL), ["lost?"]);
    assert!(app.receiver.received()[0].is_redelivery);
    assert_eq!(webhook(&app, id(&created)).await["status"], "active");
}

#[tokio::test]
async fn an_event_that_waited_too_long_is_a_dead_letter() {
    let app = TestApp::new().await;
    let created = add(&app, URL, json!({"events": ["message.incoming"]})).await;
    app.receiver.respond_with(URL, 503);
    for n in 0..5 {
        app.customer_writes(CUSTOMER, &n.to_string()).await;
    }
    app.deliver_events().await;
    app.advance(42 * 3600 + 1);
    app.receiver.clear();
    app.deliver_events().await;
    assert_eq!(texts(&app, URL), [""; 0]);
    assert_eq!(deliveries(&app, id(&created), "status=dead").await.len(), 5);
    app.receiver.respond_with(URL, 200);
    app.customer_writes(CUSTOMER, "fresh").await;
    app.deliver_events().await;
    assert_eq!(texts(&app, URL), ["fresh"]);
}

#[tokio::test]
async fn a_retry_after_header_is_respected() {
    let app = TestApp::new().await;
    add(&app, URL, json!({"events": ["message.incoming"]})).await;
    let retry_after = Some(SignedDuration::from_secs(3_600));
    app.receiver.end(URL, WebhookOutcome::Responded { status: 429, body: String::new(), retry_after });
    app.customer_writes(CUSTOMER, "one").await;
    app.deliver_events().await;
    app.advance(3_599);
    app.deliver_events().await;
    assert_eq!(texts(&app, URL).len(), 1);
    app.advance(1);
    app.deliver_events().await;
    assert_eq!(texts(&app, URL).len(), 2);
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
    let since = json!({"since": "2026-01-01T00:00:00Z"});
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
async fn a_slow_endpoint_delays_no_other_endpoint_and_its_concurrency_is_limited() {
    let app = TestApp::with(|settings| settings.deliveries.concurrency = 2).await;
    add(&app, URL, json!({"events": ["message.incoming"]})).await;
    add(&app, OTHER, json!({"events": ["message.incoming"]})).await;
    app.receiver.stop_responding(URL);
    let numbers: Vec<_> = (0..5).map(|n| format!("+1555010123{n}")).collect();
    for number in &numbers {
        app.customer_writes(number, "hi").await;
    }
    for _ in 0..6 {
        engine::webhooks_out::deliver::tick(&app.deps).await.unwrap();
        while texts(&app, OTHER).len() + texts(&app, URL).len() < 4 {
            tokio::task::yield_now().await;
        }
        // Waits for the other deliveries; only the slow ones remain in flight.
        while app.deps.tasks.len() > 2 {
            tokio::task::yield_now().await;
        }
    }
    assert_eq!(texts(&app, OTHER).len(), 5);
    assert_eq!(texts(&app, URL).len(), 2);
    app.receiver.release(URL);
    app.finish_tasks().await;
    app.deliver_events().await;
    assert_eq!(texts(&app, URL).len(), 5);
}

#[tokio::test]
async fn first_attempts_precede_retries() {
    let app = TestApp::with(|settings| settings.deliveries.concurrency = 1).await;
    add(&app, URL, json!({"events": ["message.incoming"]})).await;
    app.receiver.respond_with(URL, 500);
    for n in 0..3 {
        app.customer_writes(&format!("+1555010123{n}"), "failed").await;
    }
    app.deliver_events().await;
    app.advance(13);
    app.receiver.respond_with(URL, 200);
    app.receiver.clear();
    app.customer_writes("+15550101239", "fresh").await;
    app.deliver_events().await;
    assert_eq!(texts(&app, URL), ["fresh", "failed", "failed", "failed"]);
}

#[tokio::test]
async fn a_backlog_survives_a_restart_in_order() {
    let mut app = TestApp::new().await;
    add(&app, URL, json!({"events": ["message.incoming"]})).await;
    app.receiver.stop_responding(URL);
    for n in 0..30 {
        app.customer_writes(CUSTOMER, &n.to_string()).await;
    }
    engine::webhooks_out::deliver::tick(&app.deps).await.unwrap();
    while texts(&app, URL).is_empty() {
        tokio::task::yield_now().await;
    }
    // The process crashes during a delivery, whose outcome is not stored.
    app.restart().await;
    app.advance(11);
    engine::background::tick_recovery(&app.deps).await.unwrap();
    app.receiver.clear();
    app.receiver.abandon_waiting(URL);
    app.deliver_events().await;
    let expected: Vec<_> = (0..30).map(|n| n.to_string()).collect();
    assert_eq!(texts(&app, URL), expected);
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
        let since = json!({"since": "2026-01-01T00:00:00Z"}).to_string();
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

#[tokio::test]
async fn an_endpoint_can_replay_events_from_before_its_creation() {
    let app = TestApp::new().await;
    app.customer_writes(CUSTOMER, "early").await;
    let created = add(&app, URL, json!({"events": ["message.incoming"]})).await;
    let path = format!("/api/webhooks/{}/replay", id(&created));
    let replay = app.post(&path, &json!({"since": "2025-12-31T00:00:00Z"})).await.expect(202);
    assert!(replay.data()["events_since"].as_i64().unwrap() >= 2);
    app.customer_writes(CUSTOMER, "late").await;
    app.deliver_events().await;
    let mut received = texts(&app, URL);
    received.sort_unstable();
    assert_eq!(received, ["Hello", "early", "late"]);
}

#[tokio::test]
async fn a_replay_delivers_events_after_an_hour_of_failures() {
    let app =
        TestApp::with(|settings| settings.deliveries.schedule = vec![SignedDuration::from_secs(1)]).await;
    let created = add(&app, URL, json!({"events": ["message.incoming"]})).await;
    app.receiver.respond_with(URL, 500);
    app.advance(1);
    let since = app.deps.now().to_string();
    for n in 0..6 {
        app.customer_writes(CUSTOMER, &n.to_string()).await;
        for _ in 0..3 {
            app.deliver_events().await;
            app.advance(200);
        }
    }
    assert_eq!(deliveries(&app, id(&created), "status=dead").await.len(), 6);
    app.receiver.respond_with(URL, 200);
    app.receiver.clear();
    let replay = app
        .post(&format!("/api/webhooks/{}/replay", id(&created)), &json!({"since": since}))
        .await
        .expect(202);
    assert_eq!(replay.data()["webhook_id"], created["id"]);
    app.customer_writes(CUSTOMER, "new").await;
    app.deliver_events().await;
    let mut received = texts(&app, URL);
    received.retain(|text| text != "new");
    assert_eq!(received, ["0", "1", "2", "3", "4", "5"]);
    assert_eq!(texts(&app, URL).len(), 7);
}
