//! Filters of the list of messages, marks as read.

use serde_json::{Value, json};
use sim::InboundMessage;

use crate::support::{CUSTOMER, TestApp};

const MAYA: &str = "+447700900111";

impl TestApp {
    /// Returns the ids of the messages that a query finds, on all pages of two.
    async fn list(&self, query: &str) -> Vec<String> {
        let start = format!("/api/messages?per_page=2&{query}");
        let (mut path, mut seen) = (start.clone(), Vec::new());
        loop {
            let page = self.get(&path).await.expect(200);
            let messages = page.data()["messages"].as_array().unwrap();
            seen.extend(messages.iter().map(|message| message["id"].as_str().unwrap().to_owned()));
            match page.data()["next_cursor"].as_str() {
                Some(cursor) => path = format!("{start}&cursor={cursor}"),
                None => {
                    assert_eq!(page.data()["total"], seen.len());
                    return seen;
                }
            }
        }
    }

    async fn queue_text(&self, body: Value) -> String {
        let mut message = json!({"to": CUSTOMER, "type": "text", "text": "Hi", "mode": "queue"});
        message.as_object_mut().unwrap().extend(body.as_object().unwrap().clone());
        let response = self.send(message).await.expect(202);
        response.data()["id"].as_str().unwrap().to_owned()
    }

    async fn mark_read(&self, wamid: &str) -> Value {
        let id: String = url::form_urlencoded::byte_serialize(wamid.as_bytes()).collect();
        self.request("POST", &format!("/api/messages/{id}/read"), "").await.expect(200).body["data"].take()
    }
}

#[tokio::test]
async fn several_statuses_are_listed_together_in_both_orders() {
    let app = TestApp::new().await;
    let first = app.send_text(CUSTOMER).await.expect(200).data()["id"].as_str().unwrap().to_owned();
    let canceled = app.queue_text(json!({})).await;
    app.request("POST", &format!("/api/messages/{canceled}/cancel"), "").await.expect(200);
    let queued = app.queue_text(json!({"send_at": "2026-01-01T05:00:00Z"})).await;
    let second = app.send_text(CUSTOMER).await.expect(200).data()["id"].as_str().unwrap().to_owned();
    let mut all = vec![second.clone(), queued.clone(), canceled.clone(), first.clone()];
    assert_eq!(app.list("status=canceled,sent,queued").await, all);
    assert_eq!(app.list("status=canceled,queued").await, [queued.clone(), canceled.clone()]);
    assert_eq!(app.list("status=sent,%20sent").await, [second, first]);
    assert_eq!(app.list("status=failed,expired").await, Vec::<String>::new());
    all.reverse();
    assert_eq!(app.list("status=canceled,sent,queued&order=asc").await, all);
    assert_eq!(app.list("direction=outbound&order=asc").await, all);

    let refused = app.get("/api/messages?status=sent,cancelled,pendign").await.expect(400);
    assert_eq!(refused.pointers(), ["/status", "/status"]);
    assert!(refused.reasons().contains("unknown status `cancelled`; did you mean `canceled`?"));
    assert_eq!(app.get("/api/messages?order=up").await.expect(400).pointers(), ["/order"]);
    let page = app.get("/api/messages?per_page=1").await.expect(200);
    let cursor = page.data()["next_cursor"].as_str().unwrap().to_owned();
    let other = app.get(&format!("/api/messages?order=asc&cursor={cursor}")).await.expect(400);
    assert_eq!(other.pointers(), ["/cursor"]);
}

#[tokio::test]
async fn the_contact_is_an_id_or_a_number() {
    let app = TestApp::new().await;
    app.customer_writes(MAYA, "Hi").await;
    // Brazil's numbers have two spellings.
    app.customer_writes("+5511987654321", "Oi").await;
    let found = app.get("/api/contacts?phone_number=447700900111").await.expect(200);
    let id = found.data()["contacts"][0]["id"].as_str().unwrap().to_owned();
    let expected = app.list(&format!("contact={id}")).await;
    assert_eq!(expected.len(), 1);
    for number in ["%2B447700900111", "+447700900111", "447700900111", "%2B44%207700%20900-111"] {
        assert_eq!(app.list(&format!("contact={number}")).await, expected, "{number}");
    }
    assert_eq!(app.list("contact=551187654321").await.len(), 1);
    assert_eq!(app.list("contact=447700900999").await, Vec::<String>::new());
    let refused = app.get("/api/messages?contact=maya").await.expect(400);
    assert_eq!(refused.pointers(), ["/contact"]);
    assert!(refused.reasons().starts_with("must be the id or the phone number of a contact"));
}

