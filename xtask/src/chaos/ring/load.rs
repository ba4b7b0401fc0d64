//! Clients that send, and ask again as the README tells them to: after 429, 5xx and when nobody listened; after a
//! broken connection only with their key.
//!
//! **Invariant:** a wish without a key is never asked again after a broken connection.

use super::chance::Chance;
use super::client::{Answer, Client, Heard};
use super::ledger::{Last, Ledger, Tally, Wish};
use super::{now, pass};
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// People with an open window.
const PEOPLE: u64 = 24;
/// People whom one client each talks to.
const TALKERS: u64 = 3;
/// People who get templates.
const STRANGERS: u64 = 60;
/// Magic numbers: cut after it was taken, cut before, undeliverable.
const MAGIC: [&str; 3] = ["+15550100504", "+15550100505", "+15550101026"];
/// Magic numbers that refuse twice before they take a message. Messages of the queue to one of them would wait for
/// each other for longer than a run lasts.
const MAGIC_SYNC: [&str; 2] = ["+15550100500", "+15550100429"];
/// What is wanted anew only while fewer than this are to be asked again.
const MOST_AGAIN: usize = 48;
/// The longest that a client waits before it asks again.
const PATIENCE: Duration = Duration::from_secs(2);

/// How far the load is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// New wishes all the time.
    Loading,
    /// Only what must be asked again.
    Draining,
    /// Nothing more.
    Over,
}

/// One request.
#[derive(Clone)]
enum Task {
    Single(Wish),
    Batch(Vec<Wish>),
}

struct State {
    ledger: Ledger,
    /// What is to be asked again, and when.
    again: VecDeque<(Instant, Task)>,
    phase: Phase,
    n_running: usize,
    n_wishes: u64,
}

/// The clients' common memory.
pub(crate) struct Load<'a> {
    client: &'a Client,
    state: Mutex<State>,
}

/// Those who have written to us.
pub(crate) fn people() -> Vec<String> {
    (0..PEOPLE).map(|n| format!("+1555010{}", 2_000 + n)).chain(talkers()).collect()
}

/// Those whom one client each talks to, and nobody else.
pub(crate) fn talkers() -> impl Iterator<Item = String> {
    (0..TALKERS).map(|n| format!("+1555010{}", 4_000 + n))
}

