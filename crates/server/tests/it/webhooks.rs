//! The application's endpoints: what they hear, in which order, how often, and what becomes of what they do not take.

use engine::ports::WebhookOutcome;
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::support::{CUSTOMER, STRANGER, TestApp};
use crate::webhook_receiver::Got;

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

/// The words of the incoming messages that an endpoint got, in order.
fn words(app: &TestApp, url: &str) -> Vec<String> {
    let is_word = |got: &Got| got.url == url && got.kind() == "message.incoming";
    let got = app.receiver.got();
    got.iter().filter(|got| is_word(got)).map(|got| got.data()["text"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn an_endpoint_receives_events_that_happen_after_its_creation() {
    let app = TestApp::new().await;
    app.send_text(CUSTOMER).await.expect(200);
    app.step().await;
    let made = add(&app, URL, json!({})).await;
    assert!(made["secret"].as_str().unwrap().starts_with("whsec_"));
    assert_eq!(
        (&made["status"], &made["enabled"], &made["events"]),
        (&json!("active"), &json!(true), &json!(["*"]))
    );
    let sent = app.send_text(CUSTOMER).await.expect(200);
    app.step().await;
    app.tick_hooks().await;
    assert_eq!(app.receiver.kinds(URL), ["message.sent", "message.delivered", "message.read"]);
    let got = app.receiver.got();
    assert_eq!(got[0].data()["id"], sent.data()["id"]);
    assert_eq!(got[0].body["id"], got[0].event_id);
    assert_eq!(got[0].secrets, [made["secret"].as_str().unwrap()]);
    // The same events in the log, byte for byte the same.
    let page = app.get("/api/events?events=message.sent,message.delivered,message.read").await.expect(200);
    let logged = page.data()["events"].as_array().unwrap();
    assert_eq!(logged[logged.len() - 1], got[2].body);
    let rows = deliveries(&app, id(&made), "").await;
    assert_eq!(rows.len(), 3);
    assert_eq!(rows[0]["event"], "message.read");
    assert_eq!(
        (&rows[0]["status"], &rows[0]["attempt"], &rows[0]["http_status"], &rows[0]["latency_ms"]),
        (&json!("succeeded"), &json!(1), &json!(200), &json!(7))
    );
    assert_eq!(rows[0]["event_id"], got[2].event_id);
    let shown = webhook(&app, id(&made)).await;
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
    app.tick_hooks().await;
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
        let answer =
            app.request(method, &format!("/api/webhooks/{unknown}{path}"), body.to_owned()).await.expect(404);
        assert_eq!(answer.code(), "webhook_not_found");
    }
    let unknown =
        app.post("/api/deliveries/018f2f3e-0c1d-7a3b-9c55-0242ac120002/redeliver", &json!({})).await;
    assert_eq!(unknown.expect(404).code(), "delivery_not_found");
}

#[tokio::test]
async fn an_update_changes_only_the_given_fields() {
    let app = TestApp::new().await;
    let made = add(&app, URL, json!({"headers": {"Authorization": "Bearer secret-of-the-shop"}})).await;
    assert_eq!(made["headers"], json!({"Authorization": "***"}));
    let path = format!("/api/webhooks/{}", id(&made));
    let put = app.request(
        "PUT",
        &path,
        json!({"name": "till", "headers": {"Authorization": "***", "X-More": "1"}}).to_string(),
    );
    let changed = put.await.expect(200);
    assert_eq!((&changed.data()["name"], &changed.data()["url"]), (&json!("till"), &json!(URL)));
    app.send_text(CUSTOMER).await.expect(200);
    app.tick_hooks().await;
    let headers = &app.receiver.got()[0].headers;
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
    let made = add(&app, URL, json!({"events": ["message.incoming"]})).await;
    app.receiver.answer(URL, 500);
    app.customer_writes(CUSTOMER, "one").await;
    app.customer_writes(CUSTOMER, "two").await;
    app.tick_hooks().await;
    assert_eq!(words(&app, URL), ["one"]);
    let rows = deliveries(&app, id(&made), "status=failed").await;
    assert_eq!((&rows[0]["attempt"], &rows[0]["response"]), (&json!(1), &json!("so be it")));
    assert!(rows[0]["next_attempt_at"].is_string());
    let waiting = deliveries(&app, id(&made), "status=pending").await;
    assert_eq!((waiting.len(), &waiting[0]["next_attempt_at"]), (1, &Value::Null));

    // Somebody else's queue is its own.
    app.receiver.answer(URL, 200);
    app.customer_writes(STRANGER, "other").await;
    app.tick_hooks().await;
    assert_eq!(words(&app, URL), ["one", "other"]);
    // A success releases the rest at once.
    app.advance(13);
    app.tick_hooks().await;
    assert_eq!(words(&app, URL), ["one", "other", "one", "two"]);
    let ids: Vec<_> = app.receiver.got().iter().map(|got| got.event_id.clone()).collect();
    assert_eq!(ids[0], ids[2]);
}

#[tokio::test]
async fn the_retry_schedule_ends_in_a_dead_letter() {
    let app = TestApp::new().await;
    let made = add(&app, URL, json!({"events": ["message.incoming"]})).await;
    app.receiver.answer(URL, 503);
    app.customer_writes(CUSTOMER, "lost?").await;
    app.tick_hooks().await;
    let waits = [10, 60, 300, 1_800, 7_200, 18_000, 36_000, 86_400];
    for (n, wait) in waits.into_iter().enumerate() {
        assert_eq!(words(&app, URL).len(), n + 1);
        app.advance(wait * 4 / 5 - 1);
        app.tick_hooks().await;
        assert_eq!(words(&app, URL).len(), n + 1, "too early after {n}");
        app.advance(wait * 2 / 5 + 2);
        app.tick_hooks().await;
    }
    assert!(words(&app, URL).len() >= 8);
    app.advance(42 * 3600);
    app.tick_hooks().await;
    let rows = deliveries(&app, id(&made), "status=dead").await;
    assert_eq!(rows.len(), 1);
    assert_eq!(webhook(&app, id(&made)).await["status"], "failing");
    // It is not gone: it can be asked for.
    app.receiver.answer(URL, 200);
    app.receiver.forget();
    let path = format!("/api/deliveries/{}/redeliver", id(&rows[0]));
    let repeated = app.post(&path, &json!({})).await.expect(202);
    assert_eq!(
        (&repeated.data()["redelivery"], &repeated.data()["event_id"]),
        (&json!(true), &rows[0]["event_id"])
    );
    app.tick_hooks().await;
    assert_eq!(words(&app, URL), ["lost?"]);
    assert!(app.receiver.got()[0].is_redelivery);
    assert_eq!(webhook(&app, id(&made)).await["status"], "active");
}

#[tokio::test]
async fn an_event_that_waited_too_long_is_a_dead_letter() {
    let app = TestApp::new().await;
    let made = add(&app, URL, json!({"events": ["message.incoming"]})).await;
    app.receiver.answer(URL, 503);
    for n in 0..5 {
        app.customer_writes(CUSTOMER, &n.to_string()).await;
    }
    app.tick_hooks().await;
    app.advance(42 * 3600 + 1);
    app.receiver.forget();
    app.tick_hooks().await;
    assert_eq!(words(&app, URL), [""; 0]);
    assert_eq!(deliveries(&app, id(&made), "status=dead").await.len(), 5);
    app.receiver.answer(URL, 200);
    app.customer_writes(CUSTOMER, "fresh").await;
    app.tick_hooks().await;
    assert_eq!(words(&app, URL), ["fresh"]);
}

#[tokio::test]
async fn a_retry_after_header_is_respected() {
    let app = TestApp::new().await;
    add(&app, URL, json!({"events": ["message.incoming"]})).await;
    let retry_after = Some(SignedDuration::from_secs(3_600));
    app.receiver.end(URL, WebhookOutcome::Responded { status: 429, body: String::new(), retry_after });
    app.customer_writes(CUSTOMER, "one").await;
    app.tick_hooks().await;
    app.advance(3_599);
    app.tick_hooks().await;
    assert_eq!(words(&app, URL).len(), 1);
    app.advance(1);
    app.tick_hooks().await;
    assert_eq!(words(&app, URL).len(), 2);
}

#[tokio::test]
async fn an_endpoint_that_returns_410_is_disabled_and_the_others_get_an_event() {
    let app = TestApp::new().await;
    let gone = add(&app, URL, json!({})).await;
    add(&app, OTHER, json!({"events": ["webhook.disabled"]})).await;
    app.receiver.answer(URL, 410);
    for n in 0..3 {
        app.customer_writes(CUSTOMER, &n.to_string()).await;
    }
    app.tick_hooks().await;
    assert_eq!(words(&app, URL), ["0"]);
    assert_eq!(app.receiver.kinds(OTHER), ["webhook.disabled"]);
    let shown = webhook(&app, id(&gone)).await;
    assert_eq!((&shown["status"], &shown["enabled"]), (&json!("disabled"), &json!(false)));
    assert!(shown["status_reason"].as_str().unwrap().contains("410"));
    app.tick_hooks().await;
    assert_eq!(deliveries(&app, id(&gone), "status=dead").await.len(), 3);
    // Nothing more is kept for it, and nothing is repeated while it is off.
    app.customer_writes(CUSTOMER, "unheard").await;
    app.tick_hooks().await;
    assert_eq!(deliveries(&app, id(&gone), "").await.len(), 3);
    let path = format!("/api/webhooks/{}", id(&gone));
    let since = json!({"since": "2026-01-01T00:00:00Z"});
    assert_eq!(app.post(&format!("{path}/replay"), &since).await.expect(409).code(), "webhook_disabled");

    // Switched on again, it can ask for all of it.
    app.receiver.answer(URL, 200);
    app.receiver.forget();
    let revived = app.request("PUT", &path, r#"{"enabled":true}"#).await.expect(200);
    assert_eq!(
        (&revived.data()["status"], &revived.data()["status_reason"]),
        (&json!("active"), &Value::Null)
    );
    app.post(&format!("{path}/replay"), &since).await.expect(202);
    app.tick_hooks().await;
    assert_eq!(words(&app, URL), ["Hello", "0", "1", "2", "unheard"]);
    assert!(app.receiver.got().iter().filter(|got| got.url == URL).all(|got| got.is_redelivery));
}

#[tokio::test]
async fn five_days_of_failures_disable_an_endpoint() {
    let app = TestApp::new().await;
    let made = add(&app, URL, json!({"events": ["message.incoming"]})).await;
    app.receiver.answer(URL, 500);
    for day in 0..5 {
        app.customer_writes(CUSTOMER, &day.to_string()).await;
        app.tick_hooks().await;
        assert_ne!(webhook(&app, id(&made)).await["status"], "disabled", "day {day}");
        app.advance(86_400);
    }
    app.customer_writes(CUSTOMER, "last").await;
    app.tick_hooks().await;
    assert_eq!(webhook(&app, id(&made)).await["status"], "disabled");
}

#[tokio::test]
async fn the_old_and_the_new_secret_both_sign_for_a_day() {
    let app = TestApp::new().await;
    let made = add(&app, URL, json!({"events": ["message.incoming"]})).await;
    let path = format!("/api/webhooks/{}/rotate-secret", id(&made));
    let rotated = app.post(&path, &json!({})).await.expect(200);
    let (old, new) = (made["secret"].as_str().unwrap(), rotated.data()["secret"].as_str().unwrap());
    assert_ne!(old, new);
    app.customer_writes(CUSTOMER, "during").await;
    app.tick_hooks().await;
    app.advance(86_401);
    app.customer_writes(CUSTOMER, "after").await;
    app.tick_hooks().await;
    let got = app.receiver.got();
    assert_eq!(got[0].secrets, [new, old]);
    assert_eq!(got[1].secrets, [new]);
}

#[tokio::test]
async fn a_test_event_goes_to_its_endpoint_only_and_returns_the_result() {
    let app = TestApp::new().await;
    let made = add(&app, URL, json!({"events": ["message.read"]})).await;
    add(&app, OTHER, json!({})).await;
    let path = format!("/api/webhooks/{}/test", id(&made));
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
    app.tick_hooks().await;
    assert_eq!(app.receiver.kinds(URL), ["webhook.test", "webhook.test"]);
    assert_eq!(app.receiver.kinds(OTHER), [""; 0]);
}

#[tokio::test]
async fn an_endpoint_that_is_switched_off_by_hand_gets_what_waited_when_it_is_on_again() {
    let app = TestApp::new().await;
    let made = add(&app, URL, json!({"events": ["message.incoming"]})).await;
    let path = format!("/api/webhooks/{}", id(&made));
    app.request("PUT", &path, r#"{"enabled":false}"#).await.expect(200);
    assert_eq!(webhook(&app, id(&made)).await["status"], "disabled");
    app.customer_writes(CUSTOMER, "meanwhile").await;
    app.tick_hooks().await;
    assert_eq!(words(&app, URL), [""; 0]);
    app.request("PUT", &path, r#"{"enabled":true}"#).await.expect(200);
    app.tick_hooks().await;
    assert_eq!(words(&app, URL), ["meanwhile"]);
}

#[tokio::test]
async fn a_slow_endpoint_delays_no_other_and_no_more_than_its_share_is_under_way() {
    let app = TestApp::with(|settings| settings.deliveries.concurrency = 2).await;
    add(&app, URL, json!({"events": ["message.incoming"]})).await;
    add(&app, OTHER, json!({"events": ["message.incoming"]})).await;
    app.receiver.hang(URL);
    let people: Vec<_> = (0..5).map(|n| format!("+1555010123{n}")).collect();
    for person in &people {
        app.customer_writes(person, "hi").await;
    }
    for _ in 0..6 {
        engine::webhooks_out::deliver::tick(&app.deps).await.unwrap();
        while words(&app, OTHER).len() + words(&app, URL).len() < 4 {
            tokio::task::yield_now().await;
        }
        // Those of the other end; only what hangs stays under way.
        while app.deps.tasks.len() > 2 {
            tokio::task::yield_now().await;
        }
    }
    assert_eq!(words(&app, OTHER).len(), 5);
    assert_eq!(words(&app, URL).len(), 2);
    app.receiver.release(URL);
    app.settle().await;
    app.tick_hooks().await;
    assert_eq!(words(&app, URL).len(), 5);
}

#[tokio::test]
async fn a_first_attempt_goes_before_attempts_that_are_made_again() {
    let app = TestApp::with(|settings| settings.deliveries.concurrency = 1).await;
    add(&app, URL, json!({"events": ["message.incoming"]})).await;
    app.receiver.answer(URL, 500);
    for n in 0..3 {
        app.customer_writes(&format!("+1555010123{n}"), "failed").await;
    }
    app.tick_hooks().await;
    app.advance(13);
    app.receiver.answer(URL, 200);
    app.receiver.forget();
    app.customer_writes("+15550101239", "fresh").await;
    app.tick_hooks().await;
    assert_eq!(words(&app, URL), ["fresh", "failed", "failed", "failed"]);
}

#[tokio::test]
async fn a_backlog_survives_the_process_and_keeps_its_order() {
    let mut app = TestApp::new().await;
    add(&app, URL, json!({"events": ["message.incoming"]})).await;
    app.receiver.hang(URL);
    for n in 0..30 {
        app.customer_writes(CUSTOMER, &n.to_string()).await;
    }
    engine::webhooks_out::deliver::tick(&app.deps).await.unwrap();
    while words(&app, URL).is_empty() {
        tokio::task::yield_now().await;
    }
    // The process dies with one of them under way: nobody writes down how that went.
    app.restart().await;
    app.advance(11);
    engine::background::tick_recovery(&app.deps).await.unwrap();
    app.receiver.forget();
    app.receiver.abandon(URL);
    app.tick_hooks().await;
    let expected: Vec<_> = (0..30).map(|n| n.to_string()).collect();
    assert_eq!(words(&app, URL), expected);
}

#[tokio::test]
async fn a_key_of_one_account_has_nothing_to_do_with_endpoints_that_hear_of_others() {
    let app = TestApp::new().await;
    let clinic = app.add_second_account().await;
    let all = add(&app, URL, json!({})).await;
    let of_sandbox = add(&app, OTHER, json!({"accounts": ["sandbox"]})).await;
    let key = app.key(|key| key.accounts = vec![clinic]).await;
    for hook in [&all, &of_sandbox] {
        let path = format!("/api/webhooks/{}", id(hook));
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
            let answer = app.request_as(&key, method, &path, body).await.expect(404);
            assert_eq!(answer.code(), "webhook_not_found", "{method} {path}");
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
async fn an_endpoint_can_ask_for_what_happened_before_it_was_made() {
    let app = TestApp::new().await;
    app.customer_writes(CUSTOMER, "early").await;
    let made = add(&app, URL, json!({"events": ["message.incoming"]})).await;
    let path = format!("/api/webhooks/{}/replay", id(&made));
    let replay = app.post(&path, &json!({"since": "2025-12-31T00:00:00Z"})).await.expect(202);
    assert!(replay.data()["events_since"].as_i64().unwrap() >= 2);
    app.customer_writes(CUSTOMER, "late").await;
    app.tick_hooks().await;
    let mut got = words(&app, URL);
    got.sort_unstable();
    assert_eq!(got, ["Hello", "early", "late"]);
}

#[tokio::test]
async fn an_hour_of_failures_is_made_good_by_a_replay() {
    let app =
        TestApp::with(|settings| settings.deliveries.schedule = vec![SignedDuration::from_secs(1)]).await;
    let made = add(&app, URL, json!({"events": ["message.incoming"]})).await;
    app.receiver.answer(URL, 500);
    app.advance(1);
    let since = app.deps.now().to_string();
    for n in 0..6 {
        app.customer_writes(CUSTOMER, &n.to_string()).await;
        for _ in 0..3 {
            app.tick_hooks().await;
            app.advance(200);
        }
    }
    assert_eq!(deliveries(&app, id(&made), "status=dead").await.len(), 6);
    app.receiver.answer(URL, 200);
    app.receiver.forget();
    let replay =
        app.post(&format!("/api/webhooks/{}/replay", id(&made)), &json!({"since": since})).await.expect(202);
    assert_eq!(replay.data()["webhook_id"], made["id"]);
    app.customer_writes(CUSTOMER, "new").await;
    app.tick_hooks().await;
    let mut got = words(&app, URL);
    got.retain(|word| word != "new");
    assert_eq!(got, ["0", "1", "2", "3", "4", "5"]);
    assert_eq!(words(&app, URL).len(), 7);
}
