//! Malformed, very large, repeated and reordered webhooks: the endpoint accepts them, and no valid change is lost.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use engine::ports::{FaultInjector, StoreError};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::contact_updates::orders;
use crate::fault_ports::with_faults;
use crate::meta_payloads::{START, envelope, opt_out_signal, text, value};
use crate::support::{CUSTOMER, TestApp};

const MAYA: &str = "447700900123";

/// Records the calls of the store.
#[derive(Default)]
struct Calls(Mutex<Vec<&'static str>>);

#[async_trait]
impl FaultInjector for Calls {
    async fn before(&self, call: &'static str) -> Result<usize, StoreError> {
        self.0.lock().unwrap().push(call);
        Ok(0)
    }

    async fn after(&self, _: &'static str, _: usize) -> Result<(), StoreError> {
        Ok(())
    }
}

#[tokio::test]
async fn a_payload_with_a_thousand_changes_is_one_transaction() {
    let mut app = TestApp::new().await;
    let sent = app.send_text(CUSTOMER).await.expect(200).data()["message_id"].clone();
    let calls = Arc::new(Calls::default());
    let guard = calls.clone();
    app.restart_with(|ports| with_faults(ports, guard)).await;
    let messages: Vec<_> =
        (0..500).map(|n| text(&format!("wamid.{n}"), &format!("447700900{:03}", n % 100), n)).collect();
    let status = |n: usize, id: &Value| {
        let status_name = ["sent", "delivered", "read"][n % 3];
        json!({"id": id, "status": status_name, "timestamp": (START + 1).to_string(), "recipient_id": "15550100001"})
    };
    let mut statuses: Vec<_> = (0..397).map(|n| status(n, &json!(format!("wamid.other{n}")))).collect();
    statuses.extend((0..3).map(|n| status(n, &sent)));
    let wishes: Vec<_> = (0..97).map(|n| opt_out_signal(&format!("447700900{n:03}"), "stop", 9)).collect();
    let ban = json!({"event": "DISABLED_UPDATE", "ban_info": {"waba_ban_state": "SCHEDULE_FOR_DISABLE"}});
    let changes = [
        json!({"field": "messages", "value": value(&app, &json!({"messages": messages, "statuses": statuses}))}),
        json!({"field": "user_preferences", "value": value(&app, &json!({"user_preferences": wishes}))}),
        json!({"field": "account_update", "value": ban}),
        json!({"field": "history", "value": {"a": 1}}),
        json!({"field": "hologram", "value": {"a": 2}}),
    ];
    let body = envelope(&app, Some(1), &changes).to_string();
    calls.0.lock().unwrap().clear();
    app.post_signed(&app.seeded.app_secret, body.clone()).await.expect(200);
    // One method of the store is one transaction.
    assert_eq!(*calls.0.lock().unwrap(), ["ingest_payload"]);
    assert_eq!(app.get("/api/messages").await.data()["total"], 502);
    assert_eq!(app.message(sent.as_str().unwrap()).await["status"], "read");
    assert_eq!(app.get("/api/contacts?opted_out=true").await.data()["total"], 97);
    let before = app.all_events().await;
    app.post_signed(&app.seeded.app_secret, body).await.expect(200);
    assert_eq!(app.all_events().await, before);
}

#[tokio::test]
async fn fifty_concurrent_deliveries_of_a_payload_apply_each_change_once() {
    let app = TestApp::new().await;
    let sent = app.send_text(CUSTOMER).await.expect(200).data()["message_id"].clone();
    let report = |status: &str| json!({"id": sent, "status": status, "timestamp": (START + 1).to_string(), "recipient_id": "15550100001"});
    let early =
        json!({"id": "wamid.early", "status": "sent", "timestamp": START.to_string(), "recipient_id": MAYA});
    let members = json!({
        "messages": [text("wamid.1", MAYA, 0), text("wamid.2", MAYA, 1)],
        "statuses": [report("delivered"), report("read"), early],
        "errors": [{"code": 130_429}],
    });
    let echo = json!({"from": "1", "to": MAYA, "id": "wamid.echo", "timestamp": START.to_string(), "type": "text",
        "text": {"body": "Hi"}});
    let template =
        json!({"event": "PAUSED", "message_template_name": "a", "message_template_language": "en"});
    let changes = [
        json!({"field": "messages", "value": value(&app, &members)}),
        json!({"field": "user_preferences", "value": value(&app, &json!({"user_preferences": [opt_out_signal(MAYA, "stop", 1)]}))}),
        json!({"field": "smb_message_echoes", "value": value(&app, &json!({"message_echoes": [echo]}))}),
        json!({"field": "message_template_status_update", "value": template}),
        json!({"field": "account_review_update", "value": {"decision": "APPROVED"}}),
    ];
    let body = envelope(&app, Some(1), &changes).to_string();
    let n_before = app.all_events().await.len();
    let posts = (0..50).map(|_| app.post_signed(&app.seeded.app_secret, body.clone()));
    for response in futures_util::future::join_all(posts).await {
        response.expect(200);
    }
    let events = app.all_events().await.split_off(n_before);
    let mut kinds: Vec<_> = events.iter().map(|(kind, _)| kind.as_str()).collect();
    kinds.sort_unstable();
    assert_eq!(
        kinds,
        [
            "account.status",
            "account.status",
            "contact.created",
            "contact.updated",
            "message.delivered",
            "message.incoming",
            "message.incoming",
            "message.read",
            "message.sent",
            "template.status",
        ]
    );
}

#[tokio::test]
async fn every_order_and_batching_of_statuses_has_the_same_result() {
    let status_names = ["sent", "delivered", "read", "played"];
    for order in orders(&status_names) {
        for is_batched in [true, false] {
            let app = TestApp::new().await;
            let sent = app.send_text(CUSTOMER).await.expect(200).data()["message_id"].clone();
            let n_before = app.all_events().await.len();
            let report = |status_name: &&str| {
                let mut report = json!({"id": sent, "status": status_name, "recipient_id": "15550100001",
                    "timestamp": (START + 1).to_string()});
                if *status_name == "sent" {
                    report["pricing"] = json!({"billable": true, "category": "service"});
                }
                report
            };
            let reports: Vec<_> = order.iter().chain(&order).map(report).collect();
            let posts =
                if is_batched { vec![reports] } else { reports.into_iter().map(|one| vec![one]).collect() };
            for statuses in posts {
                app.deliver_number_webhook("messages", json!({"statuses": statuses})).await;
            }
            let message = app.message(sent.as_str().unwrap()).await;
            assert_eq!(
                (&message["status"], &message["pricing"]["category"]),
                (&json!("played"), &json!("service"))
            );
            let events: Vec<_> =
                app.all_events().await.split_off(n_before).into_iter().map(|(kind, _)| kind).collect();
            // `message.sent` was an event when Meta accepted the message.
            let expected: Vec<_> = order
                .iter()
                .filter(|status_name| **status_name != "sent")
                .map(|status_name| format!("message.{status_name}"))
                .collect();
            assert_eq!(events, expected, "{order:?}");
        }
    }
}

#[tokio::test]
async fn changes_of_unknown_accounts_or_of_another_app_are_stored_and_not_applied() {
    let app = TestApp::new().await;
    app.add_second_account().await;
    let clinic = app.sim.accounts().into_iter().nth(1).unwrap();
    let before = (app.contacts().await, app.first_account().await, app.all_events().await);
    let echo = json!({"from": "1", "to": MAYA, "id": "wamid.e", "timestamp": START.to_string(), "type": "text",
        "text": {"body": "Hi"}});
    let ban = json!({"event": "DISABLED_UPDATE", "ban_info": {"waba_ban_state": "DISABLE"}});
    let moves = json!({"from": "15550100001", "id": "wamid.m", "timestamp": (START + 9).to_string(), "type": "system",
        "system": {"wa_id": MAYA, "type": "user_changed_number"}});
    let changes = [
        json!({"field": "messages", "value": value(&app, &json!({"messages": [text("wamid.1", MAYA, 0), moves]}))}),
        json!({"field": "user_preferences", "value": value(&app, &json!({"user_preferences": [opt_out_signal("15550100001", "stop", 1)]}))}),
        json!({"field": "smb_message_echoes", "value": value(&app, &json!({"message_echoes": [echo]}))}),
        json!({"field": "account_update", "value": ban}),
        json!({"field": "message_template_status_update", "value": {"event": "PAUSED",
            "message_template_name": "hello_world", "message_template_language": "en_US"}}),
        // The value names the WhatsApp Business Account of the other app.
        json!({"field": "account_update", "value": {"event": "PARTNER_REMOVED",
            "waba_info": {"waba_id": app.seeded.waba_id}}}),
    ];
    let body = envelope(&app, Some(1), &changes);
    app.post_signed(&clinic.app_secret, body.to_string()).await.expect(200);
    let unknown =
        body.to_string().replace(&app.seeded.phone_number_id, "999").replace(&app.seeded.waba_id, "998");
    app.post_signed(&app.seeded.app_secret, unknown).await.expect(200);
    assert_eq!((app.contacts().await, app.first_account().await, app.all_events().await), before);
    // The payload is stored, so that a redrive can apply it after the account was added.
    let since = jiff::Timestamp::from_second(0).unwrap();
    let with = Some(engine::ports::UnappliedReason::Unrouted);
    let done = app.run_with_clock(server::meta_webhook::redrive(&app.deps, since, with)).await.unwrap();
    assert_eq!((done.payloads, done.applied), (2, 0));
    // The same bytes with a valid signature are applied, although they were received before.
    app.post_signed(&app.seeded.app_secret, body.to_string()).await.expect(200);
    assert_eq!(app.first_account().await["status"], "held");
    assert_eq!(app.message("wamid.1").await["status"], "received");
}

/// Returns one valid payload of each kind.
fn samples(app: &TestApp) -> Vec<Value> {
    let message = |kind: &str, object: Value| {
        let mut message = json!({"from": MAYA, "from_user_id": "GB.7", "id": format!("wamid.{kind}"),
            "timestamp": START.to_string(), "type": kind, "context": {"id": "wamid.x", "forwarded": true},
            "referral": {"source_url": "https://fb.me/a"}, "errors": [{"code": 131_051}]});
        message[kind] = object;
        message
    };
    let messages = json!([
        message("text", json!({"body": "Hi"})),
        message("image", json!({"id": "77001", "mime_type": "image/jpeg", "sha256": "n4bQ", "caption": "x"})),
        message("order", json!({"catalog_id": "8", "product_items": [{"quantity": 2, "item_price": 12.5}]})),
        message(
            "interactive",
            json!({"type": "nfm_reply", "nfm_reply": {"name": "flow", "response_json": "{}"}})
        ),
        message("reaction", json!({"message_id": "wamid.x", "emoji": "x"})),
        message(
            "edit",
            json!({"original_message_id": "wamid.x", "message": {"type": "text", "text": {"body": "y"}}})
        ),
        message(
            "system",
            json!({"body": "-", "wa_id": "447700900999", "user_id": "GB.8", "type": "user_changed_number"})
        ),
        message("contacts", json!([{"name": {"formatted_name": "Tom"}}])),
    ]);
    let statuses = json!([
        {"id": "wamid.s1", "status": "failed", "timestamp": START.to_string(), "recipient_id": MAYA,
            "errors": [{"code": 131_050, "title": "x", "error_data": {"details": "y"}}]},
        {"id": "wamid.s2", "status": "read", "timestamp": START.to_string(), "recipient_user_id": "GB.7",
            "pricing": {"billable": true, "category": "service"}, "biz_opaque_callback_data": "x"},
    ]);
    let contacts =
        json!([{"profile": {"name": "Maya", "username": "maya"}, "wa_id": MAYA, "user_id": "GB.7"}]);
    let echo = json!({"from": "1", "to": MAYA, "id": "wamid.echo", "timestamp": START.to_string(), "type": "text",
        "text": {"body": "Hi"}});
    let call =
        json!({"id": "wacid.1", "from": MAYA, "direction": "USER_INITIATED", "timestamp": START.to_string()});
    let moved =
        json!({"wa_id": MAYA, "user_id": {"previous": "GB.7", "current": "GB.9"}, "timestamp": START});
    vec![
        json!({"field": "messages", "value": value(app, &json!({"contacts": contacts, "messages": messages,
            "statuses": statuses, "errors": [{"code": 130_429}]}))}),
        json!({"field": "user_preferences", "value": value(app, &json!({"contacts": contacts,
            "user_preferences": [opt_out_signal(MAYA, "stop", 1)]}))}),
        json!({"field": "user_id_update", "value": value(app, &json!({"user_id_update": [moved]}))}),
        json!({"field": "smb_message_echoes", "value": value(app, &json!({"message_echoes": [echo]}))}),
        json!({"field": "calls", "value": value(app, &json!({"calls": [call]}))}),
        json!({"field": "message_template_status_update", "value": {"event": "PAUSED", "message_template_id": 1,
            "message_template_name": "hello_world", "message_template_language": "en_US",
            "other_info": {"title": "a", "description": "b"}}}),
        json!({"field": "message_template_components_update", "value": {"message_template_name": "hello_world",
            "message_template_language": "en_US", "message_template_element": "x",
            "message_template_buttons": [{"message_template_button_text": "y"}]}}),
        json!({"field": "account_update", "value": {"event": "DISABLED_UPDATE",
            "ban_info": {"waba_ban_state": "SCHEDULE_FOR_DISABLE"}}}),
        json!({"field": "business_capability_update", "value": {"max_daily_conversations_per_business": 2000}}),
        json!({"field": "phone_number_quality_update", "value": {"display_phone_number": "15550109999",
            "event": "FLAGGED", "current_limit": "TIER_1K"}}),
    ]
}

/// Texts that are replaced in the printed JSON, because no JSON library writes them.
const RAW: [(&str, &str); 5] = [
    ("@@surrogate@@", r#""a\ud83d b""#),
    ("@@nul@@", r#""\u0000""#),
    ("@@huge@@", "1e999"),
    ("@@long@@", "-123456789012345678901234567890"),
    ("@@twins@@", r#"{"type":1,"type":"text","id":"a","id":"b"}"#),
];

fn n_nodes(value: &Value) -> usize {
    let below: usize = match value {
        Value::Array(elements) => elements.iter().map(n_nodes).sum(),
        Value::Object(members) => members.values().map(n_nodes).sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
    };
    1 + below
}

/// Changes the n-th node of a tree.
fn mutate(value: &mut Value, n: &mut usize, how: u8) {
    if *n == 0 {
        *n = usize::MAX;
        *value = match how % 16 {
            0 => Value::Null,
            1 => json!(7),
            2 => json!("x"),
            3 => json!([]),
            4 => json!({}),
            5 => json!(true),
            6 => json!([value.clone()]),
            7 => json!({"messages": value.clone(), "id": value.clone()}),
            8 => match value.as_str() {
                Some(text) => json!(text.chars().take(text.chars().count() / 2).collect::<String>()),
                None => json!("x".repeat(5000)),
            },
            9 => json!("@@deep@@"),
            10 => json!(-1),
            other => json!(RAW[usize::from(other - 11)].0),
        };
        return;
    }
    *n -= 1;
    match value {
        Value::Array(elements) => {
            for element in elements {
                if *n != usize::MAX {
                    mutate(element, n, how);
                }
            }
        }
        Value::Object(members) => {
            let names: Vec<_> = members.keys().cloned().collect();
            for name in names {
                if *n == usize::MAX {
                    return;
                }
                // In half of the cases, the member is removed.
                if *n == 0 && how >= 128 {
                    members.remove(&name);
                    *n = usize::MAX;
                    return;
                }
                mutate(&mut members[&name], n, how);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn mutated(value: &Value, changes: &[(usize, u8)]) -> Value {
    let mut value = value.clone();
    for (n, how) in changes {
        let mut n = n % n_nodes(&value);
        mutate(&mut value, &mut n, *how);
    }
    value
}

fn written(body: &Value) -> String {
    let mut body = body.to_string();
    for (status_name, raw) in RAW {
        body = body.replace(&format!("\"{status_name}\""), raw);
    }
    let deep = format!("{}{}", "[".repeat(5000), "]".repeat(5000));
    body.replace("\"@@deep@@\"", &deep)
}

type Changes = Vec<(usize, u8)>;

fn some_changes() -> impl Strategy<Value = Changes> {
    prop::collection::vec((any::<usize>(), any::<u8>()), 1..4)
}

async fn no_neighbour_is_lost(posts: &[(usize, Changes, Changes, Changes)]) {
    let app = TestApp::new().await;
    app.post("/api/templates/sync", &json!({})).await.expect(200);
    let samples = samples(&app);
    for (i, (which, entry, change, element)) in posts.iter().enumerate() {
        let sample = &samples[which % samples.len()];
        let wamids = [format!("wamid.good.{i}.a"), format!("wamid.good.{i}.b")];
        let from = format!("4477009{i:05}");
        let whole = json!({"id": app.seeded.waba_id, "time": START, "changes": samples});
        let odd = &samples[0]["value"]["messages"][which % 8];
        let good = value(
            &app,
            &json!({"messages": [
                mutated(odd, element), text(&wamids[0], &from, 0), mutated(odd, change), text(&wamids[1], &from, 1),
            ]}),
        );
        let body = json!({"object": "whatsapp_business_account", "entry": [
            mutated(&whole, entry),
            {"id": app.seeded.waba_id, "changes": [
                mutated(sample, change), {"field": "messages", "value": good}, mutated(sample, element),
            ]},
        ]});
        let text = written(&body);
        let response = app.post_signed(&app.seeded.app_secret, text.clone()).await;
        assert_eq!(response.status.as_u16(), 200, "{text}");
        for wamid in &wamids {
            let found = app.get(&format!("/api/messages/{wamid}")).await;
            assert_eq!(found.status.as_u16(), 200, "{wamid} was lost: {text}");
        }
    }
    app.finish_tasks().await;
    // All stored payloads can be read and redriven.
    for path in ["messages", "contacts", "templates", "accounts", "events"] {
        app.get(&format!("/api/{path}?per_page=200")).await.expect(200);
    }
    let n_events = app.all_events().await.len();
    let since = jiff::Timestamp::from_second(0).unwrap();
    let done = app.run_with_clock(server::meta_webhook::redrive(&app.deps, since, None)).await.unwrap();
    assert_eq!((done.applied, done.pending_statuses), (0, 0), "{done:?} {posts:?}");
    app.finish_tasks().await;
    assert_eq!(app.all_events().await.len(), n_events);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn mutated_payloads_are_accepted_and_no_valid_change_is_lost(
        posts in prop::collection::vec((any::<usize>(), some_changes(), some_changes(), some_changes()), 1..12),
    ) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        runtime.block_on(no_neighbour_is_lost(&posts));
    }
}