#[tokio::test]
async fn messages_that_changed_since_a_time_are_listed() {
    let app = TestApp::new().await;
    let old = app.send_text(CUSTOMER).await.expect(200).data()["id"].as_str().unwrap().to_owned();
    let wamid = app.customer_writes(MAYA, "Hi").await;
    let inbound = app.message(&wamid).await["id"].as_str().unwrap().to_owned();
    app.advance(1800);
    let recent = app.send_text(CUSTOMER).await.expect(200).data()["id"].as_str().unwrap().to_owned();
    let since = |seconds: i64| {
        let at = app.deps.now() - jiff::SignedDuration::from_secs(seconds);
        format!("updated_since={at}")
    };
    assert_eq!(app.list(&since(60)).await, std::slice::from_ref(&recent));
    assert_eq!(app.list(&since(1800)).await.len(), 4);
    // Long after their creation, an old message is reported as read, and another one is marked as read.
    app.advance(2 * 86_400);
    app.step().await;
    assert_eq!(app.list(&since(60)).await, [recent.clone(), old.clone()]);
    app.advance(100);
    app.mark_read(&wamid).await;
    assert_eq!(app.list(&since(60)).await, std::slice::from_ref(&inbound));
    assert_eq!(app.list(&format!("{}&order=asc", since(200))).await, [old.clone(), inbound, recent.clone()]);
    assert_eq!(app.list(&format!("{}&direction=outbound", since(200))).await, [recent, old]);
    assert_eq!(app.list(&since(-60)).await, Vec::<String>::new());
    app.get("/api/messages?updated_since=yesterday").await.expect(400);
}

#[tokio::test]
async fn scheduled_messages_are_listed_until_they_leave() {
    let app = TestApp::new().await;
    let now = app.queue_text(json!({})).await;
    let later = app.queue_text(json!({"send_at": "2026-01-01T05:00:00Z"})).await;
    assert_eq!(app.list("scheduled=true").await, std::slice::from_ref(&later));
    assert_eq!(app.list("scheduled=false&direction=outbound").await, std::slice::from_ref(&now));
    let listed = app.get("/api/messages?scheduled=true").await.expect(200);
    let shown = &listed.data()["messages"][0]["send_at"];
    let at: jiff::Timestamp = shown.as_str().unwrap().parse().unwrap();
    assert_eq!(at, "2026-01-01T05:00:00Z".parse().unwrap());
    app.tick_queue().await;
    app.advance(5 * 3600);
    app.tick_queue().await;
    assert_eq!(app.list("scheduled=true").await, Vec::<String>::new());
    assert_eq!(app.list("scheduled=false&direction=outbound").await, [later.clone(), now.clone()]);
    // The time stays visible. A message without one has none.
    assert_eq!(&app.message(&later).await["send_at"], shown);
    assert!(app.message(&now).await.get("send_at").is_none());
    app.get("/api/messages?scheduled=yes").await.expect(400);
}

#[tokio::test]
async fn a_mark_as_read_is_stored_for_the_message_and_earlier_ones_of_its_conversation() {
    let app = TestApp::new().await;
    let clinic = app.add_second_account().await;
    let first = app.customer_writes(MAYA, "one").await;
    app.advance(1);
    let second = app.customer_writes(MAYA, "two").await;
    app.advance(1);
    let third = app.customer_writes(MAYA, "three").await;
    let of_customer = app.customer_writes(CUSTOMER, "other").await;
    let to_clinic = app
        .inbound(&InboundMessage {
            account: Some(app.sim.accounts()[1].phone_number_id.clone()),
            ..InboundMessage::text(MAYA, "elsewhere")
        })
        .await;
    assert_eq!(app.message(&to_clinic).await["whatsapp_account_id"], clinic.to_string());
    // The fixture has one more message of the customer.
    assert_eq!(app.list("unread=true").await.len(), 6);
    assert_eq!(app.message(&second).await["read_at"], Value::Null);
    app.advance(10);

    let marked = app.mark_read(&second).await;
    assert_eq!((&marked["message_id"], &marked["status"]), (&json!(second), &json!("read")));
    let read_at = marked["read_at"].clone();
    assert_eq!(read_at.as_str().unwrap().parse::<jiff::Timestamp>().unwrap(), app.deps.now());
    for (wamid, expected) in [
        (&first, &read_at),
        (&second, &read_at),
        (&third, &Value::Null),
        (&of_customer, &Value::Null),
        (&to_clinic, &Value::Null),
    ] {
        let message = app.message(wamid).await;
        assert_eq!(&message["read_at"], expected, "{wamid}");
        assert_eq!(message["status"], "received");
    }
    assert_eq!(app.list("unread=false").await.len(), 2);
    assert_eq!(app.list("unread=true&contact=447700900111").await.len(), 2);
    assert_eq!(app.list("unread=true&order=asc").await.len(), 4);

    // The time of the first mark stays.
    app.advance(5);
    assert_eq!(app.mark_read(&second).await["read_at"], read_at);
    assert_eq!(app.message(&first).await["read_at"], read_at);
    app.mark_read(&third).await;
    assert_eq!(app.list("unread=true&contact=447700900111").await.len(), 1);
}

#[tokio::test]
async fn a_mark_that_meta_refuses_is_not_stored() {
    let app = TestApp::new().await;
    let wamid = app.customer_writes(MAYA, "one").await;
    let answer = sim::FaultAnswer {
        status: Some(400),
        body: Some(json!({"error": {"message": "(#100) Invalid parameter", "code": 100}})),
        ..sim::FaultAnswer::default()
    };
    app.sim.fail(sim::Fault::on("/messages", sim::FaultAction::Status(answer)));
    let id: String = url::form_urlencoded::byte_serialize(wamid.as_bytes()).collect();
    app.request("POST", &format!("/api/messages/{id}/read"), "").await.expect(400);
    assert_eq!(app.message(&wamid).await["read_at"], Value::Null);
    app.mark_read(&wamid).await;
    assert!(app.message(&wamid).await["read_at"].is_string());
}
