//! The journal of what happened: accepted messages, what customers wrote, open windows, webhooks.
//!
//! **Invariant:** every change of the journal is one [`Record`]; applying the records again in order gives the same journal,
//! and applying one twice changes nothing.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde::{Deserialize, Serialize};
use serde_json::{Value, value::RawValue};

use crate::clock::DAY;

/// The most messages that are remembered; above it the oldest ones are forgotten.
const MOST_MESSAGES: usize = 200_000;
/// The most webhooks that are remembered after they have been acknowledged.
const MOST_HOOKS: usize = 20_000;

/// Status of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Taken by the API; nothing reported yet.
    Accepted,
    /// Left Meta's servers.
    Sent,
    /// It will never arrive.
    Failed,
    /// On the customer's phone.
    Delivered,
    /// Seen by the customer.
    Read,
    /// A voice note that was listened to.
    Played,
    /// Taken back by the customer; legacy.
    Deleted,
}

impl Status {
    /// The word in webhooks.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Sent => "sent",
            Self::Failed => "failed",
            Self::Delivered => "delivered",
            Self::Read => "read",
            Self::Played => "played",
            Self::Deleted => "deleted",
        }
    }
}

/// A status that is to come.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Planned {
    pub(crate) at: i64,
    pub(crate) status: Status,
    /// The error of a failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) code: Option<i64>,
}

/// Pricing of a message, as its statuses report it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Pricing {
    pub(crate) is_billable: bool,
    pub(crate) kind: String,
    pub(crate) category: String,
    /// The end of the free entry point window that it was sent in.
    pub(crate) free_until: Option<i64>,
}

/// An accepted message.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Message {
    pub(crate) seq: u64,
    pub(crate) id: String,
    pub(crate) number_id: String,
    /// `to` or `recipient` as it was sent.
    pub(crate) input: String,
    /// The person's key: digits, or a user id when no number is known.
    pub(crate) person: String,
    pub(crate) wa_id: Option<String>,
    pub(crate) user_id: Option<String>,
    pub(crate) kind: String,
    pub(crate) body: Box<RawValue>,
    pub(crate) accepted_at: i64,
    pub(crate) status: Status,
    pub(crate) plan: VecDeque<Planned>,
    pub(crate) reference: Option<String>,
    pub(crate) pricing: Pricing,
    pub(crate) errors: Option<Value>,
}

/// A message of a customer, as far as later calls refer to it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Inbound {
    pub(crate) id: String,
    pub(crate) number_id: String,
    pub(crate) person: String,
    pub(crate) kind: String,
    pub(crate) at: i64,
    pub(crate) is_read: bool,
}

/// The windows between one number and one person.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Window {
    /// Time of the customer's last message or call.
    pub(crate) last_inbound_at: Option<i64>,
    /// Time at which the customer came through an ad, until the business answers.
    pub(crate) came_at: Option<i64>,
    /// The end of the free entry point window.
    pub(crate) free_until: Option<i64>,
}

impl Window {
    /// `true` if the customer service window is open.
    pub(crate) fn is_open(&self, now: i64) -> bool {
        self.last_inbound_at.is_some_and(|at| now < at + DAY)
    }
}

/// Known data of a customer.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Person {
    pub(crate) name: Option<String>,
}

/// One try to deliver a webhook.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct WebhookAttempt {
    pub(crate) at: i64,
    /// The HTTP status of the answer.
    pub(crate) status: Option<u16>,
    /// Reason why there was no response.
    pub(crate) error: Option<String>,
}

/// A webhook of one app.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Hook {
    pub(crate) id: u64,
    pub(crate) app_id: String,
    pub(crate) url: String,
    pub(crate) body: String,
    pub(crate) created_at: i64,
    pub(crate) tries: Vec<WebhookAttempt>,
    /// Time of the next attempt; `None` after the last.
    pub(crate) next_at: Option<i64>,
    pub(crate) is_acknowledged: bool,
    /// `true` if it repeats earlier webhooks.
    #[serde(default)]
    pub(crate) is_copy: bool,
}

/// One change of the journal.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Record {
    Message(Box<Message>),
    Progress { seq: u64, status: Status, plan: VecDeque<Planned>, errors: Option<Value> },
    Inbound(Inbound),
    Window(String, Window),
    Person(String, Person),
    UserId(String, String),
    Hook(Box<Hook>),
    Tried { id: u64, tries: Vec<WebhookAttempt>, next_at: Option<i64>, is_acknowledged: bool },
}

