//! Clients that send, and ask again as the README tells them to: after 429, 5xx and when nobody listened; after a
//! broken connection only with their key.
//!
//! **Invariant:** a planned without a key is never asked again after a broken connection.

use super::client::{CallOutcome, Client, Response};
use super::ledger::{Counts, Last, Ledger, PlannedMessage};
use super::random::Rng;
use super::{now, sleep};
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// People with an open window.
const RECIPIENTS: u64 = 24;
/// People whom one client each talks to.
const CONVERSATIONS: u64 = 3;
/// People who get templates.
const TEMPLATE_RECIPIENTS: u64 = 60;
/// Magic numbers: cut after it was accepted_messages, cut before, undeliverable.
const MAGIC: [&str; 3] = ["+15550100504", "+15550100505", "+15550101026"];
/// Magic numbers that refuse twice before they take a message. Messages of the queue to one of them would wait for
/// each other for longer than a run lasts.
const MAGIC_SYNC: [&str; 2] = ["+15550100500", "+15550100429"];
/// Maximum number of waiting retries while new messages are planned.
const MAX_RETRIES: usize = 48;
/// The longest that a client waits before it asks again.
const WAIT_LIMIT: Duration = Duration::from_secs(2);

/// Phase of the load.
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
    Single(PlannedMessage),
    Batch(Vec<PlannedMessage>),
}

struct State {
    ledger: Ledger,
    /// Tasks to repeat, with their times.
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
    (0..RECIPIENTS).map(|n| format!("+1555010{}", 2_000 + n)).chain(talkers()).collect()
}

/// Those whom one client each talks to, and nobody else.
pub(crate) fn talkers() -> impl Iterator<Item = String> {
    (0..CONVERSATIONS).map(|n| format!("+1555010{}", 4_000 + n))
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

    /// Returns the numbers of planned messages by result.
    pub(crate) fn counts(&self) -> Counts {
        self.state().ledger.counts()
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
            sleep(Duration::from_millis(50));
        }
        false
    }

    /// Ends all clients.
    pub(crate) fn end(&self) {
        self.state().phase = Phase::Over;
    }

    /// Ends the load and returns its ledger.
    pub(crate) fn into_ledger(self) -> Ledger {
        self.state.into_inner().unwrap_or_else(PoisonError::into_inner).ledger
    }

    /// A client that sends whatever comes to its mind.
    pub(crate) fn send_at_random(&self, mut rng: Rng) {
        loop {
            let task = {
                let mut state = self.state();
                if state.phase == Phase::Over {
                    return;
                }
                let task = state.next(&mut rng);
                state.n_running += usize::from(task.is_some());
                task
            };
            if let Some(task) = task {
                let again = self.send_planned(&task, &mut rng);
                let mut state = self.state();
                state.n_running -= 1;
                if let Some(after) = again {
                    state.again.push_back((now() + after, task));
                }
            }
            sleep(rng.millis(5, 70));
        }
    }

    /// A client that talks to one person, and says the next thing when the last was acknowledged.
    pub(crate) fn send_in_order(&self, to: &str, mut rng: Rng) {
        loop {
            let planned = {
                let mut state = self.state();
                if state.phase != Phase::Loading {
                    return;
                }
                state.n_running += 1;
                let reference = state.reference();
                let key = Some(format!("key-{reference}"));
                PlannedMessage {
                    to: to.to_owned(),
                    reference,
                    key,
                    is_template: false,
                    is_queued: true,
                    may_resend: false,
                }
            };
            let task = Task::Single(planned.clone());
            while let Some(after) = self.send_planned(&task, &mut rng) {
                sleep(after);
                if self.state().phase == Phase::Over {
                    break;
                }
            }
            let mut state = self.state();
            state.n_running -= 1;
            let is_heard =
                state.ledger.entry(&planned.reference).is_some_and(|entry| entry.last == Last::Acknowledged);
            if is_heard {
                state.ledger.conversations.entry(to.to_owned()).or_default().push(planned.reference);
            }
            drop(state);
            sleep(rng.millis(10, 120));
        }
    }

    /// Asks once. Says after what time to ask again, if so.
    fn send_planned(&self, task: &Task, rng: &mut Rng) -> Option<Duration> {
        match task {
            Task::Single(planned) => self.send_single(planned, rng),
            Task::Batch(wishes) => self.send_batch(wishes, rng),
        }
    }

    fn send_single(&self, planned: &PlannedMessage, rng: &mut Rng) -> Option<Duration> {
        let body = body_of(planned, Form::Single);
        let key: Vec<_> = planned.key.iter().map(|key| ("Idempotency-Key", key.as_str())).collect();
        let path = "/api/messages/send";
        let heard = if rng.one_in(25) {
            let span = rng.millis(0, 60);
            self.client.call_and_leave(path, &key, &body, || sleep(span))
        } else {
            self.client.call("POST", path, &key, Some(&body))
        };
        let (last, acknowledged, again) = match heard {
            CallOutcome::NotConnected => (Last::NotAsked, None, Some(rng.millis(100, 400))),
            CallOutcome::Interrupted(how) => {
                (Last::Cut(how), None, planned.key.as_ref().map(|_| rng.millis(100, 500)))
            }
            CallOutcome::Answered(answer) => read(&answer, rng),
        };
        self.state().ledger.note(planned, last, acknowledged);
        again
    }

    fn send_batch(&self, wishes: &[PlannedMessage], rng: &mut Rng) -> Option<Duration> {
        let messages: Vec<Value> = wishes.iter().map(|planned| body_of(planned, Form::Item)).collect();
        let heard =
            self.client.call("POST", "/api/messages/batch", &[], Some(&json!({ "messages": messages })));
        let has_keys = wishes.iter().all(|planned| planned.key.is_some());
        let (last, again, results) = match heard {
            CallOutcome::NotConnected => (Last::NotAsked, Some(rng.millis(100, 400)), None),
            CallOutcome::Interrupted(how) => (Last::Cut(how), has_keys.then(|| rng.millis(100, 500)), None),
            CallOutcome::Answered(answer) if answer.status == 202 => {
                (Last::Cut("no result".to_owned()), None, answer.body.pointer("/data/results").cloned())
            }
            CallOutcome::Answered(answer) => {
                let (last, _, again) = read(&answer, rng);
                (last, again, None)
            }
        };
        let mut state = self.state();
        for (index, planned) in wishes.iter().enumerate() {
            let result = results.as_ref().and_then(|results| results.get(index));
            let text = |name: &str| Some(result?.get(name)?.as_str()?.to_owned());
            let (last, acknowledged) = match (text("id").zip(text("status")), text("code")) {
                (Some(told), _) => (Last::Acknowledged, Some(told)),
                (None, Some(code)) if is_passing(&code) => (Last::Retryable(202, code), None),
                (None, Some(code)) => (Last::Refused(202, code), None),
                (None, None) => (last.clone(), None),
            };
            state.ledger.note(planned, last, acknowledged);
        }
        again
    }
}

