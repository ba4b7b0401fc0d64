//! Erasure of contacts: afterwards no file of the store contains the contact's data, and later webhooks do not restore
//! it.

use axum::body::Body;
use engine::ports::{FaultInjector, WebhookOutcome};
use engine::{background, contacts, media};
use serde_json::{Value, json};
use sim::{Fault, FaultAction, InboundMessage, StatusReport};

use crate::fault_ports::with_faults;
use crate::meta_payloads::{START, opt_out_signal, text};
use crate::support::{CUSTOMER, TestApp};

const MAYA: &str = "+447700900111";
const USER: &str = "GB.77120394857261034";
const URL: &str = "https://app.example.com/hook";

/// Returns the number of occurrences of a text in the store's files.
fn n_occurrences(bytes: &[u8], marker: &str) -> usize {
    memchr::memmem::find_iter(bytes, marker).count()
}

/// Checks that the store's files contain none of these texts.
#[track_caller]
fn assert_contains_none(app: &TestApp, markers: &[&str]) {
    let bytes = app.stored_bytes();
    for marker in markers {
        assert_eq!(n_occurrences(&bytes, marker), 0, "{marker:?} is still there");
    }
}

/// Texts that must disappear: number, its base64 form in Meta's ids, name, and texts of inbound and outbound messages.
const PERSONAL_DATA: [&str; 8] = [
    "447700900111",
    "NDQ3NzAwOTAwMTEx",
    USER,
    "Maya Osei",
    "maya@example.com",
    "secret recipe",
    "your parcel",
    "hers alone",
];

async fn id_of(app: &TestApp, number: &str) -> Option<String> {
    let found = app.get(&format!("/api/contacts?phone_number={}", &number[1..])).await.expect(200);
    found.data()["contacts"][0]["id"].as_str().map(str::to_owned)
}

async fn erase(app: &TestApp, id: &str) {
    app.request("DELETE", &format!("/api/contacts/{id}"), Body::empty()).await.expect(204);
}

/// Creates data about Maya: inbound and outbound messages, events, and one queued message.
async fn create_data_of_maya(app: &TestApp) -> Vec<String> {
    app.post("/api/webhooks", &json!({"name": "app", "url": URL, "events": ["*"]})).await.expect(201);
    let echo = WebhookOutcome::Responded {
        status: 500,
        body: format!("no: {MAYA} secret recipe"),
        retry_after: None,
        redirect_to: Some(format!("https://shop.example.com/customers/{}", &MAYA[1..])),
    };
    app.receiver.end(URL, echo);
    let message = InboundMessage {
        from_user_id: Some(USER.to_owned()),
        name: Some("Maya Osei".to_owned()),
        ..InboundMessage::text(MAYA, "the secret recipe")
    };
    let mut wamids = vec![app.inbound(&message).await];
    let id = id_of(app, MAYA).await.unwrap();
    let card =
        json!({"email": "maya@example.com", "tags": ["hers alone"], "custom_fields": {"note": "hers alone"}});
    app.request("PUT", &format!("/api/contacts/{id}"), card.to_string()).await.expect(200);
    for key in ["plain", "for-447700900111"] {
        let body = json!({"to": MAYA, "type": "text", "text": "your parcel", "client_reference": "hers alone",
            "context": {"message_id": wamids[0]}});
        let request = axum::http::Request::post("/api/messages/send")
            .header("X-API-Key", engine::access::api_key::DEV_KEY)
            .header("Idempotency-Key", key)
            .body(Body::from(body.to_string()))
            .unwrap();
        let sent = app.run_with_clock(app.call(request)).await.expect(200);
        wamids.push(sent.data()["message_id"].as_str().unwrap().to_owned());
        app.advance(7);
    }
    app.step().await;
    app.deliver_events().await;
    let later = json!({"to": MAYA, "type": "text", "text": "your parcel", "mode": "queue",
        "send_at": "2026-01-01T05:00:00.000Z"});
    app.send(later).await.expect(202);
    wamids
}