/// The journal.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    pub(crate) messages: BTreeMap<u64, Message>,
    pub(crate) ids: BTreeMap<String, u64>,
    pub(crate) inbound: BTreeMap<String, Inbound>,
    pub(crate) windows: BTreeMap<String, Window>,
    pub(crate) people: BTreeMap<String, Person>,
    /// Numbers by user id.
    pub(crate) user_ids: BTreeMap<String, String>,
    pub(crate) hooks: BTreeMap<u64, Hook>,
    /// Messages by the time of their next planned status.
    pub(crate) due: BTreeSet<(i64, u64)>,
    /// Webhooks by the time of their next try.
    pub(crate) waiting: BTreeSet<(i64, u64)>,
    /// Changes that are not written down yet.
    pub(crate) unwritten: Vec<String>,
    /// The webhooks that are done and may be forgotten.
    n_done_hooks: usize,
}

/// The key of a pair of number and person.
pub(crate) fn pair(number_id: &str, person: &str) -> String {
    format!("{number_id}|{person}")
}

impl Journal {
    /// Applies a change and remembers to write it down.
    pub(crate) fn put(&mut self, record: Record, is_kept: bool) {
        if is_kept && let Ok(line) = serde_json::to_string(&record) {
            self.unwritten.push(line);
        }
        self.apply(record);
    }

    /// Applies a change.
    pub(crate) fn apply(&mut self, record: Record) {
        match record {
            Record::Message(message) => {
                self.ids.insert(message.id.clone(), message.seq);
                self.plan_of(message.seq, message.plan.front().map(|planned| planned.at));
                self.messages.insert(message.seq, *message);
                self.forget_messages();
            }
            Record::Progress { seq, status, plan, errors } => {
                self.plan_of(seq, plan.front().map(|planned| planned.at));
                if let Some(message) = self.messages.get_mut(&seq) {
                    message.status = status;
                    message.plan = plan;
                    message.errors = errors;
                }
            }
            Record::Inbound(inbound) => {
                self.inbound.insert(inbound.id.clone(), inbound);
                while self.inbound.len() > MOST_MESSAGES {
                    self.inbound.pop_first();
                }
            }
            Record::Window(key, window) => {
                self.windows.insert(key, window);
            }
            Record::Person(key, person) => {
                self.people.insert(key, person);
            }
            Record::UserId(user_id, person) => {
                self.user_ids.insert(user_id, person);
            }
            Record::Hook(hook) => {
                if let Some(at) = hook.next_at {
                    self.waiting.insert((at, hook.id));
                } else {
                    self.n_done_hooks += 1;
                }
                self.hooks.insert(hook.id, *hook);
                self.forget_hooks();
            }
            Record::Tried { id, tries, next_at, is_acknowledged } => {
                let Some(hook) = self.hooks.get_mut(&id) else { return };
                if let Some(at) = hook.next_at {
                    self.waiting.remove(&(at, id));
                    self.n_done_hooks += usize::from(next_at.is_none());
                }
                if let Some(at) = next_at {
                    self.waiting.insert((at, id));
                }
                hook.tries = tries;
                hook.next_at = next_at;
                hook.is_acknowledged = is_acknowledged;
                self.forget_hooks();
            }
        }
    }

    /// The message of an id.
    pub(crate) fn message(&self, id: &str) -> Option<&Message> {
        self.ids.get(id).and_then(|seq| self.messages.get(seq))
    }

    /// The records that make this journal from an empty one.
    pub(crate) fn records(&self) -> impl Iterator<Item = Record> + '_ {
        let people = self.people.iter().map(|(key, person)| Record::Person(key.clone(), person.clone()));
        let user_ids =
            self.user_ids.iter().map(|(user_id, person)| Record::UserId(user_id.clone(), person.clone()));
        let windows = self.windows.iter().map(|(key, window)| Record::Window(key.clone(), *window));
        let inbound = self.inbound.values().cloned().map(Record::Inbound);
        let messages = self.messages.values().cloned().map(Box::new).map(Record::Message);
        let hooks = self.hooks.values().cloned().map(Box::new).map(Record::Hook);
        people.chain(user_ids).chain(windows).chain(inbound).chain(messages).chain(hooks)
    }

    fn plan_of(&mut self, seq: u64, next_at: Option<i64>) {
        if let Some(planned) = self.messages.get(&seq).and_then(|message| message.plan.front()) {
            self.due.remove(&(planned.at, seq));
        }
        if let Some(at) = next_at {
            self.due.insert((at, seq));
        }
    }

    fn forget_messages(&mut self) {
        while self.messages.len() > MOST_MESSAGES {
            let Some((seq, message)) = self.messages.pop_first() else { return };
            self.ids.remove(&message.id);
            if let Some(planned) = message.plan.front() {
                self.due.remove(&(planned.at, seq));
            }
        }
    }

    fn forget_hooks(&mut self) {
        if self.n_done_hooks <= MOST_HOOKS {
            return;
        }
        // A tenth at once, so that the search for the oldest ones is rare.
        let mut n_forgotten = 0;
        self.hooks.retain(|_, hook| {
            let is_forgotten = hook.next_at.is_none() && n_forgotten < MOST_HOOKS / 10;
            n_forgotten += usize::from(is_forgotten);
            !is_forgotten
        });
        self.n_done_hooks -= n_forgotten;
    }
}