impl<'a> Load<'a> {
    /// No wishes yet.
    pub(crate) fn new(client: &'a Client) -> Self {
        let state = State {
            ledger: Ledger::default(),
            again: VecDeque::new(),
            phase: Phase::Loading,
            n_running: 0,
            n_wishes: 0,
        };
        Self { client, state: Mutex::new(state) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How it stands.
    pub(crate) fn tally(&self) -> Tally {
        self.state().ledger.tally()
    }

    /// No new wishes from now on. Whether everything was asked to its end within a time.
    pub(crate) fn drain(&self, within: Duration) -> bool {
        self.state().phase = Phase::Draining;
        let deadline = now() + within;
        while now() < deadline {
            let state = self.state();
            if state.again.is_empty() && state.n_running == 0 {
                return true;
            }
            drop(state);
            pass(Duration::from_millis(50));
        }
        false
    }

    /// Ends all clients.
    pub(crate) fn end(&self) {
        self.state().phase = Phase::Over;
    }

    /// What was wanted and told.
    pub(crate) fn into_ledger(self) -> Ledger {
        self.state.into_inner().unwrap_or_else(PoisonError::into_inner).ledger
    }

    /// A client that sends whatever comes to its mind.
    pub(crate) fn wander(&self, mut chance: Chance) {
        loop {
            let task = {
                let mut state = self.state();
                if state.phase == Phase::Over {
                    return;
                }
                let task = state.next(&mut chance);
                state.n_running += usize::from(task.is_some());
                task
            };
            if let Some(task) = task {
                let again = self.perform(&task, &mut chance);
                let mut state = self.state();
                state.n_running -= 1;
                if let Some(after) = again {
                    state.again.push_back((now() + after, task));
                }
            }
            pass(chance.millis(5, 70));
        }
    }

    /// A client that talks to one person, and says the next thing when the last was acknowledged.
    pub(crate) fn converse(&self, to: &str, mut chance: Chance) {
        loop {
            let wish = {
                let mut state = self.state();
                if state.phase != Phase::Loading {
                    return;
                }
                state.n_running += 1;
                let reference = state.reference();
                let key = Some(format!("key-{reference}"));
                Wish {
                    to: to.to_owned(),
                    reference,
                    key,
                    is_template: false,
                    is_queued: true,
                    may_resend: false,
                }
            };
            let task = Task::Single(wish.clone());
            while let Some(after) = self.perform(&task, &mut chance) {
                pass(after);
                if self.state().phase == Phase::Over {
                    break;
                }
            }
            let mut state = self.state();
            state.n_running -= 1;
            let is_heard =
                state.ledger.entry(&wish.reference).is_some_and(|entry| entry.last == Last::Acknowledged);
            if is_heard {
                state.ledger.conversations.entry(to.to_owned()).or_default().push(wish.reference);
            }
            drop(state);
            pass(chance.millis(10, 120));
        }
    }

    /// Asks once. Says after what time to ask again, if so.
    fn perform(&self, task: &Task, chance: &mut Chance) -> Option<Duration> {
        match task {
            Task::Single(wish) => self.perform_single(wish, chance),
            Task::Batch(wishes) => self.perform_batch(wishes, chance),
        }
    }

    fn perform_single(&self, wish: &Wish, chance: &mut Chance) -> Option<Duration> {
        let body = body_of(wish, Form::Single);
        let key: Vec<_> = wish.key.iter().map(|key| ("Idempotency-Key", key.as_str())).collect();
        let path = "/api/messages/send";
        let heard = if chance.one_in(25) {
            let span = chance.millis(0, 60);
            self.client.call_and_leave(path, &key, &body, || pass(span))
        } else {
            self.client.call("POST", path, &key, Some(&body))
        };
        let (last, acknowledged, again) = match heard {
            Heard::NobodyThere => (Last::NotAsked, None, Some(chance.millis(100, 400))),
            Heard::Cut(how) => (Last::Cut(how), None, wish.key.as_ref().map(|_| chance.millis(100, 500))),
            Heard::Answer(answer) => read(&answer, chance),
        };
        self.state().ledger.note(wish, last, acknowledged);
        again
    }

    fn perform_batch(&self, wishes: &[Wish], chance: &mut Chance) -> Option<Duration> {
        let messages: Vec<Value> = wishes.iter().map(|wish| body_of(wish, Form::Item)).collect();
        let heard =
            self.client.call("POST", "/api/messages/batch", &[], Some(&json!({ "messages": messages })));
        let has_keys = wishes.iter().all(|wish| wish.key.is_some());
        let (last, again, results) = match heard {
            Heard::NobodyThere => (Last::NotAsked, Some(chance.millis(100, 400)), None),
            Heard::Cut(how) => (Last::Cut(how), has_keys.then(|| chance.millis(100, 500)), None),
            Heard::Answer(answer) if answer.status == 202 => {
                (Last::Cut("no result".to_owned()), None, answer.body.pointer("/data/results").cloned())
            }
            Heard::Answer(answer) => {
                let (last, _, again) = read(&answer, chance);
                (last, again, None)
            }
        };
        let mut state = self.state();
        for (index, wish) in wishes.iter().enumerate() {
            let result = results.as_ref().and_then(|results| results.get(index));
            let text = |name: &str| Some(result?.get(name)?.as_str()?.to_owned());
            let (last, acknowledged) = match (text("id").zip(text("status")), text("code")) {
                (Some(told), _) => (Last::Acknowledged, Some(told)),
                (None, Some(code)) if is_passing(&code) => (Last::Retryable(202, code), None),
                (None, Some(code)) => (Last::Refused(202, code), None),
                (None, None) => (last.clone(), None),
            };
            state.ledger.note(wish, last, acknowledged);
        }
        again
    }
}

/// Codes of a batch's item that say: not now.
fn is_passing(code: &str) -> bool {
    ["queue_full", "store_unavailable", "internal", "idempotency_in_progress", "meta_unavailable"]
        .contains(&code)
}

/// What an answer means, and when to ask again.
fn read(answer: &Answer, chance: &mut Chance) -> (Last, Option<(String, String)>, Option<Duration>) {
    let code = answer.text("code").unwrap_or("no code").to_owned();
    let asked = Duration::from_secs(answer.retry_after.unwrap_or(0)).min(PATIENCE);
    let later = asked + chance.millis(50, 300);
    match answer.status {
        200 | 202 => match (answer.text("id"), answer.text("status")) {
            (Some(id), Some(status)) => (Last::Acknowledged, Some((id.to_owned(), status.to_owned())), None),
            _ => (Last::Refused(answer.status, format!("no id: {}", answer.body)), None, None),
        },
        409 if code == "idempotency_in_progress" => (Last::InProgress, None, Some(later)),
        429 | 500.. => (Last::Retryable(answer.status, code), None, Some(later)),
        _ => (Last::Refused(answer.status, code), None, None),
    }
}

/// How a message is asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Single,
    Item,
}

/// The body of a wish: the same at each repetition.
fn body_of(wish: &Wish, form: Form) -> Value {
    let mut body = if wish.is_template {
        json!({ "type": "template", "template": { "name": "hello_world", "language": "en_US" } })
    } else {
        json!({ "type": "text", "text": format!("This is {}.", wish.reference) })
    };
    if let Some(body) = body.as_object_mut() {
        let mut put = |name: &str, value: &str| body.insert(name.to_owned(), value.into());
        put("to", &wish.to);
        put("client_reference", &wish.reference);
        match (form, &wish.key) {
            (Form::Item, Some(key)) => drop(put("idempotency_key", key)),
            (Form::Single, _) if wish.is_queued => drop(put("mode", "queue")),
            _ => {}
        }
        if wish.may_resend {
            put("on_unknown", "resend");
        }
    }
    body
}

impl State {
    /// The next thing to do, if there is one.
    fn next(&mut self, chance: &mut Chance) -> Option<Task> {
        let now = now();
        if let Some(position) = self.again.iter().position(|(at, _)| *at <= now) {
            return self.again.remove(position).map(|(_, task)| task);
        }
        if self.phase != Phase::Loading || self.again.len() >= MOST_AGAIN {
            return None;
        }
        if chance.one_in(14) {
            let has_keys = chance.one_in(2);
            let n = chance.between(2, 30);
            return Some(Task::Batch((0..n).map(|_| self.wish(chance, Some(has_keys))).collect()));
        }
        Some(Task::Single(self.wish(chance, None)))
    }

    fn reference(&mut self) -> String {
        self.n_wishes += 1;
        format!("w{:06}", self.n_wishes)
    }

    fn wish(&mut self, chance: &mut Chance, has_key: Option<bool>) -> Wish {
        let reference = self.reference();
        let is_of_batch = has_key.is_some();
        let has_key = has_key.unwrap_or_else(|| chance.one_in(2));
        let is_template = chance.one_in(2);
        let is_queued = is_of_batch || chance.one_in(3);
        let magic = usize::try_from(chance.between(0, 40)).ok().and_then(|n| {
            let sync = MAGIC_SYNC.iter().filter(|_| !is_queued);
            MAGIC.iter().chain(sync).nth(n)
        });
        let to = match magic {
            Some(magic) if is_template => (*magic).to_owned(),
            _ if is_template => format!("+1555010{}", 3_000 + chance.between(1, STRANGERS)),
            _ => format!("+1555010{}", 2_000 + chance.between(0, PEOPLE - 1)),
        };
        Wish {
            key: has_key.then(|| format!("key-{reference}")),
            reference,
            to,
            is_template,
            is_queued,
            may_resend: chance.one_in(8),
        }
    }
}
