//! The queue: messages are accepted now, and sent in order, at their time, or not at all.

use engine::background;
use serde_json::{Value, json};
use sim::{Fault, FaultAction, FaultAnswer};

use crate::support::{CUSTOMER, NEW_RECIPIENT, TestApp};

fn queued(to: &str, text: &str) -> Value {
    json!({"to": to, "type": "text", "text": text, "mode": "queue"})
}

fn bodies(app: &TestApp) -> Vec<String> {
    (0..app.n_accepted())
        .map(|n| app.accepted_message(n)["text"]["body"].as_str().unwrap_or_default().to_owned())
        .collect()
}

async fn status_of(app: &TestApp, id: &Value) -> String {
    app.message(id.as_str().unwrap()).await["status"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_queued_message_is_accepted_at_once_and_sent_by_the_next_round() {
    let app = TestApp::new().await;
    let response = app.send(queued(CUSTOMER, "one")).await.expect(202);
    assert_eq!(
        (&response.data()["status"], &response.data()["message_id"]),
        (&json!("queued"), &response.data()["id"])
    );
    assert_eq!(app.n_accepted(), 0);
    assert_eq!(status_of(&app, &response.data()["id"]).await, "queued");
    app.tick_queue().await;
    assert_eq!(bodies(&app), ["one"]);
    app.step().await;
    let message = app.message(response.data()["id"].as_str().unwrap()).await;
    assert_eq!(message["status"], "read");
    let steps: Vec<_> =
        message["timeline"].as_array().unwrap().iter().map(|one| one["status"].clone()).collect();
    assert_eq!(steps, ["queued", "sent", "sent", "delivered", "read"]);
}

#[tokio::test]
async fn the_items_of_a_batch_are_accepted_in_their_order() {
    let app = TestApp::with(|settings| settings.limits.burst = 1_000).await;
    let messages: Vec<_> = (0..30)
        .map(|n| json!({"to": CUSTOMER, "type": "text", "text": n.to_string(), "idempotency_key": format!("k{}", n / 2)}))
        .collect();
    let response = app.post("/api/messages/batch", &json!({"messages": messages})).await.expect(202);
    let results = response.data()["results"].as_array().unwrap();
    for (n, result) in results.iter().enumerate() {
        // Of two items with the same key and different texts, the first one is accepted.
        assert_eq!(result["index"], n);
        let (status, code) = (&result["status"], &result["code"]);
        assert_eq!(
            (status == "queued", code == "idempotency_mismatch"),
            (n % 2 == 0, n % 2 == 1),
            "{result}"
        );
    }
    let ids: Vec<_> = results.iter().filter_map(|result| result["id"].as_str()).collect();
    let page = app.get("/api/messages?direction=outbound&per_page=200").await.expect(200);
    let mut listed: Vec<_> =
        page.data()["messages"].as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap()).collect();
    listed.reverse();
    assert_eq!(listed, ids);
}

#[tokio::test]
async fn a_batch_that_is_repeated_with_its_key_is_the_same_messages() {
    let app = TestApp::with(|settings| settings.limits.burst = 1_000).await;
    let batch = |first_text: &str| {
        let items = [first_text, "two"].map(|text| json!({"to": CUSTOMER, "type": "text", "text": text}));
        json!({"messages": items}).to_string()
    };
    let post = |body: String| {
        let request = axum::http::Request::post("/api/messages/batch")
            .header("X-API-Key", engine::access::api_key::DEV_KEY)
            .header("Idempotency-Key", "monday")
            .body(axum::body::Body::from(body))
            .unwrap();
        app.call(request)
    };
    let first = post(batch("one")).await.expect(202);
    let again = post(batch("one")).await.expect(202);
    let ids = |response: &crate::support::TestResponse| {
        response.data()["results"].as_array().unwrap().iter().map(|one| one["id"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(ids(&first), ids(&again));
    for member in ["batch_id", "accepted", "rejected", "last_leaves_at"] {
        assert_eq!(first.data()[member], again.data()[member]);
    }
    app.tick_queue().await;
    let sent = post(batch("one")).await.expect(202);
    assert_eq!(sent.data()["batch_id"], first.data()["batch_id"]);
    assert_eq!(sent.data()["last_leaves_at"], json!(null));
    assert!(first.headers.get("idempotent-replayed").is_none());
    assert_eq!(again.headers["idempotent-replayed"], "true");
    assert_eq!(post(batch("another")).await.expect(409).code(), "idempotency_mismatch");
    assert_eq!(app.get("/api/messages?direction=outbound").await.expect(200).data()["total"], 2);
}

#[tokio::test]
async fn messages_to_one_contact_are_sent_in_order_of_acceptance() {
    let app = TestApp::new().await;
    for i in 0..5 {
        app.send(queued(CUSTOMER, &i.to_string())).await.expect(202);
        app.advance(1);
    }
    // The first message is rejected temporarily. Later messages to the same recipient wait for it.
    let error = json!({"error": {"message": "(#131000) Something went wrong", "code": 131_000}});
    let response = FaultAnswer { status: Some(500), body: Some(error), ..FaultAnswer::default() };
    app.sim.fail(Fault::on("/messages", FaultAction::Status(response)));
    for _ in 0..8 {
        app.tick_queue().await;
        app.advance(2);
    }
    assert_eq!(bodies(&app), ["0", "1", "2", "3", "4"]);
}

#[tokio::test]
async fn a_waiting_contact_does_not_delay_other_contacts() {
    let app = TestApp::new().await;
    app.customer_writes("+15550101056", "Hi").await;
    app.send(queued("+15550101056", "stuck")).await.expect(202);
    app.send(queued(CUSTOMER, "free")).await.expect(202);
    app.tick_queue().await;
    assert_eq!(bodies(&app), ["free"]);
}

#[tokio::test]
async fn a_scheduled_message_is_sent_at_its_time() {
    let app = TestApp::new().await;
    let mut body = queued(CUSTOMER, "later");
    body["send_at"] = json!("2026-01-01T01:00:00.000Z");
    body.as_object_mut().unwrap().remove("mode");
    let response = app.send(body.clone()).await.expect(202);
    let repeated = response.data()["send_at"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    assert_eq!(repeated, "2026-01-01T01:00:00.000Z".parse::<jiff::Timestamp>().unwrap());
    app.send(queued(CUSTOMER, "now")).await.expect(202);
    app.tick_queue().await;
    app.advance(3599);
    app.tick_queue().await;
    assert_eq!(bodies(&app), ["now"]);
    app.advance(1);
    app.tick_queue().await;
    assert_eq!(bodies(&app), ["now", "later"]);
    assert_eq!(status_of(&app, &response.data()["id"]).await, "sent");

    // The clock of the client may be up to a minute behind.
    for send_at in ["2026-01-01T00:59:00.000Z", "2026-01-01T01:30:00+00:30"] {
        body["send_at"] = json!(send_at);
        let late = app.send(body.clone()).await.expect(202);
        let repeated: jiff::Timestamp = late.data()["send_at"].as_str().unwrap().parse().unwrap();
        assert_eq!(repeated, send_at.parse::<jiff::Timestamp>().unwrap());
    }
    assert!(app.send(queued(CUSTOMER, "now")).await.expect(202).data().get("send_at").is_none());
    app.tick_queue().await;
    for send_at in ["2026-01-01T00:58:59.000Z", "2025-01-01T01:00:00.000Z", "2026-01-01T01:00:00+01:00"] {
        body["send_at"] = json!(send_at);
        let refused = app.send(body.clone()).await.expect(400);
        assert_eq!(refused.pointers(), ["/send_at"]);
        assert!(refused.reasons().contains("more than 60 s in the past"), "{}", refused.reasons());
        let batch =
            app.post("/api/messages/batch", &json!({"messages": [queued(CUSTOMER, "x"), body]})).await;
        assert_eq!(batch.data()["results"][1]["details"]["errors"][0]["pointer"], "/send_at");
    }
    app.advance(1);
    body["send_at"] = json!("2026-02-02T00:00:00.000Z");
    assert_eq!(app.send(body.clone()).await.expect(400).pointers(), ["/send_at"]);
    body["send_at"] = json!("tomorrow");
    assert_eq!(app.send(body.clone()).await.expect(400).pointers(), ["/send_at"]);
    body["send_at"] = json!("2026-01-01T02:00:00.000Z");
    body["mode"] = json!("sync");
    assert_eq!(app.send(body).await.expect(400).pointers(), ["/mode"]);
}

#[tokio::test]
async fn a_message_that_is_not_sent_in_time_expires() {
    let app = TestApp::new().await;
    app.customer_writes("+15550100190", "Hi").await;
    app.send(queued("+15550100190", "holds the account")).await.expect(202);
    app.tick_queue().await;
    let mut body = queued(CUSTOMER, "soon or never");
    body["valid_for"] = json!(30);
    // The account is held: new messages are rejected, and queued messages wait.
    app.send(body.clone()).await.expect(503);
    app.request("POST", "/api/accounts/sandbox/resume", "").await.expect(200);
    let response = app.send(body).await.expect(202);
    app.advance(31);
    app.tick_queue().await;
    assert_eq!(status_of(&app, &response.data()["id"]).await, "expired");
}

#[tokio::test]
async fn a_held_account_keeps_its_queue_until_it_is_resumed() {
    let app = TestApp::new().await;
    let error = json!({"error": {"message": "(#190) expired", "code": 190}});
    let response = FaultAnswer { status: Some(401), body: Some(error), ..FaultAnswer::default() };
    app.send(queued(CUSTOMER, "one")).await.expect(202);
    app.send(queued(CUSTOMER, "two")).await.expect(202);
    app.sim.fail(Fault::on("/messages", FaultAction::Status(response)));
    app.tick_queue().await;
    app.advance(3600);
    app.tick_queue().await;
    assert_eq!(app.n_accepted(), 0);
    let account = app.get("/api/accounts/sandbox").await;
    assert_eq!(account.data()["status"], "held");
    assert!(account.data()["status_reason"].as_str().unwrap().contains("190"));
    app.request("POST", "/api/accounts/sandbox/resume", "").await.expect(200);
    app.tick_queue().await;
    app.tick_queue().await;
    assert_eq!(bodies(&app), ["one", "two"]);
}

#[tokio::test]
async fn the_window_is_checked_again_when_the_message_is_sent() {
    let app = TestApp::new().await;
    let mut plain = queued(CUSTOMER, "too late");
    plain["send_at"] = json!("2026-01-01T23:00:00.000Z");
    let failed = app.send(plain).await.expect(202);
    let mut saved = queued(NEW_RECIPIENT, "instead");
    app.customer_writes(NEW_RECIPIENT, "Hi").await;
    saved["send_at"] = json!("2026-01-01T23:00:00.000Z");
    saved["fallback_template"] = json!({"name": "hello_world", "language": "en_US"});
    let saved = app.send(saved).await.expect(202);
    // No worker ran at the scheduled time.
    app.advance(25 * 3600);
    app.tick_queue().await;
    let failed = app.message(failed.data()["id"].as_str().unwrap()).await;
    assert_eq!((&failed["status"], &failed["error"]["code"]), (&json!("failed"), &json!("outside_window")));
    let saved = app.message(saved.data()["id"].as_str().unwrap()).await;
    assert_eq!(
        (&saved["status"], &saved["sent_as"], &saved["type"]),
        (&json!("sent"), &json!("template"), &json!("template"))
    );
}

#[tokio::test]
async fn a_closed_window_sends_the_fallback_at_once() {
    let app = TestApp::new().await;
    let body = json!({"to": NEW_RECIPIENT, "type": "text", "text": "Hi",
        "fallback_template": {"name": "hello_world", "language": "en_US"}});
    let response = app.send(body.clone()).await.expect(200);
    assert_eq!(response.data()["sent_as"], "template");
    assert_eq!(app.accepted_message(0)["template"]["name"], "hello_world");
    app.customer_writes(NEW_RECIPIENT, "Hi").await;
    assert_eq!(app.send(body).await.expect(200).data()["sent_as"], "message");
    let body = json!({"to": NEW_RECIPIENT, "type": "text", "text": "Hi",
        "fallback_template": {"name": "order_confirmation", "language": "en"}});
    let response = app.send(body).await.expect(400);
    assert_eq!(response.code(), "template_parameters");
    assert!(response.pointers()[0].starts_with("/fallback_template"));
}

#[tokio::test]
async fn a_waiting_message_can_be_canceled_and_a_sent_one_cannot() {
    let app = TestApp::new().await;
    let waiting = app.send(queued(CUSTOMER, "no")).await.expect(202);
    let path = |response: &crate::support::TestResponse| {
        format!("/api/messages/{}/cancel", response.data()["id"].as_str().unwrap())
    };
    let canceled = app.request("POST", &path(&waiting), "").await.expect(200);
    assert_eq!(canceled.data()["status"], "canceled");
    app.tick_queue().await;
    assert_eq!(app.n_accepted(), 0);
    let again = app.request("POST", &path(&waiting), "").await.expect(409);
    assert_eq!(again.code(), "not_cancelable");
    let sent = app.send_text(CUSTOMER).await.expect(200);
    app.request("POST", &path(&sent), "").await.expect(409);
    app.request("POST", "/api/messages/wamid.none/cancel", "").await.expect(404);
}

#[tokio::test]
async fn a_batch_is_one_request_and_one_bad_item_fails_alone() {
    let app = TestApp::new().await;
    let text = |to: &str| json!({"to": to, "type": "text", "text": "Hi"});
    let mut keyed = text(CUSTOMER);
    keyed["idempotency_key"] = json!("item-1");
    let batch = json!({"messages": [
        text(CUSTOMER),
        {"to": CUSTOMER, "type": "text", "text": ""},
        text(NEW_RECIPIENT),
        7,
        keyed,
    ]});
    let response = app.post("/api/messages/batch", &batch).await.expect(202);
    assert_eq!(response.number("x-ratelimit-remaining"), 99);
    assert_eq!((&response.data()["accepted"], &response.data()["rejected"]), (&json!(2), &json!(3)));
    let results = response.data()["results"].as_array().unwrap();
    let codes: Vec<_> = results.iter().map(|one| one.get("code").cloned().unwrap_or_default()).collect();
    assert_eq!(
        codes,
        [
            json!(null),
            json!("invalid_request"),
            json!("outside_window"),
            json!("invalid_request"),
            json!(null)
        ]
    );
    assert_eq!((&results[0]["index"], &results[0]["status"]), (&json!(0), &json!("queued")));
    assert_eq!(results[1]["details"]["errors"][0]["pointer"], "/text");

    let again = app.post("/api/messages/batch", &batch).await.expect(202);
    assert_eq!(again.data()["results"][4]["id"], results[4]["id"]);
    assert_ne!(again.data()["results"][0]["id"], results[0]["id"]);
    for _ in 0..5 {
        app.tick_queue().await;
    }
    assert_eq!(app.n_accepted(), 3);
    app.post("/api/messages/batch", &json!({"messages": []})).await.expect(400);
    let many: Vec<_> = (0..1001).map(|_| text(CUSTOMER)).collect();
    app.post("/api/messages/batch", &json!({"messages": many})).await.expect(400);
}

#[tokio::test]
async fn the_queue_survives_a_restart() {
    let mut app = TestApp::new().await;
    for i in 0..10 {
        let body = json!({"to": format!("+44770090010{i}"), "type": "template", "mode": "queue",
            "template": {"name": "hello_world", "language": "en_US"}});
        app.send(body).await.expect(202);
    }
    app.restart().await;
    app.advance(11);
    background::tick_recovery(&app.deps).await.unwrap();
    app.tick_queue().await;
    assert_eq!(app.n_accepted(), 10);
}

#[tokio::test]
async fn a_repeated_scheduled_message_gets_the_first_response_after_its_time() {
    let app = TestApp::new().await;
    let mut body = queued(CUSTOMER, "later");
    body["send_at"] = json!("2026-01-01T01:00:00.000Z");
    let send = async |body: &serde_json::Value| {
        let request = axum::http::Request::post("/api/messages/send")
            .header("X-API-Key", engine::access::api_key::DEV_KEY)
            .header("Idempotency-Key", "later")
            .body(axum::body::Body::from(body.to_string()));
        app.call(request.unwrap()).await.expect(202)
    };
    let first = send(&body).await;
    body["idempotency_key"] = json!("item");
    let batch = json!({"messages": [body]});
    let item = app.post("/api/messages/batch", &batch).await.expect(202).data()["results"][0].clone();
    body.as_object_mut().unwrap().remove("idempotency_key");
    app.advance(7200);
    assert_eq!(send(&body).await.data(), first.data());
    let repeated = app.post("/api/messages/batch", &batch).await.expect(202).data()["results"][0].clone();
    assert_eq!((&repeated["id"], &repeated["replayed"]), (&item["id"], &json!(true)));
}

#[tokio::test]
async fn a_batch_has_an_id_and_the_time_of_its_last_message() {
    let app = TestApp::with(|settings| settings.limits.per_minute = 20).await;
    let at = |text: &serde_json::Value| text.as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    let messages: Vec<_> = (0..45)
        .map(
            |n| json!({"to": CUSTOMER, "type": "text", "text": "Hi", "client_reference": format!("row-{n}")}),
        )
        .collect();
    let response = app.post("/api/messages/batch", &json!({"messages": messages})).await.expect(202);
    assert_eq!((&response.data()["accepted"], &response.data()["rejected"]), (&json!(45), &json!(0)));
    for (n, result) in response.data()["results"].as_array().unwrap().iter().enumerate() {
        assert_eq!(result["client_reference"], format!("row-{n}"));
    }
    // 20 messages in each minute, 10 in each second: the last five leave in the third minute.
    let last_leaves_at = at(&response.data()["last_leaves_at"]);
    assert_eq!(last_leaves_at.duration_since(app.deps.now()).as_secs(), 120);
    let id = response.data()["batch_id"].as_str().unwrap();
    let listed = app.get(&format!("/api/messages?batch={id}&status=queued")).await.expect(200);
    assert_eq!(listed.data()["total"], 45);
    // Messages of the next batch leave after those of this batch; a scheduled message leaves at its time.
    let mut scheduled =
        json!({"to": CUSTOMER, "type": "text", "text": "Hi", "send_at": "2026-01-01T03:00:00.000Z"});
    let next = app.post("/api/messages/batch", &json!({"messages": [scheduled]})).await.expect(202);
    assert_eq!(at(&next.data()["last_leaves_at"]), at(&json!("2026-01-01T03:00:00.000Z")));
    assert_eq!(next.data()["results"][0]["client_reference"], json!(null));
    assert_ne!(next.data()["batch_id"], id);
    scheduled.as_object_mut().unwrap().remove("send_at");
    let next = app.post("/api/messages/batch", &json!({"messages": [scheduled]})).await.expect(202);
    assert!(at(&next.data()["last_leaves_at"]) >= last_leaves_at);
    assert_eq!(app.get("/api/messages?batch=7").await.expect(400).pointers(), ["/batch"]);
    // Messages of single requests belong to no batch. They share the limit of the key with the messages of batches.
    let early = app.send(queued(CUSTOMER, "early")).await.expect(429);
    assert_eq!(early.code(), "rate_limited");
    app.advance(180);
    app.send(queued(CUSTOMER, "alone")).await.expect(202);
    assert_eq!(app.get(&format!("/api/messages?batch={id}")).await.data()["total"], 45);
}

#[tokio::test]
async fn a_batch_without_a_valid_message_is_400() {
    let app = TestApp::new().await;
    let nobody = json!({"to": CUSTOMER, "type": "text", "text": "Hi", "whatsapp_account": "nobody"});
    let closed = json!({"to": NEW_RECIPIENT, "type": "text", "text": "Hi"});
    let batch = json!({"messages": [{"to": CUSTOMER, "type": "text", "text": ""}, nobody, closed, 7]});
    let response = app.post("/api/messages/batch", &batch).await.expect(400);
    assert_eq!(response.code(), "invalid_request");
    assert_eq!(response.pointers(), ["/messages/0/text", "/messages/1", "/messages/2", "/messages/3"]);
    assert!(response.reasons().contains("is refused with `account_not_found`: "), "{}", response.reasons());
    assert!(response.reasons().contains("is refused with `outside_window`: "), "{}", response.reasons());
    assert_eq!(app.get("/api/messages?direction=outbound").await.data()["total"], 0);
    // A message that can be accepted later is valid.
    app.request("POST", "/api/accounts/sandbox/resume", "").await.expect(200);
    app.customer_writes("+15550100190", "Hi").await;
    app.send(queued("+15550100190", "holds the account")).await.expect(202);
    app.tick_queue().await;
    let held = json!({"messages": [queued(CUSTOMER, "x")]});
    let response = app.post("/api/messages/batch", &held).await.expect(202);
    assert_eq!(response.data()["results"][0]["code"], "account_disconnected");
    assert_eq!((&response.data()["accepted"], &response.data()["last_leaves_at"]), (&json!(0), &json!(null)));
}
