//! Clients that send messages, and retry as the README describes: after 429, 5xx and failed connections; after an
//! interrupted connection only with an idempotency key.
//!
//! **Invariant:** a message without an idempotency key is never retried after an interrupted connection.

use super::client::{CallOutcome, Client, Response};
use super::ledger::{Counts, LastResult, Ledger, PlannedMessage};
use super::random::Rng;
use super::{now, sleep};
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Recipients with an open window.
const RECIPIENTS: u64 = 24;
/// Recipients to whom a single client writes.
const CONVERSATIONS: u64 = 3;
/// Recipients of templates.
const TEMPLATE_RECIPIENTS: u64 = 60;
/// Magic numbers: connection interrupted after the message was accepted, interrupted before, undeliverable.
const MAGIC: [&str; 3] = ["+15550100504", "+15550100505", "+15550101026"];
/// Magic numbers that reject a message twice before they accept it. Queued messages to one of them would wait for
/// each other longer than a run takes.
const MAGIC_SYNC: [&str; 2] = ["+15550100500", "+15550100429"];
/// Maximum number of waiting retries while new messages are planned.
const MAX_RETRIES: usize = 48;
/// Maximum time that a client waits before a retry.
const WAIT_LIMIT: Duration = Duration::from_secs(2);

/// Phase of the load.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// New messages are planned continuously.
    Loading,
    /// Only retries.
    Draining,
    /// No requests.
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
    /// Pending retries with their times.
    retries: VecDeque<(Instant, Task)>,
    phase: Phase,
    n_running: usize,
    n_planned: u64,
}

/// State that the clients share.
pub(crate) struct Load<'a> {
    client: &'a Client,
    state: Mutex<State>,
}

/// Recipients with an open window.
pub(crate) fn recipients() -> Vec<String> {
    (0..RECIPIENTS).map(|n| format!("+1555010{}", 2_000 + n)).chain(conversation_recipients()).collect()
}

/// Recipients to whom a single client writes.
pub(crate) fn conversation_recipients() -> impl Iterator<Item = String> {
    (0..CONVERSATIONS).map(|n| format!("+1555010{}", 4_000 + n))
}

impl<'a> Load<'a> {
    /// Creates the load without planned messages.
    pub(crate) fn new(client: &'a Client) -> Self {
        let state = State {
            ledger: Ledger::default(),
            retries: VecDeque::new(),
            phase: Phase::Loading,
            n_running: 0,
            n_planned: 0,
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

    /// Stops planning new messages. Returns `true` if all retries ended within the timeout.
    pub(crate) fn drain(&self, within: Duration) -> bool {
        self.state().phase = Phase::Draining;
        let deadline = now() + within;
        while now() < deadline {
            let state = self.state();
            if state.retries.is_empty() && state.n_running == 0 {
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

    /// A client that sends random messages.
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
                let retry_after = self.send_planned(&task, &mut rng);
                let mut state = self.state();
                state.n_running -= 1;
                if let Some(after) = retry_after {
                    state.retries.push_back((now() + after, task));
                }
            }
            sleep(rng.millis(5, 70));
        }
    }

    /// A client that writes to one recipient, and sends the next message after the previous one was acknowledged.
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
            let is_acknowledged = state
                .ledger
                .entry(&planned.reference)
                .is_some_and(|entry| entry.last == LastResult::Acknowledged);
            if is_acknowledged {
                state.ledger.conversations.entry(to.to_owned()).or_default().push(planned.reference);
            }
            drop(state);
            sleep(rng.millis(10, 120));
        }
    }

    /// Sends one request. Returns the time until the retry, if a retry is needed.
    fn send_planned(&self, task: &Task, rng: &mut Rng) -> Option<Duration> {
        match task {
            Task::Single(planned) => self.send_single(planned, rng),
            Task::Batch(batch) => self.send_batch(batch, rng),
        }
    }

