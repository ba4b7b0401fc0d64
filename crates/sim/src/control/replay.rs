//! Webhooks again: shuffled, doubled, batched, or made up by a test; and the log of them.
//!
//! **Invariant:** a redelivery repeats updates and never changes one.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::clock::seconds;
use crate::hooks::{MOST_UPDATES, envelope, write};
use crate::journal::Hook;
use crate::state::State;
use crate::{clock, ids};

/// The most updates of one redelivery.
const MOST: usize = 200_000;

/// In which order past updates are sent again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// As they came.
    #[default]
    Original,
    /// The last one first.
    Reversed,
    /// In a random order that depends on the seed.
    Shuffled,
}

/// A wish to get past webhooks again.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Redelivery {
    /// The order.
    pub order: Order,
    /// Number of times that each update is sent; 1 when absent.
    pub times: Option<usize>,
    /// Number of updates per webhook, up to 1000; 1 when absent.
    pub batch: Option<usize>,
    /// Only updates that mention this message id.
    pub message_id: Option<String>,
}

impl State {
    /// Queues past updates again; gives back how many webhooks and updates.
    pub(crate) fn redeliver(&mut self, wish: &Redelivery) -> Result<(usize, usize), String> {
        let (times, batch) = (wish.times.unwrap_or(1), wish.batch.unwrap_or(1));
        if !(1..=1_000).contains(&times) {
            return Err("times: must be between 1 and 1000".to_owned());
        }
        if !(1..=MOST_UPDATES).contains(&batch) {
            return Err(format!("batch: must be between 1 and {MOST_UPDATES}"));
        }
        let mut updates: BTreeMap<(String, String), Vec<(String, Value)>> = BTreeMap::new();
        for hook in self.journal.hooks.values().filter(|hook| !hook.is_copy) {
            let changes = changes_of(hook);
            let list = updates.entry((hook.app_id.clone(), hook.url.clone())).or_default();
            list.extend(changes.into_iter().filter(|(_, change)| {
                wish.message_id.as_ref().is_none_or(|id| change.to_string().contains(id.as_str()))
            }));
        }
        let n_updates = updates.values().map(Vec::len).sum::<usize>() * times;
        if n_updates > MOST {
            return Err(format!("that would be {n_updates} updates, more than {MOST}"));
        }
        let mut n_webhooks = 0;
        for ((app_id, url), list) in updates {
            let mut list: Vec<(String, Value)> = std::iter::repeat_n(list, times).flatten().collect();
            match wish.order {
                Order::Original => {}
                Order::Reversed => list.reverse(),
                Order::Shuffled => self.shuffle(&mut list),
            }
            for changes in list.chunks(batch) {
                let body = write(&envelope(changes, seconds(self.env.now)), self.settings.escape);
                self.push_body(&app_id, &url, body, true);
                n_webhooks += 1;
            }
        }
        Ok((n_webhooks, n_updates))
    }

    fn shuffle<T>(&mut self, list: &mut [T]) {
        for last in (1..list.len()).rev() {
            let random = ids::number_of(&self.mint("shuffle"));
            let other = random % u64::try_from(last + 1).unwrap_or(1);
            list.swap(last, usize::try_from(other).unwrap_or(0));
        }
    }

    /// Queues a webhook that a test made up: a whole body, a text that need not be JSON, or one change.
    pub(crate) fn push_raw(
        &mut self,
        waba_id: &str,
        body: Option<Value>,
        text: Option<String>,
        change: Option<(String, Value)>,
    ) -> Result<(), String> {
        let escape = self.settings.escape;
        let written = match (body, text, change) {
            (Some(body), None, None) => write(&body, escape),
            (None, Some(text), None) => text,
            (None, None, Some((field, value))) => {
                let change = json!({"field": field, "value": value});
                write(&envelope(&[(waba_id.to_owned(), change)], seconds(self.env.now)), escape)
            }
            _ => return Err("give either body, or text, or field and value".to_owned()),
        };
        let app_ids: Vec<String> = self
            .wabas
            .get(waba_id)
            .map(|waba| waba.subscriptions.keys().cloned().collect())
            .unwrap_or_default();
        for app_id in app_ids {
            let app = self.apps.get(&app_id);
            let url = app.and_then(|app| app.callback_url.clone()).or_else(|| self.env.callback_url.clone());
            self.push_body(&app_id, &url.unwrap_or_default(), written.clone(), false);
        }
        Ok(())
    }

    /// The log of webhooks.
    pub(crate) fn hook_log(&self, pending: Option<bool>) -> Value {
        let rows: Vec<Value> = self
            .journal
            .hooks
            .values()
            .filter(|hook| pending.is_none_or(|pending| hook.next_at.is_some() == pending))
            .map(|hook| {
                let tries: Vec<Value> = hook
                    .tries
                    .iter()
                    .map(|one| json!({"at": clock::text(one.at), "status": one.status, "error": one.error}))
                    .collect();
                json!({
                    "id": hook.id,
                    "app_id": hook.app_id,
                    "url": hook.url,
                    "created_at": clock::text(hook.created_at),
                    "acknowledged": hook.is_acknowledged,
                    "next_try_at": hook.next_at.map(clock::text),
                    "tries": tries,
                    "body": serde_json::from_str::<Value>(&hook.body).unwrap_or_else(|_| json!(hook.body)),
                })
            })
            .collect();
        Value::Array(rows)
    }
}

/// The changes of a webhook, each with its WABA.
fn changes_of(hook: &Hook) -> Vec<(String, Value)> {
    let body: Value = serde_json::from_str(&hook.body).unwrap_or_default();
    let list =
        |value: &Value, key: &str| value.get(key).and_then(Value::as_array).cloned().unwrap_or_default();
    list(&body, "entry")
        .iter()
        .flat_map(|entry| {
            let id = entry.get("id").and_then(Value::as_str).unwrap_or_default().to_owned();
            list(entry, "changes").into_iter().map(move |change| (id.clone(), change))
        })
        .collect()
}
