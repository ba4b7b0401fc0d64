//! Webhook endpoints of the application: events, order, retries and dead letters.

mod delivery;
mod endpoints;
mod examples;
mod failure_reasons;
mod ordering;
mod receiver_change;
mod skip;
mod subscriptions;

use serde_json::{Value, json};

use crate::support::TestApp;
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
