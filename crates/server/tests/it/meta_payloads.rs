//! Webhook payloads as Meta writes them, and the events that they cause.

use engine::ports::{EventFilter, EventStart};
use serde_json::{Value, json};

use crate::support::TestApp;

/// Unix time at which the clock of a test starts.
pub(crate) const START: i64 = 1_767_225_600;

/// Returns a payload with changes of the first account's WhatsApp Business Account.
pub(crate) fn envelope(app: &TestApp, time: Option<i64>, changes: &[Value]) -> Value {
    let mut entry = json!({"id": app.seeded.waba_id, "changes": changes});
    if let Some(time) = time {
        entry["time"] = json!(START + time);
    }
    json!({"object": "whatsapp_business_account", "entry": [entry]})
}

/// Returns the value of a change of the first account's number, with additional members.
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

/// Returns a text message of a customer.
pub(crate) fn text(wamid: &str, from: &str, at: i64) -> Value {
    json!({"from": from, "id": wamid, "timestamp": (START + at).to_string(), "type": "text", "text": {"body": "Hi"}})
}

/// Returns an opt-out signal about marketing messages.
pub(crate) fn opt_out_signal(wa_id: &str, value: &str, at: i64) -> Value {
    json!({"wa_id": wa_id, "detail": "-", "category": "marketing_messages", "value": value, "timestamp": START + at})
}

impl TestApp {
    /// Delivers a webhook with one change of the WhatsApp Business Account and its time.
    pub(crate) async fn deliver_account_webhook(&self, field: &str, time: i64, value: Value) {
        let body = envelope(self, Some(time), &[json!({"field": field, "value": value})]);
        self.post_signed(&self.seeded.app_secret, body.to_string()).await.expect(200);
    }

    /// Delivers a webhook with one change of the phone number.
    pub(crate) async fn deliver_number_webhook(&self, field: &str, members: Value) {
        let change = json!({"field": field, "value": value(self, &members)});
        let body = envelope(self, None, &[change]);
        self.post_signed(&self.seeded.app_secret, body.to_string()).await.expect(200);
    }

    /// Delivers a webhook with messages.
    pub(crate) async fn receive_messages(&self, messages: &[Value]) {
        self.deliver_number_webhook("messages", json!({"messages": messages})).await;
    }

    /// Returns kind and data of all events.
    pub(crate) async fn all_events(&self) -> Vec<(String, Value)> {
        let filter = EventFilter::default();
        let page = self.deps.events.list_events(self.workspace, &filter, EventStart::Oldest, 100_000).await;
        let events = page.unwrap().unwrap().events;
        let read = |event: engine::ports::StoredEvent| {
            (event.kind.to_string(), serde_json::from_str(&event.data).unwrap())
        };
        events.into_iter().map(read).collect()
    }

    /// Returns the data of all events of a kind.
    pub(crate) async fn events_of_kind(&self, kind: &str) -> Vec<Value> {
        self.all_events().await.into_iter().filter(|(found, _)| found == kind).map(|(_, data)| data).collect()
    }

    /// Returns the contacts, oldest first.
    pub(crate) async fn contacts(&self) -> Vec<Value> {
        let mut listed = self.get("/api/contacts?per_page=200").await.expect(200);
        let mut contacts: Vec<Value> =
            serde_json::from_value(listed.body["data"]["contacts"].take()).unwrap();
        contacts.reverse();
        contacts
    }

    /// Returns the contact with this number.
    pub(crate) async fn contact(&self, number: &str) -> Value {
        let contacts = self.contacts().await;
        contacts.into_iter().find(|contact| contact["phone_number"] == number).unwrap_or_default()
    }

    /// Returns the first account.
    pub(crate) async fn first_account(&self) -> Value {
        self.get("/api/accounts/sandbox").await.expect(200).body["data"].take()
    }
}
