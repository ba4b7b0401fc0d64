//! What Meta posts, written as Meta writes it, and what is told of it.

use engine::ports::{EventFilter, EventStart};
use serde_json::{Value, json};

use crate::support::TestApp;

/// When the clock of a test starts: Meta's times are given from there.
pub(crate) const START: i64 = 1_767_225_600;

/// An envelope around one change of the first account's WhatsApp Business Account.
pub(crate) fn envelope(app: &TestApp, time: Option<i64>, changes: &[Value]) -> Value {
    let mut entry = json!({"id": app.seeded.waba_id, "changes": changes});
    if let Some(time) = time {
        entry["time"] = json!(START + time);
    }
    json!({"object": "whatsapp_business_account", "entry": [entry]})
}

/// A change's value of the first account's number, with these members beside the usual ones.
pub(crate) fn value(app: &TestApp, members: &Value) -> Value {
    let mut value = json!({
        "messaging_product": "whatsapp",
        "metadata": {"display_phone_number": "15550109999", "phone_number_id": app.seeded.phone_number_id},
    });
    for (name, member) in members.as_object().unwrap() {
        value[name] = member.clone();
    }
    value
}

/// A text of a customer.
pub(crate) fn text(wamid: &str, from: &str, at: i64) -> Value {
    json!({"from": from, "id": wamid, "timestamp": (START + at).to_string(), "type": "text", "text": {"body": "Hi"}})
}

/// A wish about marketing.
pub(crate) fn wish(wa_id: &str, value: &str, at: i64) -> Value {
    json!({"wa_id": wa_id, "detail": "-", "category": "marketing_messages", "value": value, "timestamp": START + at})
}

impl TestApp {
    /// Meta posts one change that says when it happened.
    pub(crate) async fn meta_says(&self, field: &str, time: i64, value: Value) {
        let body = envelope(self, Some(time), &[json!({"field": field, "value": value})]);
        self.post_signed(&self.seeded.app_secret, body.to_string()).await.expect(200);
    }

    /// Meta posts a change of the number, with these members in its value.
    pub(crate) async fn meta_tells(&self, field: &str, members: Value) {
        let change = json!({"field": field, "value": value(self, &members)});
        let body = envelope(self, None, &[change]);
        self.post_signed(&self.seeded.app_secret, body.to_string()).await.expect(200);
    }

    /// Customers write, or Meta tells of them.
    pub(crate) async fn heard(&self, messages: &[Value]) {
        self.meta_tells("messages", json!({"messages": messages})).await;
    }

    /// All events so far: kind and data.
    pub(crate) async fn told(&self) -> Vec<(String, Value)> {
        let filter = EventFilter::default();
        let page = self.deps.events.list_events(self.workspace, &filter, EventStart::Oldest, 100_000).await;
        let events = page.unwrap().unwrap().events;
        let read = |event: engine::ports::StoredEvent| {
            (event.kind.to_string(), serde_json::from_str(&event.data).unwrap())
        };
        events.into_iter().map(read).collect()
    }

    /// The data of all events of a kind so far.
    pub(crate) async fn told_of(&self, kind: &str) -> Vec<Value> {
        self.told().await.into_iter().filter(|(found, _)| found == kind).map(|(_, data)| data).collect()
    }

    /// The contacts, oldest first.
    pub(crate) async fn people(&self) -> Vec<Value> {
        let mut listed = self.get("/api/contacts?per_page=200").await.expect(200);
        let mut people: Vec<Value> = serde_json::from_value(listed.body["data"]["contacts"].take()).unwrap();
        people.reverse();
        people
    }

    /// The contact with this number.
    pub(crate) async fn person(&self, number: &str) -> Value {
        let people = self.people().await;
        people.into_iter().find(|person| person["phone_number"] == number).unwrap_or_default()
    }

    /// The first account.
    pub(crate) async fn shown_account(&self) -> Value {
        self.get("/api/accounts/sandbox").await.expect(200).body["data"].take()
    }
}