    fn send_single(&self, planned: &PlannedMessage, rng: &mut Rng) -> Option<Duration> {
        let body = body_of(planned, Form::Single);
        let key: Vec<_> = planned.key.iter().map(|key| ("Idempotency-Key", key.as_str())).collect();
        let path = "/api/messages/send";
        let outcome = if rng.one_in(25) {
            let span = rng.millis(0, 60);
            self.client.call_and_disconnect(path, &key, &body, || sleep(span))
        } else {
            self.client.call("POST", path, &key, Some(&body))
        };
        let (last, acknowledged, retry_after) = match outcome {
            CallOutcome::NotConnected => (LastResult::NotReceived, None, Some(rng.millis(100, 400))),
            CallOutcome::Interrupted(how) => {
                (LastResult::Interrupted(how), None, planned.key.as_ref().map(|_| rng.millis(100, 500)))
            }
            CallOutcome::Answered(response) => read(&response, rng),
        };
        self.state().ledger.record(planned, last, acknowledged);
        retry_after
    }

    fn send_batch(&self, batch: &[PlannedMessage], rng: &mut Rng) -> Option<Duration> {
        let messages: Vec<Value> = batch.iter().map(|planned| body_of(planned, Form::Item)).collect();
        let outcome =
            self.client.call("POST", "/api/messages/batch", &[], Some(&json!({ "messages": messages })));
        let has_keys = batch.iter().all(|planned| planned.key.is_some());
        let (last, retry_after, results) = match outcome {
            CallOutcome::NotConnected => (LastResult::NotReceived, Some(rng.millis(100, 400)), None),
            CallOutcome::Interrupted(how) => {
                (LastResult::Interrupted(how), has_keys.then(|| rng.millis(100, 500)), None)
            }
            CallOutcome::Answered(response) if response.status == 202 => (
                LastResult::Interrupted("no result".to_owned()),
                None,
                response.body.pointer("/data/results").cloned(),
            ),
            CallOutcome::Answered(response) => {
                let (last, _, retry_after) = read(&response, rng);
                (last, retry_after, None)
            }
        };
        let mut state = self.state();
        for (index, planned) in batch.iter().enumerate() {
            let result = results.as_ref().and_then(|results| results.get(index));
            let text = |name: &str| Some(result?.get(name)?.as_str()?.to_owned());
            let (last, acknowledged) = match (text("id").zip(text("status")), text("code")) {
                (Some(id_and_status), _) => (LastResult::Acknowledged, Some(id_and_status)),
                (None, Some(code)) if is_retryable(&code) => (LastResult::Retryable(202, code), None),
                (None, Some(code)) => (LastResult::Rejected(202, code), None),
                (None, None) => (last.clone(), None),
            };
            state.ledger.record(planned, last, acknowledged);
        }
        retry_after
    }
}

/// Codes of a batch item that invite a retry.
fn is_retryable(code: &str) -> bool {
    ["queue_full", "store_unavailable", "internal", "idempotency_in_progress", "meta_unavailable"]
        .contains(&code)
}

/// Interprets a response; returns the time until the next attempt, if one is needed.
fn read(response: &Response, rng: &mut Rng) -> (LastResult, Option<(String, String)>, Option<Duration>) {
    let code = response.text("code").unwrap_or("no code").to_owned();
    let requested_wait = Duration::from_secs(response.retry_after.unwrap_or(0)).min(WAIT_LIMIT);
    let wait = requested_wait + rng.millis(50, 300);
    match response.status {
        200 | 202 => match (response.text("id"), response.text("status")) {
            (Some(id), Some(status)) => {
                (LastResult::Acknowledged, Some((id.to_owned(), status.to_owned())), None)
            }
            _ => (LastResult::Rejected(response.status, format!("no id: {}", response.body)), None, None),
        },
        409 if code == "idempotency_in_progress" => (LastResult::InProgress, None, Some(wait)),
        429 | 500.. => (LastResult::Retryable(response.status, code), None, Some(wait)),
        _ => (LastResult::Rejected(response.status, code), None, None),
    }
}

/// Form of a request for a message.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Single,
    Item,
}

/// Returns the request body of a planned message: the same at each repetition.
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
    /// Returns the next task, if there is one.
    fn next(&mut self, rng: &mut Rng) -> Option<Task> {
        let now = now();
        if let Some(position) = self.retries.iter().position(|(at, _)| *at <= now) {
            return self.retries.remove(position).map(|(_, task)| task);
        }
        if self.phase != Phase::Loading || self.retries.len() >= MAX_RETRIES {
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
        self.n_planned += 1;
        format!("w{:06}", self.n_planned)
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