#[tokio::test]
async fn no_data_of_an_erased_contact_is_left_in_the_database_files() {
    let app = TestApp::new().await;
    // Other contacts distribute the rows over many pages.
    for i in 0..60 {
        app.customer_writes(&format!("+4477009002{i:02}"), &"lorem ipsum ".repeat(i * 3)).await;
    }
    let wamids = create_data_of_maya(&app).await;
    for i in 0..60 {
        app.customer_writes(&format!("+4477009002{i:02}"), &"dolor ".repeat(i * 5)).await;
        app.customer_writes(MAYA, &format!("the secret recipe {}", "sit amet ".repeat(i))).await;
    }
    let bytes = app.stored_bytes();
    for marker in PERSONAL_DATA {
        assert!(n_occurrences(&bytes, marker) > 0, "{marker} was never there");
    }
    let counted = |total: &Value| total.as_i64().unwrap();
    let n_before = counted(&app.get("/api/messages").await.data()["total"]);
    let id = id_of(&app, MAYA).await.unwrap();
    erase(&app, &id).await;
    for path in ["", "/messages", "/window"] {
        app.get(&format!("/api/contacts/{id}{path}")).await.expect(404);
    }
    app.request("DELETE", &format!("/api/contacts/{id}"), Body::empty()).await.expect(404);
    contacts::run_erasures(&app.deps).await.unwrap();
    assert_eq!(contacts::run_erasures(&app.deps).await.unwrap(), 0);
    assert_contains_none(&app, &PERSONAL_DATA);
    let wamids: Vec<&str> = wamids.iter().map(|wamid| wamid.trim_start_matches("wamid.")).collect();
    assert_contains_none(&app, &wamids);

    // The messages of the erased contact are still counted; messages of others are complete.
    assert_eq!(counted(&app.get("/api/messages").await.data()["total"]), n_before);
    let hers = app.get(&format!("/api/messages?contact={id}&per_page=200")).await.expect(200);
    for message in hers.data()["messages"].as_array().unwrap() {
        assert!(
            message.get("text").is_none() && !message["message_id"].as_str().unwrap().is_empty(),
            "{message}"
        );
        app.message(message["id"].as_str().unwrap()).await;
    }
    let canceled = app.get(&format!("/api/messages?contact={id}&status=canceled")).await.expect(200);
    assert_eq!(canceled.data()["total"], 1);
    let others = app.get("/api/messages?search=900201&per_page=200").await.expect(200);
    for message in others.data()["messages"].as_array().unwrap() {
        let detail = app.message(message["id"].as_str().unwrap()).await;
        assert_eq!(detail["raw"]["text"]["body"], message["text"]["body"], "{detail}");
    }
    // The event log has the same length, without data of the erased contact.
    let events = app.get("/api/events?per_page=200").await.expect(200);
    assert!(events.data()["events"].as_array().unwrap().iter().any(|event| event["data"]["erased"] == true));
}

