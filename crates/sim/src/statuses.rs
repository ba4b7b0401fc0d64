//! The progress of accepted messages: due statuses, and the webhooks that report them.
//!
//! **Invariant:** the planned statuses of a message are reported in their order, each once. A status that a test
//! reports by hand is reported as requested.

use serde_json::{Map, Value, json};

use crate::clock::{DAY, seconds};
use crate::error::webhook_error;
use crate::hooks::Update;
use crate::ids;
use crate::journal::{Message, Planned, Record, Status};
use crate::state::State;

/// A status to report by hand.
#[derive(Clone, Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StatusReport {
    /// The message's `wamid`.
    pub message_id: String,
    /// Status to report.
    pub status: Status,
    /// The code of a failure; 131000 when nothing is said.
    #[serde(default)]
    pub code: Option<i64>,
    /// The whole `errors` array of a failure, instead of a code.
    #[serde(default)]
    pub errors: Option<Value>,
    /// Unix seconds; now when nothing is said.
    #[serde(default)]
    pub timestamp: Option<i64>,
}

impl StatusReport {
    /// A report with nothing but the status.
    pub fn of(message_id: &str, status: Status) -> Self {
        Self { message_id: message_id.to_owned(), status, code: None, errors: None, timestamp: None }
    }
}

/// Planned statuses that a step reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Those whose time has come.
    Due,
    /// The next one of each message, whatever its time.
    Next,
    /// All of them.
    All,
}

impl State {
    /// Reports planned statuses; gives back how many.
    pub(crate) fn step_statuses(&mut self, step: Step) -> usize {
        let mut n = 0;
        let mut updates = Vec::new();
        if step == Step::Next {
            let messages: Vec<u64> = self.journal.due.iter().map(|(_, seq)| *seq).collect();
            updates.extend(messages.into_iter().filter_map(|seq| self.progress(seq)));
            n = updates.len();
        } else {
            while let Some((at, seq)) = self.journal.due.first().copied() {
                if step == Step::Due && at > self.env.now {
                    break;
                }
                let Some(update) = self.progress(seq) else { break };
                updates.push(update);
                n += 1;
            }
        }
        self.emit(&updates);
        n
    }

    /// Takes the next planned status of a message.
    fn progress(&mut self, seq: u64) -> Option<Update> {
        let Some(message) = self.journal.messages.get(&seq) else {
            self.journal.due.retain(|(_, other)| *other != seq);
            return None;
        };
        let mut plan = message.plan.clone();
        let planned = plan.pop_front()?;
        let errors = planned.code.map(|code| json!([webhook_error(code, None)]));
        let at = planned.at.min(self.env.now).max(message.accepted_at);
        let update = self.status_update(message, planned.status, seconds(at), errors.as_ref());
        let status = merged(message.status, planned.status);
        let errors = errors.or_else(|| message.errors.clone());
        let record = Record::Progress { seq, status, plan, errors };
        self.journal.put(record, self.env.is_kept);
        update
    }

    /// Reports one status by hand. `None` when the message is unknown.
    pub(crate) fn report(&mut self, report: &StatusReport) -> Option<()> {
        let message = self.journal.message(&report.message_id)?;
        let errors = match (&report.errors, report.status) {
            (Some(errors), _) => Some(errors.clone()),
            (None, Status::Failed) => Some(json!([webhook_error(report.code.unwrap_or(131_000), None)])),
            (None, _) => None,
        };
        let at = report.timestamp.unwrap_or_else(|| seconds(self.env.now));
        let update = self.status_update(message, report.status, at, errors.as_ref());
        // What the report has overtaken is not reported any more.
        let is_open = |planned: &Planned| report.status != Status::Failed && planned.status > report.status;
        let plan = message.plan.iter().filter(|planned| is_open(planned)).cloned().collect();
        let seq = message.seq;
        let status = merged(message.status, report.status);
        let errors = errors.or_else(|| message.errors.clone());
        self.journal.put(Record::Progress { seq, status, plan, errors }, self.env.is_kept);
        if let Some(update) = update {
            self.emit(&[update]);
        }
        Some(())
    }

    /// The webhook update of a status.
    fn status_update(
        &self,
        message: &Message,
        status: Status,
        timestamp: i64,
        errors: Option<&Value>,
    ) -> Option<Update> {
        let number = self.numbers.get(&message.number_id)?;
        let mut object = Map::new();
        let mut put = |key: &str, value: Value| object.insert(key.to_owned(), value);
        put("id", json!(message.id));
        put("status", json!(status.word()));
        put("timestamp", json!(timestamp.to_string()));
        if let Some(wa_id) = &message.wa_id {
            put("recipient_id", json!(wa_id));
        }
        if let Some(user_id) = message.user_id.as_ref().filter(|_| self.settings.user_ids) {
            put("recipient_user_id", json!(user_id));
        }
        if let Some(reference) = &message.reference {
            put("biz_opaque_callback_data", json!(reference));
        }
        let pricing = &message.pricing;
        let has_pricing = matches!(status, Status::Sent | Status::Delivered);
        if has_pricing {
            put(
                "pricing",
                json!({"billable": pricing.is_billable, "pricing_model": "PMP",
                       "type": pricing.kind, "category": pricing.category}),
            );
        }
        if let Some(errors) = errors {
            put("errors", errors.clone());
        }
        let conversation = has_pricing.then(|| (conversation(message, status), pricing.free_until.is_some()));
        let mut value = json!({
            "messaging_product": "whatsapp",
            "metadata": {"display_phone_number": number.digits, "phone_number_id": number.id},
        });
        if let Some(value) = value.as_object_mut() {
            if self.settings.user_ids && status != Status::Failed {
                value.insert("contacts".to_owned(), json!([self.contact(&message.person, message)]));
            }
            value.insert("statuses".to_owned(), json!([object]));
        }
        Some(Update {
            waba_id: number.waba_id.clone(),
            number_id: Some(number.id.clone()),
            field: "messages".to_owned(),
            value,
            conversation,
        })
    }

    fn contact(&self, person: &str, message: &Message) -> Value {
        let mut contact = Map::new();
        if let Some(name) = self.journal.people.get(person).and_then(|person| person.name.as_ref()) {
            contact.insert("profile".to_owned(), json!({"name": name}));
        }
        if let Some(wa_id) = &message.wa_id {
            contact.insert("wa_id".to_owned(), json!(wa_id));
        }
        if let Some(user_id) = &message.user_id {
            contact.insert("user_id".to_owned(), json!(user_id));
        }
        Value::Object(contact)
    }
}

/// One conversation per message, as versions up to 23 show it.
fn conversation(message: &Message, status: Status) -> Value {
    let id: String = ids::hex(&ids::sha256(message.id.as_bytes())).chars().take(32).collect();
    let mut conversation = json!({"id": id, "origin": {"type": message.pricing.category}});
    if status == Status::Sent
        && let Some(conversation) = conversation.as_object_mut()
    {
        let ends_at = message.pricing.free_until.unwrap_or(message.accepted_at + DAY);
        conversation.insert("expiration_timestamp".to_owned(), json!(seconds(ends_at).to_string()));
    }
    conversation
}

/// The higher of two statuses; a failure stays until the message has arrived after all.
fn merged(known: Status, reported: Status) -> Status {
    known.max(reported)
}
