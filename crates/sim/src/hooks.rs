//! Webhooks: who gets an update, the body in Meta's form, the retries.
//!
//! **Invariant:** a webhook's signature is made over the exact bytes that leave; only an answer of HTTP 200
//! acknowledges it, anything else is tried again for seven days.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::Serialize;
use serde_json::{Value, json};

use crate::clock::{DAY, HOUR, SECOND, seconds};
use crate::ids;
use crate::journal::{Hook, Record, WebhookAttempt};
use crate::settings::Escape;
use crate::state::State;

/// Time for which a webhook is retried.
const TRIED_FOR: i64 = 7 * DAY;
/// Time for which a webhook that is being delivered is not attempted again.
const CLAIMED_FOR: i64 = 120 * SECOND;
/// The most bytes of one webhook.
const MOST_BYTES: usize = 3_000_000;
/// The most updates of one webhook.
pub(crate) const MOST_UPDATES: usize = 1_000;

/// A signed webhook, ready to be handed to its receiver.
#[derive(Clone, Debug)]
pub struct Webhook {
    /// Counts webhooks; a redelivery by retry keeps it.
    pub id: u64,
    /// The app that signed it.
    pub app_id: String,
    /// Address of the callback; empty if the app has none.
    pub url: String,
    /// All headers that the receiver needs.
    pub headers: Vec<(String, String)>,
    /// The exact bytes that were signed.
    pub body: Bytes,
    /// The value of `X-Hub-Signature-256`.
    pub signature: String,
}

impl Webhook {
    /// The body, parsed.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

/// One thing that happened, for whoever is subscribed to it.
#[derive(Clone, Debug)]
pub(crate) struct Update {
    pub(crate) waba_id: String,
    /// The number that it is about, for the routing of `messages`.
    pub(crate) number_id: Option<String>,
    pub(crate) field: String,
    pub(crate) value: Value,
    /// The status's conversation: for versions up to 23, or for all when it is in a free entry point window.
    pub(crate) conversation: Option<(Value, bool)>,
}

impl State {
    /// Makes the webhooks of some updates.
    pub(crate) fn emit(&mut self, updates: &[Update]) {
        let mut changes: BTreeMap<(String, String), Vec<(String, Value)>> = BTreeMap::new();
        for update in updates {
            let Some(waba) = self.wabas.get(&update.waba_id) else { continue };
            for (app_id, waba_url) in &waba.subscriptions {
                let Some(app) = self.apps.get(app_id) else { continue };
                if app.fields.as_ref().is_some_and(|fields| !fields.contains(&update.field)) {
                    continue;
                }
                let own = app.callback_url.as_ref().or(self.env.callback_url.as_ref());
                let number = update.number_id.as_ref().and_then(|id| self.numbers.get(id));
                let number_url = number
                    .and_then(|number| number.callback.as_ref())
                    .filter(|callback| callback.app_id == *app_id)
                    .map(|callback| &callback.url);
                let url =
                    if update.field == "messages" { number_url.or(waba_url.as_ref()).or(own) } else { own };
                let url = url.cloned().unwrap_or_default();
                let value = versioned(update, self.webhook_version(app_id));
                let change = json!({"field": update.field, "value": value});
                changes.entry((app_id.clone(), url)).or_default().push((update.waba_id.clone(), change));
            }
        }
        let batch = usize::try_from(self.settings.batch).unwrap_or(1).clamp(1, MOST_UPDATES);
        for ((app_id, url), changes) in changes {
            for changes in changes.chunks(batch) {
                self.push_hook(&app_id, &url, changes);
            }
        }
    }

    /// Queues one webhook with these changes.
    fn push_hook(&mut self, app_id: &str, url: &str, changes: &[(String, Value)]) {
        let body = envelope(changes, seconds(self.env.now));
        let body = write(&body, self.settings.escape);
        if body.len() > MOST_BYTES && changes.len() > 1 {
            let (left, right) = changes.split_at(changes.len() / 2);
            self.push_hook(app_id, url, left);
            self.push_hook(app_id, url, right);
            return;
        }
        self.push_body(app_id, url, body, false);
    }