#[tokio::test]
async fn later_webhooks_do_not_restore_an_erased_contact() {
    let app = TestApp::new().await;
    let wamids = create_data_of_maya(&app).await;
    app.customer_writes(CUSTOMER, "I stay").await;
    let id = id_of(&app, MAYA).await.unwrap();
    erase(&app, &id).await;
    contacts::run_erasures(&app.deps).await.unwrap();
    let status = |wamid: &str, number: &str| {
        json!({
            "id": wamid, "status": "read", "timestamp": "1767225700", "recipient_id": number
        })
    };
    let stored = app.send_text(CUSTOMER).await.expect(200);
    let stored = stored.data()["message_id"].as_str().unwrap();
    // One webhook has a status and a repeated message of the erased contact, and a status of another contact.
    let body = json!({"object": "whatsapp_business_account", "entry": [{"id": app.seeded.waba_id, "changes": [{
        "field": "messages", "value": {"messaging_product": "whatsapp",
            "metadata": {"phone_number_id": app.seeded.phone_number_id},
            "contacts": [{"profile": {"name": "Maya Osei"}, "wa_id": &MAYA[1..], "user_id": USER}],
            "messages": [{"from": &MAYA[1..], "id": wamids[0], "timestamp": "1767225600", "type": "text",
                "text": {"body": "the secret recipe"}}],
            "statuses": [status(&wamids[1], &MAYA[1..]), status(stored, &CUSTOMER[1..])]}}]}]});
    for _ in 0..2 {
        app.post_signed(&app.seeded.app_secret, body.to_string()).await.expect(200);
    }
    assert_eq!(app.message(stored).await["status"], "read");
    assert_eq!(id_of(&app, MAYA).await, None);
    assert_contains_none(&app, &["447700900111", "Maya Osei", "secret recipe", &wamids[0], &wamids[1]]);

    // A repeated request sends nothing. A new message of the customer creates a new contact.
    let n_accepted = app.n_accepted();
    let body = json!({"to": MAYA, "type": "text", "text": "your parcel", "client_reference": "hers alone",
        "context": {"message_id": wamids[0]}});
    let request = axum::http::Request::post("/api/messages/send")
        .header("X-API-Key", engine::access::api_key::DEV_KEY)
        .header("Idempotency-Key", "plain")
        .body(Body::from(body.to_string()))
        .unwrap();
    app.call(request).await.expect(409);
    assert_eq!(app.n_accepted(), n_accepted);
    app.customer_writes(MAYA, "Me again").await;
    let again = id_of(&app, MAYA).await.unwrap();
    assert_ne!(again, id);
    let hers = app.get(&format!("/api/contacts/{again}/messages")).await.expect(200);
    assert_eq!(hers.data()["total"], 1);
    app.send_text(MAYA).await.expect(200);
}

#[tokio::test]
async fn a_message_in_flight_ends_without_personal_data() {
    let app = TestApp::new().await;
    app.customer_writes(MAYA, "the secret recipe").await;
    let id = id_of(&app, MAYA).await.unwrap();
    // Meta does not respond to the first send. Its status arrives after the erasure, with our reference.
    app.sim.fail(Fault::on("/messages", FaultAction::CutAfter));
    let sent = app.send_text(MAYA).await.expect(202);
    assert_eq!(sent.data()["status"], "unknown");
    let message = sent.data()["id"].as_str().unwrap().to_owned();
    erase(&app, &id).await;
    contacts::run_erasures(&app.deps).await.unwrap();
    app.step().await;
    assert_eq!(app.message(&message).await["status"], "unknown");
    assert_contains_none(&app, &["447700900111", "NDQ3NzAwOTAwMTEx", "secret recipe"]);
    let resolved = app.post(&format!("/api/messages/{message}/resolve"), &json!({"action": "resend"})).await;
    assert_eq!(resolved.expect(409).code(), "not_resolvable");
    app.post(&format!("/api/messages/{message}/resolve"), &json!({"action": "fail"})).await.expect(200);
}

#[tokio::test]
async fn a_queued_message_is_canceled_and_its_event_has_no_personal_data() {
    let app = TestApp::new().await;
    app.customer_writes(MAYA, "Hi").await;
    let id = id_of(&app, MAYA).await.unwrap();
    for i in 0..3 {
        let body = json!({"to": MAYA, "type": "text", "text": format!("no {i}"), "mode": "queue"});
        app.send(body).await.expect(202);
    }
    let before = app.get("/api/events?after=latest").await.data()["next_cursor"].as_str().unwrap().to_owned();
    erase(&app, &id).await;
    app.tick_queue().await;
    assert_eq!(app.n_accepted(), 0);
    let events = app.get(&format!("/api/events?after={before}")).await.expect(200);
    let events = events.data()["events"].as_array().unwrap();
    assert_eq!(events.len(), 3);
    for event in events {
        assert_eq!(event["event"], "message.canceled");
        assert_eq!((&event["data"]["to"], &event["data"]["status"]), (&Value::Null, &json!("canceled")));
    }
}

/// Returns the number as Meta writes it.
fn digits() -> &'static str {
    &MAYA[1..]
}

const OLD: &str = "447700900333";
const OLD_USER: &str = "GB.11120394857261000";