/// Codes of a batch's item that say: not now.
fn is_passing(code: &str) -> bool {
    ["queue_full", "store_unavailable", "internal", "idempotency_in_progress", "meta_unavailable"]
        .contains(&code)
}

/// Interprets a response; returns the time until the next attempt, if one is needed.
fn read(answer: &Response, rng: &mut Rng) -> (Last, Option<(String, String)>, Option<Duration>) {
    let code = answer.text("code").unwrap_or("no code").to_owned();
    let asked = Duration::from_secs(answer.retry_after.unwrap_or(0)).min(WAIT_LIMIT);
    let later = asked + rng.millis(50, 300);
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

/// Form of a request for a message.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Single,
    Item,
}

/// The body of a planned: the same at each repetition.
fn body_of(planned: &PlannedMessage, form: Form) -> Value {
    let mut body = if planned.is_template {
        json!({ "type": "template", "template": { "name": "hello_world", "language": "en_US" } })
    } else {
        json!({ "type": "text", "text": format!("This is {}.", planned.reference) })
    };
    if let Some(body) = body.as_object_mut() {
        let mut put = |name: &str, value: &str| body.insert(name.to_owned(), value.into());
        put("to", &planned.to);
        put("client_reference", &planned.reference);
        match (form, &planned.key) {
            (Form::Item, Some(key)) => drop(put("idempotency_key", key)),
            (Form::Single, _) if planned.is_queued => drop(put("mode", "queue")),
            _ => {}
        }
        if planned.may_resend {
            put("on_unknown", "resend");
        }
    }
    body
}

impl State {
    /// The next thing to do, if there is one.
    fn next(&mut self, rng: &mut Rng) -> Option<Task> {
        let now = now();
        if let Some(position) = self.again.iter().position(|(at, _)| *at <= now) {
            return self.again.remove(position).map(|(_, task)| task);
        }
        if self.phase != Phase::Loading || self.again.len() >= MAX_RETRIES {
            return None;
        }
        if rng.one_in(14) {
            let has_keys = rng.one_in(2);
            let n = rng.between(2, 30);
            return Some(Task::Batch((0..n).map(|_| self.planned(rng, Some(has_keys))).collect()));
        }
        Some(Task::Single(self.planned(rng, None)))
    }

    fn reference(&mut self) -> String {
        self.n_wishes += 1;
        format!("w{:06}", self.n_wishes)
    }

    fn planned(&mut self, rng: &mut Rng, has_key: Option<bool>) -> PlannedMessage {
        let reference = self.reference();
        let is_of_batch = has_key.is_some();
        let has_key = has_key.unwrap_or_else(|| rng.one_in(2));
        let is_template = rng.one_in(2);
        let is_queued = is_of_batch || rng.one_in(3);
        let magic = usize::try_from(rng.between(0, 40)).ok().and_then(|n| {
            let sync = MAGIC_SYNC.iter().filter(|_| !is_queued);
            MAGIC.iter().chain(sync).nth(n)
        });
        let to = match magic {
            Some(magic) if is_template => (*magic).to_owned(),
            _ if is_template => format!("+1555010{}", 3_000 + rng.between(1, TEMPLATE_RECIPIENTS)),
            _ => format!("+1555010{}", 2_000 + rng.between(0, RECIPIENTS - 1)),
        };
        PlannedMessage {
            key: has_key.then(|| format!("key-{reference}")),
            reference,
            to,
            is_template,
            is_queued,
            may_resend: rng.one_in(8),
        }
    }
}