    /// Queues one webhook with a body that is already written.
    pub(crate) fn push_body(&mut self, app_id: &str, url: &str, body: String, is_copy: bool) {
        self.next += 1;
        let hook = Hook {
            id: self.next,
            app_id: app_id.to_owned(),
            url: url.to_owned(),
            body,
            created_at: self.env.now,
            tries: Vec::new(),
            next_at: Some(self.env.now),
            is_acknowledged: false,
            is_copy,
        };
        self.journal.put(Record::Hook(Box::new(hook)), self.env.is_kept);
    }

    /// The webhooks that are to be tried now, oldest first; they are left alone until they are [settled](Self::tried).
    pub(crate) fn claim_hooks(&mut self, most: usize) -> Vec<Webhook> {
        let now = self.env.now;
        let due: Vec<u64> = self
            .journal
            .waiting
            .iter()
            .take_while(|(at, _)| *at <= now)
            .take(most)
            .map(|(_, id)| *id)
            .collect();
        let mut webhooks = Vec::new();
        for id in due {
            let Some(hook) = self.journal.hooks.get(&id) else { continue };
            webhooks.push(self.signed(hook));
            let tries = hook.tries.clone();
            // Only in memory: after a restart it is simply due again.
            self.journal.apply(Record::Tried {
                id,
                tries,
                next_at: Some(now + CLAIMED_FOR),
                is_acknowledged: false,
            });
        }
        webhooks
    }

    /// Notes what came of a try, and when the next one is.
    pub(crate) fn tried(&mut self, id: u64, status: Option<u16>, error: Option<String>) {
        let now = self.env.now;
        let Some(hook) = self.journal.hooks.get(&id) else { return };
        let mut tries = hook.tries.clone();
        tries.push(WebhookAttempt { at: now, status, error });
        let is_acknowledged = status == Some(200);
        // The second try follows at once, each further one after twice the time.
        let wait = match u32::try_from(tries.len()).unwrap_or(u32::MAX) {
            0 | 1 => 0,
            n => i64::from(self.settings.retry_ms).saturating_mul(1 << (n - 2).min(32)).clamp(0, HOUR),
        };
        let next_at = Some(now + wait).filter(|at| !is_acknowledged && *at <= hook.created_at + TRIED_FOR);
        self.journal.put(Record::Tried { id, tries, next_at, is_acknowledged }, self.env.is_kept);
    }

    /// Gives a webhook up.
    pub(crate) fn give_up(&mut self, id: u64, why: &str) {
        let Some(hook) = self.journal.hooks.get(&id) else { return };
        let mut tries = hook.tries.clone();
        tries.push(WebhookAttempt { at: self.env.now, status: None, error: Some(why.to_owned()) });
        let record = Record::Tried { id, tries, next_at: None, is_acknowledged: false };
        self.journal.put(record, self.env.is_kept);
    }

    /// Sends the webhooks that still wait for an earlier default callback to the present one.
    pub(crate) fn redirect_hooks(&mut self, present: Option<&String>) {
        let earlier = std::mem::replace(&mut self.last_callback, present.cloned());
        let (Some(earlier), Some(present)) = (earlier, present) else { return };
        if earlier == *present {
            return;
        }
        let waiting =
            self.journal.hooks.values().filter(|hook| hook.next_at.is_some() && hook.url == earlier);
        let moved: Vec<Hook> = waiting.map(|hook| Hook { url: present.clone(), ..hook.clone() }).collect();
        for hook in moved {
            self.journal.put(Record::Hook(Box::new(hook)), self.env.is_kept);
        }
    }