fn moved(wamid: &str, from: &str, to: &str, at_second: i64) -> Value {
    json!({"from": from, "id": wamid, "timestamp": (START + at_second).to_string(), "type": "system",
        "system": {"body": format!("User Maya Osei changed from {from} to {to}"), "wa_id": to,
            "type": "user_changed_number"}})
}

#[tokio::test]
async fn media_echoes_number_changes_and_opt_outs_are_erased_as_well() {
    let app = TestApp::new().await;
    app.receive_messages(&[text("wamid.old", OLD, 0)]).await;
    let value = json!({"contacts": [{"profile": {"name": "Maya Osei", "username": "maya.osei"}, "wa_id": OLD,
        "user_id": OLD_USER}], "messages": [text("wamid.named", OLD, 1)]});
    app.deliver_number_webhook("messages", value).await;
    app.receive_messages(&[moved("wamid.moved", OLD, digits(), 2)]).await;
    let other = json!({"wa_id": digits(), "user_id": {"previous": OLD_USER, "current": USER},
        "timestamp": (START + 3).to_string()});
    app.deliver_number_webhook("user_id_update", json!({"user_id_update": [other]})).await;
    app.deliver_number_webhook(
        "user_preferences",
        json!({"user_preferences": [opt_out_signal(digits(), "stop", 4)]}),
    )
    .await;
    let echo = json!({"from": "15550109999", "to": digits(), "id": "wamid.echo", "type": "text",
        "timestamp": (START + 5).to_string(), "text": {"body": "your parcel"}});
    app.deliver_number_webhook("smb_message_echoes", json!({"message_echoes": [echo.clone()]})).await;
    let picture = InboundMessage {
        from: Some(MAYA.to_owned()),
        from_user_id: Some(USER.to_owned()),
        message: json!({"type": "document", "document": {"caption": "hers alone", "filename": "secret recipe.pdf"}}),
        ..InboundMessage::default()
    };
    let mut files = Vec::new();
    for _ in 0..2 {
        let wamid = app.inbound(&picture).await;
        files.push(app.message(&wamid).await["media"]["id"].as_str().unwrap().to_owned());
        // The second file is not downloaded yet.
        if files.len() == 1 {
            app.fetch_media().await;
        }
    }
    let folder = app.folder.path().join("media");
    assert_eq!(n_files(&folder), 1);
    let id = id_of(&app, MAYA).await.unwrap();
    let shown = app.get(&format!("/api/contacts/{id}")).await.expect(200);
    assert_eq!(
        (&shown.data()["opted_out"], &shown.data()["opted_out_reason"]),
        (&json!(true), &json!("meta"))
    );
    let markers = [
        digits(),
        OLD,
        USER,
        OLD_USER,
        "Maya Osei",
        "maya.osei",
        "your parcel",
        "secret recipe",
        "hers alone",
        "wamid.echo",
    ];
    let bytes = app.stored_bytes();
    for marker in markers {
        assert!(n_occurrences(&bytes, marker) > 0, "{marker} was never there");
    }

    erase(&app, &id).await;
    contacts::run_erasures(&app.deps).await.unwrap();
    media::delete_expired(&app.deps).await.unwrap();
    assert_eq!(n_files(&folder), 0);
    assert_eq!(app.fetch_media().await, 0, "what was to be fetched is not");
    for file in &files {
        assert!(app.get(&format!("/api/media/{file}")).await.status.as_u16() >= 400);
    }
    assert_contains_none(&app, &markers);
    // All webhooks are repeated: data of the erased contact is recognized and dropped.
    app.deliver_number_webhook("smb_message_echoes", json!({"message_echoes": [echo]})).await;
    app.receive_messages(&[moved("wamid.moved", OLD, digits(), 2)]).await;
    app.deliver_number_webhook(
        "user_preferences",
        json!({"user_preferences": [opt_out_signal(digits(), "stop", 4)]}),
    )
    .await;
    assert_contains_none(&app, &markers);
    let audit = app.get("/api/audit").await.expect(200);
    let entry = &audit.data()["audit"][0];
    assert_eq!((&entry["action"], &entry["subject"]["id"]), (&json!("contact.delete"), &json!(id)));
}

