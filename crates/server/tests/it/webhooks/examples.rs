//! Tests of an endpoint with the example of an event.

use domain::events::EventKind;
use serde_json::{Value, json};

use super::{OTHER, URL, add, deliveries, id};
use crate::contract;
use crate::support::{CUSTOMER, TestApp};

/// Names of the members that only some events of a kind have.
const SOMETIMES: [&str; 2] = ["media_id", "merged_contact_id"];

#[tokio::test]
async fn an_endpoint_receives_an_example_of_each_event_that_matches_the_document() {
    let app = TestApp::new().await;
    let created = add(&app, URL, json!({"events": ["webhook.disabled"]})).await;
    add(&app, OTHER, json!({})).await;
    let path = format!("/api/webhooks/{}/test", id(&created));
    for kind in EventKind::ALL {
        app.receiver.clear();
        let tested = app.post(&path, &json!({"event": kind.as_str()})).await.expect(200);
        assert_eq!(
            (&tested.data()["event"], &tested.data()["status"]),
            (&json!(kind.as_str()), &json!("succeeded"))
        );
        app.deliver_events().await;
        let received = app.receiver.received();
        assert_eq!(received.len(), 1, "{kind}");
        assert_eq!((received[0].url.as_str(), received[0].kind()), (URL, kind.as_str()));
        assert_eq!(received[0].body["test"], true, "{kind}");
        contract::assert_event(&received[0].body);
    }
    // The examples are in no event log, and no replay repeats them.
    let logged = app.get("/api/events").await.expect(200);
    let logged = logged.data()["events"].as_array().unwrap().clone();
    assert!(logged.iter().all(|event| event.get("test").is_none()), "{logged:#?}");
    app.receiver.clear();
    let since = json!({"since": "2026-01-01T00:00:00.000Z"});
    app.post(&format!("/api/webhooks/{}/replay", id(&created)), &since).await.expect(202);
    app.deliver_events().await;
    assert!(app.receiver.received().is_empty());
}

#[tokio::test]
async fn an_example_has_the_members_of_a_real_event() {
    let app = TestApp::new().await;
    let created = add(&app, URL, json!({})).await;
    app.send_text(CUSTOMER).await.expect(200);
    app.step().await;
    app.customer_writes("+447700900124", "Hi").await;
    app.deliver_events().await;
    let real = app.receiver.received();
    let members = |data: &Value| {
        let names = data.as_object().unwrap().keys().filter(|name| !SOMETIMES.contains(&name.as_str()));
        names.cloned().collect::<Vec<_>>()
    };
    for kind in ["message.incoming", "message.sent", "message.delivered", "message.read", "contact.created"] {
        app.receiver.clear();
        let path = format!("/api/webhooks/{}/test", id(&created));
        app.post(&path, &json!({"event": kind})).await.expect(200);
        let example = app.receiver.received().pop().unwrap();
        let real = real.iter().find(|received| received.kind() == kind).unwrap();
        assert_eq!(members(example.data()), members(real.data()), "{kind}");
        if kind != "contact.created" {
            assert_eq!(example.data()["whatsapp_account_id"], app.account.to_string());
        }
    }
}

#[tokio::test]
async fn a_test_of_an_unknown_event_is_refused_and_a_test_without_a_body_sends_webhook_test() {
    let app = TestApp::new().await;
    let created = add(&app, URL, json!({"events": ["message.read"]})).await;
    let path = format!("/api/webhooks/{}/test", id(&created));
    for (body, pointer, reason) in [
        (json!({"event": "message.received"}), "/event", "did you mean `message.incoming`?"),
        (json!({"event": "campaign.completed"}), "/event", "no event of this version has this name"),
        (json!({"event": "message.*"}), "/event", "unknown event"),
        (json!({"event": 7}), "/event", "must be a string"),
        (json!({"events": "message.read"}), "/events", "did you mean `event`?"),
    ] {
        let refused = app.post(&path, &body).await.expect(400);
        assert_eq!(refused.pointers(), [pointer]);
        assert!(refused.reasons().contains(reason), "{}", refused.reasons());
    }
    assert!(app.receiver.received().is_empty());
    let fine = app.request("POST", &path, "").await.expect(200);
    assert_eq!(fine.data()["event"], "webhook.test");
}

#[tokio::test]
async fn a_failed_test_is_not_repeated_and_can_be_redelivered() {
    let app = TestApp::new().await;
    let created = add(&app, URL, json!({})).await;
    app.receiver.respond_with(URL, 500);
    let path = format!("/api/webhooks/{}/test", id(&created));
    let failed = app.post(&path, &json!({"event": "message.incoming"})).await.expect(200);
    assert_eq!(failed.data()["status"], "dead");
    app.advance(100_000);
    app.deliver_events().await;
    assert_eq!(app.receiver.received().len(), 1);
    app.receiver.respond_with(URL, 200);
    let delivery = failed.data()["id"].as_str().unwrap();
    app.post(&format!("/api/deliveries/{delivery}/redeliver"), &json!({})).await.expect(202);
    app.deliver_events().await;
    let received = app.receiver.received();
    assert_eq!(received.len(), 2);
    assert_eq!(received[0].body, received[1].body);
    assert_eq!(deliveries(&app, id(&created), "status=succeeded").await.len(), 1);
}