    /// Hands out every waiting webhook for good.
    pub(crate) fn take_hooks(&mut self) -> Vec<Webhook> {
        let waiting: Vec<u64> = self.journal.waiting.iter().map(|(_, id)| *id).collect();
        let mut webhooks = Vec::new();
        for id in waiting {
            let Some(hook) = self.journal.hooks.get(&id) else { continue };
            webhooks.push(self.signed(hook));
            let mut tries = hook.tries.clone();
            tries.push(WebhookAttempt {
                at: self.env.now,
                status: None,
                error: Some("taken by a test".to_owned()),
            });
            let record = Record::Tried { id, tries, next_at: None, is_acknowledged: true };
            self.journal.put(record, self.env.is_kept);
        }
        webhooks.sort_by_key(|webhook| webhook.id);
        webhooks
    }

    fn signed(&self, hook: &Hook) -> Webhook {
        let secret = self.apps.get(&hook.app_id).map_or("", |app| &app.secret);
        let signature = format!("sha256={}", ids::hmac_hex(secret, hook.body.as_bytes()));
        let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        Webhook {
            id: hook.id,
            app_id: hook.app_id.clone(),
            url: hook.url.clone(),
            headers: vec![
                header("content-type", "application/json"),
                header("user-agent", "facebookexternalua"),
                header("x-hub-signature-256", &signature),
            ],
            body: Bytes::from(hook.body.clone()),
            signature,
        }
    }
}

fn versioned(update: &Update, version: u32) -> Value {
    let mut value = update.value.clone();
    if let Some((conversation, is_always)) = &update.conversation
        && (*is_always || version <= 23)
        && let Some(status) = value.get_mut("statuses").and_then(|list| list.get_mut(0))
        && let Some(status) = status.as_object_mut()
    {
        status.insert("conversation".to_owned(), conversation.clone());
    }
    value
}

/// Changes as one body: neighbours of one WABA share an entry; management fields carry the time.
pub(crate) fn envelope(changes: &[(String, Value)], time: i64) -> Value {
    let mut entries: Vec<(String, bool, Vec<Value>)> = Vec::new();
    for (waba_id, change) in changes {
        let is_messages = change.get("field").and_then(Value::as_str) == Some("messages");
        match entries.last_mut() {
            Some((id, is_same, list)) if id == waba_id && *is_same == is_messages => {
                list.push(change.clone());
            }
            _ => entries.push((waba_id.clone(), is_messages, vec![change.clone()])),
        }
    }
    let entries: Vec<Value> = entries
        .into_iter()
        .map(|(id, is_messages, changes)| {
            if is_messages {
                json!({"id": id, "changes": changes})
            } else {
                json!({"id": id, "time": time, "changes": changes})
            }
        })
        .collect();
    json!({"object": "whatsapp_business_account", "entry": entries})
}

/// A body as text.
pub(crate) fn write(body: &impl Serialize, escape: Escape) -> String {
    let plain = serde_json::to_string(body).unwrap_or_default();
    if escape == Escape::Plain {
        return plain;
    }
    let mut escaped = String::with_capacity(plain.len() + plain.len() / 8);
    let mut units = [0_u16; 2];
    for letter in plain.chars() {
        match letter {
            '/' => escaped.push_str("\\/"),
            '@' => escaped.push_str("\\u0040"),
            letter if letter.is_ascii() => escaped.push(letter),
            letter => {
                for unit in letter.encode_utf16(&mut units) {
                    escaped.push_str(&format!("\\u{unit:04x}"));
                }
            }
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn bodies_are_escaped_as_meta_does() {
        let body = json!({"text": "Zoë 👍 a@b.example https://x/y \"q\" \u{7}"});
        assert_eq!(
            write(&body, Escape::Meta),
            r#"{"text":"Zo\u00eb \ud83d\udc4d a\u0040b.example https:\/\/x\/y \"q\" \u0007"}"#
        );
        assert!(write(&body, Escape::Plain).contains("Zoë 👍 a@b.example https://x/y"));
    }

    proptest! {
        #[test]
        fn escaping_changes_the_bytes_and_not_the_value(text in "\\PC*") {
            let body = json!({"text": text});
            let written = write(&body, Escape::Meta);
            prop_assert!(written.is_ascii());
            prop_assert_eq!(serde_json::from_str::<Value>(&written).unwrap(), body);
        }
    }
}