#[tokio::test]
async fn the_new_owner_of_the_number_keeps_its_data() {
    let app = TestApp::new().await;
    let value = json!({"contacts": [{"profile": {"name": "Maya Osei"}, "wa_id": OLD}],
        "messages": [text("wamid.1", OLD, 0)]});
    app.deliver_number_webhook("messages", value).await;
    app.receive_messages(&[moved("wamid.2", OLD, digits(), 10)]).await;
    app.advance(20);
    let value = json!({"contacts": [{"profile": {"name": "Tom Reed"}, "wa_id": OLD}],
        "messages": [text("wamid.3", OLD, 20)]});
    app.deliver_number_webhook("messages", value).await;
    let (maya, tom) = (id_of(&app, MAYA).await.unwrap(), id_of(&app, &format!("+{OLD}")).await.unwrap());
    assert_ne!(maya, tom);
    let before = app.message("wamid.3").await;
    erase(&app, &maya).await;
    contacts::run_erasures(&app.deps).await.unwrap();
    assert_contains_none(&app, &[digits(), "Maya Osei", "wamid.1", "wamid.2"]);
    assert_eq!(app.message("wamid.3").await, before);
    assert_eq!(before["raw"]["from"], OLD);
    assert!(n_occurrences(&app.stored_bytes(), "Tom Reed") > 1, "in the contact and in what Meta posted");
    assert_eq!(id_of(&app, &format!("+{OLD}")).await, Some(tom));
}

/// Returns the number of files below a folder.
fn n_files(folder: &std::path::Path) -> usize {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    let count = |path: std::path::PathBuf| if path.is_dir() { n_files(&path) } else { 1 };
    entries.map(|entry| count(entry.unwrap().path())).sum()
}

/// Simulates a crash after a number of store calls.
struct CrashAfter(std::sync::atomic::AtomicUsize);

#[async_trait::async_trait]
impl FaultInjector for CrashAfter {
    async fn before(&self, call: &'static str) -> Result<usize, engine::ports::StoreError> {
        use std::sync::atomic::Ordering;
        if !matches!(call, "run_erasure_step" | "finish_erasures") {
            return Ok(0);
        }
        let left = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        left.map_err(|_| {
            engine::ports::StoreError::new(engine::ports::StoreErrorKind::Unavailable, "erasing", "dead")
        })
    }

    async fn after(&self, _: &'static str, _: usize) -> Result<(), engine::ports::StoreError> {
        Ok(())
    }
}

#[tokio::test]
async fn an_erasure_continues_after_a_crash_at_any_step() {
    for n_calls in 0_usize.. {
        let mut app = TestApp::new().await;
        create_data_of_maya(&app).await;
        let id = id_of(&app, MAYA).await.unwrap();
        app.restart_with(|ports| with_faults(ports, std::sync::Arc::new(CrashAfter(n_calls.into())))).await;
        erase(&app, &id).await;
        let ended = contacts::run_erasures(&app.deps).await;
        app.restart().await;
        background::tick_recovery(&app.deps).await.unwrap();
        contacts::run_erasures(&app.deps).await.unwrap();
        assert_contains_none(&app, &PERSONAL_DATA);
        if ended.is_ok() {
            assert!(n_calls > 6, "an erasure of {n_calls} calls does not look at everything");
            break;
        }
    }
}

#[tokio::test]
async fn a_manual_status_after_the_erasure_is_dropped() {
    let app = TestApp::new().await;
    app.customer_writes(MAYA, "Hi").await;
    let sent = app.send_text(MAYA).await.expect(200);
    let wamid = sent.data()["message_id"].as_str().unwrap();
    let id = id_of(&app, MAYA).await.unwrap();
    erase(&app, &id).await;
    contacts::run_erasures(&app.deps).await.unwrap();
    let report: StatusReport =
        serde_json::from_value(json!({"message_id": wamid, "status": "read"})).unwrap();
    assert!(app.sim.set_status(&report));
    app.deliver_webhooks().await;
    assert_eq!(app.message(sent.data()["id"].as_str().unwrap()).await["status"], "sent");
    assert_contains_none(&app, &["447700900111", wamid]);
}
