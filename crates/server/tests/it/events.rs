//! The event log: each step is one event, in order, for lists, long polls and streams.

use axum::body::Body;
use axum::http::Request;
use engine::access::api_key::DEV_KEY;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::support::{CUSTOMER, NEW_RECIPIENT, TestApp};

/// Returns all events after a position, oldest first.
async fn events_after(app: &TestApp, after: Option<&str>) -> Vec<Value> {
    let mut events = Vec::new();
    let mut after = after.map(str::to_owned);
    loop {
        let query = after.as_ref().map_or(String::new(), |after| format!("&after={after}"));
        let page = app.get(&format!("/api/events?per_page=3{query}")).await.expect(200);
        let found = page.data()["events"].as_array().unwrap();
        events.extend(found.iter().cloned());
        if found.is_empty() {
            return events;
        }
        after = page.data()["next_cursor"].as_str().map(str::to_owned);
    }
}

fn kinds(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["event"].as_str().unwrap()).collect()
}

async fn latest(app: &TestApp) -> String {
    let page = app.get("/api/events?after=latest").await.expect(200);
    assert_eq!(page.data()["events"], json!([]));
    page.data()["next_cursor"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn each_step_of_a_message_is_one_event() {
    let app = TestApp::new().await;
    let before = latest(&app).await;
    let sent = app
        .send(json!({"to": CUSTOMER, "type": "text", "text": "Hi", "client_reference": "order 7"}))
        .await
        .expect(200);
    app.step().await;
    let events = events_after(&app, Some(&before)).await;
    assert_eq!(kinds(&events), ["message.sent", "message.delivered", "message.read"]);
    for event in &events {
        let data = &event["data"];
        assert_eq!(data["id"], sent.data()["id"]);
        assert_eq!(data["message_id"], sent.data()["message_id"]);
        assert_eq!(data["client_reference"], "order 7");
        assert_eq!((&data["to"], &data["recipient"]), (&json!(CUSTOMER), &Value::Null));
        assert_eq!(data["whatsapp_account_id"], sent.data()["whatsapp_account_id"]);
        assert_eq!(data["event_status"], event["event"].as_str().unwrap().trim_start_matches("message."));
    }
    assert_eq!(events[2]["data"]["status"], "read");
    assert!(events[1]["data"]["pricing"].is_object());
}

#[tokio::test]
async fn a_repeated_status_is_not_a_second_event() {
    let app = TestApp::new().await;
    app.send_text(CUSTOMER).await.expect(200);
    app.sim.step().await;
    let webhooks = app.sim.take_webhooks();
    let before = latest(&app).await;
    for _ in 0..3 {
        for webhook in webhooks.iter().rev() {
            app.post_signed(&app.seeded.app_secret, webhook.body.clone()).await.expect(200);
        }
    }
    let events = events_after(&app, Some(&before)).await;
    let mut response = kinds(&events);
    response.sort_unstable();
    response.dedup();
    assert_eq!(response.len(), events.len(), "{events:#?}");
}

#[tokio::test]
async fn an_inbound_message_event_has_the_contact() {
    let app = TestApp::new().await;
    let before = latest(&app).await;
    let wamid = app.customer_writes(NEW_RECIPIENT, "Are you open?").await;
    let events = events_after(&app, Some(&before)).await;
    assert_eq!(kinds(&events), ["contact.created", "message.incoming"]);
    let data = &events[1]["data"];
    assert_eq!(data["message_id"], wamid);
    assert_eq!(data["from"], NEW_RECIPIENT);
    assert_eq!(data["text"], "Are you open?");
    assert_eq!(data["type"], "text");
    assert_eq!(data["contact_id"], events[0]["data"]["id"]);
    assert_eq!(data["whatsapp_account_id"], app.account.to_string());
    assert_eq!(events[0]["data"]["phone_number"], NEW_RECIPIENT);
}

#[tokio::test]
async fn every_final_status_of_a_queued_message_is_an_event() {
    let app = TestApp::new().await;
    let before = latest(&app).await;
    let queued = |extra: Value| {
        let mut body = json!({"to": CUSTOMER, "type": "text", "text": "Hi", "mode": "queue"});
        body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        body
    };
    let canceled = app.send(queued(json!({}))).await.expect(202);
    let id = canceled.data()["id"].as_str().unwrap();
    app.post(&format!("/api/messages/{id}/cancel"), &json!({})).await.expect(200);
    app.send(queued(json!({"valid_for": 60}))).await.expect(202);
    app.advance(61);
    engine::background::tick_recovery(&app.deps).await.unwrap();
    let events = events_after(&app, Some(&before)).await;
    assert_eq!(kinds(&events), ["message.queued", "message.canceled", "message.queued", "message.expired"]);
    assert_eq!(events[0]["data"]["message_id"], canceled.data()["id"]);
}

#[tokio::test]
async fn a_failed_message_event_has_the_error_code() {
    let app = TestApp::new().await;
    let before = latest(&app).await;
    app.send(json!({"to": "+15550101026", "type": "template", "template": {"name": "hello_world", "language": "en_US"}}))
        .await
        .expect(200);
    app.step().await;
    let events = events_after(&app, Some(&before)).await;
    assert_eq!(kinds(&events), ["contact.created", "message.sent", "message.failed", "contact.updated"]);
    assert_eq!(events[3]["data"]["changes"], json!(["user_id"]));
    assert_eq!(events[2]["data"]["error"]["code"], 131_026);
    assert_eq!(events[2]["data"]["status"], "failed");
}

#[tokio::test]
async fn an_unknown_outcome_is_an_event_and_is_resolved_by_the_status_webhook() {
    let app = TestApp::new().await;
    let before = latest(&app).await;
    app.send(json!({"to": "+15550100504", "type": "template", "template": {"name": "hello_world", "language": "en_US"}}))
        .await
        .expect(202);
    app.step().await;
    let events = events_after(&app, Some(&before)).await;
    assert_eq!(
        kinds(&events),
        [
            "contact.created",
            "message.unknown",
            "message.sent",
            "contact.updated",
            "message.delivered",
            "message.read"
        ]
    );
}

#[tokio::test]
async fn a_cursor_is_valid_for_its_own_workspace_and_log_only() {
    let app = TestApp::new().await;
    for after in ["nonsense", "018f2f3e-0c1d-7a3b-9c55-0242ac120002"] {
        let refused = app.get(&format!("/api/events?after={after}")).await.expect(400);
        assert_eq!(refused.pointers(), ["/after"]);
    }
    let refused = app.get("/api/events?events=message.send&wait=61&after=latest").await.expect(400);
    assert!(refused.reasons().contains("did you mean `message.sent`?"), "{}", refused.reasons());
    assert_eq!(refused.pointers(), ["/wait", "/events"]);
}

#[tokio::test]
async fn a_long_poll_returns_when_an_event_happens() {
    let app = TestApp::new().await;
    let after = latest(&app).await;
    let path = format!("/api/events?after={after}&wait=30");
    let (waited, _) = tokio::join!(app.get(&path), app.customer_writes(CUSTOMER, "Now"));
    assert_eq!(kinds(waited.expect(200).data()["events"].as_array().unwrap()), ["message.incoming"]);

    let after = latest(&app).await;
    let path = format!("/api/events?after={after}&wait=30");
    let waited = app.run_with_clock(app.get(&path)).await.expect(200);
    assert_eq!(waited.data()["events"], json!([]));
    assert_eq!(waited.data()["next_cursor"], after);
}

#[tokio::test]
async fn a_key_of_one_account_sees_events_of_that_account_only() {
    let app = TestApp::new().await;
    let clinic = app.add_second_account().await;
    let key = app.key(|key| key.accounts = vec![clinic]).await;
    app.send_text(CUSTOMER).await.expect(200);
    let page = app.request_as(&key, "GET", "/api/events", Body::empty()).await.expect(200);
    assert_eq!(page.data()["events"], json!([]));
    let page = app.get(&format!("/api/events?account={clinic}")).await.expect(200);
    assert_eq!(page.data()["events"], json!([]));
    let page = app.get("/api/events?account=sandbox&events=message.sent").await.expect(200);
    assert_eq!(kinds(page.data()["events"].as_array().unwrap()), ["message.sent"]);
}

#[tokio::test]
async fn a_stream_continues_after_the_last_event_id() {
    let app = TestApp::new().await;
    app.send_text(CUSTOMER).await.expect(200);
    let all = events_after(&app, None).await;
    let first = all[0]["id"].as_str().unwrap();
    let request = Request::get("/api/events/stream")
        .header("X-API-Key", DEV_KEY)
        .header("Last-Event-ID", first)
        .body(Body::empty())
        .unwrap();
    let response = app.router.clone().oneshot(request).await.unwrap();
    assert_eq!(response.headers()["content-type"], "text/event-stream; charset=utf-8");
    let mut body = response.into_body();
    let mut text = String::new();
    while !text.contains("event: message.sent") {
        let frame = body.frame().await.unwrap().unwrap();
        text.push_str(std::str::from_utf8(frame.data_ref().unwrap()).unwrap());
    }
    let ids: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("id: ")).collect();
    let expected: Vec<_> = all[1..].iter().map(|event| event["id"].as_str().unwrap()).collect();
    assert_eq!(ids, expected);
    let data = text.lines().find_map(|line| line.strip_prefix("data: ")).unwrap();
    assert_eq!(serde_json::from_str::<Value>(data).unwrap(), all[1]);

    // An event that happens while the stream is open is sent immediately.
    let (frame, _) = tokio::join!(body.frame(), app.customer_writes(CUSTOMER, "More"));
    let frame = frame.unwrap().unwrap();
    assert!(std::str::from_utf8(frame.data_ref().unwrap()).unwrap().contains("message.incoming"));

    // The stream ends when the process stops.
    app.deps.stopping.cancel();
    while let Some(frame) = body.frame().await {
        frame.unwrap();
    }
}

#[tokio::test]
async fn a_key_has_a_limit_of_streams_and_long_polls() {
    let app = TestApp::new().await;
    let mut streams = Vec::new();
    let open = async || {
        let request = Request::get("/api/events/stream").header("X-API-Key", DEV_KEY).body(Body::empty());
        app.router.clone().oneshot(request.unwrap()).await.unwrap()
    };
    for _ in 0..16 {
        let response = open().await;
        assert_eq!(response.status(), 200);
        streams.push(response.into_body());
    }
    let refused = open().await;
    assert_eq!((refused.status().as_u16(), &refused.headers()["retry-after"]), (429, &"5".parse().unwrap()));
    let after = latest(&app).await;
    let refused = app.get(&format!("/api/events?after={after}&wait=30")).await.expect(429);
    assert_eq!(refused.body["code"], "rate_limited");
    // A call that does not wait is no long poll.
    app.get(&format!("/api/events?after={after}")).await.expect(200);
    // A client that disconnects closes its stream.
    streams.pop();
    let response = open().await;
    assert_eq!(response.status(), 200);
}

#[tokio::test]
async fn the_log_has_no_gap_and_no_repeat_across_restarts() {
    let mut app = TestApp::new().await;
    let mut seen = Vec::new();
    let mut after = latest(&app).await;
    for n in 0..4 {
        app.customer_writes(CUSTOMER, &n.to_string()).await;
        app.send_text(CUSTOMER).await.expect(200);
        app.step().await;
        let events = events_after(&app, Some(&after)).await;
        if n % 2 == 0 {
            // Another process continues at the same position, without a gap.
            app.restart().await;
            assert_eq!(events_after(&app, Some(&after)).await, events);
        }
        after = events.last().unwrap()["id"].as_str().unwrap().to_owned();
        seen.extend(events);
        app.restart().await;
    }
    assert_eq!(kinds(&seen).iter().filter(|kind| **kind == "message.incoming").count(), 4);
    let all = events_after(&app, None).await;
    assert_eq!(all[all.len() - seen.len()..], seen);
    let mut ids: Vec<_> = all.iter().map(|event| event["id"].as_str().unwrap()).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), all.len());
}

#[tokio::test]
async fn a_held_account_and_a_changed_template_are_events() {
    let app = TestApp::new().await;
    app.get("/api/templates").await.expect(200);
    app.post("/api/templates/sync", &json!({})).await.expect(200);
    let before = latest(&app).await;
    app.send(json!({"to": "+15550100190", "type": "template", "template": {"name": "hello_world", "language": "en_US"}}))
        .await
        .expect(503);
    app.post(&format!("/api/accounts/{}/resume", app.account), &json!({})).await.expect(200);
    let events = events_after(&app, Some(&before)).await;
    let accounts: Vec<_> = events.iter().filter(|event| event["event"] == "account.status").collect();
    assert_eq!(accounts.len(), 2, "{events:#?}");
    assert_eq!(
        (&accounts[0]["data"]["status"], &accounts[0]["data"]["change"]),
        (&json!("held"), &json!("status"))
    );
    assert_eq!(accounts[1]["data"]["status"], "connected");
}
