//! Worlds of this build's program, and what the tests ask them.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::client::CallOutcome;
use crate::harness::environment::Environment;
use crate::harness::wait_for;

/// For what happens soon.
pub(crate) const SOON: Duration = Duration::from_secs(15);
/// Someone whose messages the simulator answers after 8 seconds.
pub(crate) const SLOW: &str = "+15550100008";
/// Someone whose messages arrive.
pub(crate) const QUICK: &str = "+15550103000";

/// The program.
pub(crate) fn program() -> PathBuf {
    Path::new(env!("CARGO_BIN_EXE_waypost")).to_owned()
}

/// The folder below which each test has its own: on a disk, with the build's other files.
pub(crate) fn parent() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).to_owned()
}

/// A environment whose gateway is not started.
pub(crate) fn environment(settings: &[(&str, &str)]) -> Environment {
    Environment::make(&program(), &parent(), settings).unwrap()
}

/// A template, which needs no open window.
pub(crate) fn template(to: &str) -> Value {
    json!({ "to": to, "type": "template", "template": { "name": "hello_world", "language": "en_US" } })
}

/// The same, into the queue.
pub(crate) fn queued(to: &str) -> Value {
    let mut message = template(to);
    message.as_object_mut().unwrap().insert("mode".to_owned(), "queue".into());
    message
}

/// Status, id and message id of an answer to a send.
pub(crate) fn sent(heard: &CallOutcome) -> (u16, &str, &str) {
    let CallOutcome::Answered(answer) = heard else { panic!("no answer: {heard:?}") };
    (answer.status, answer.text("id").unwrap_or_default(), answer.text("message_id").unwrap_or_default())
}

/// Sends a batch and expects all of it to be queued.
pub(crate) fn batch(environment: &Environment, address: std::net::SocketAddr, messages: &[Value]) {
    let client = crate::harness::client::Client { address, ..environment.gateway.clone() };
    let heard = client.call("POST", "/api/messages/batch", &[], Some(&json!({ "messages": messages })));
    let CallOutcome::Answered(answer) = heard else { panic!("no answer: {heard:?}") };
    let results = answer.body.pointer("/data/results").and_then(Value::as_array).unwrap();
    assert_eq!(results.len(), messages.len());
    assert!(results.iter().all(|result| result.get("status").is_some()), "{results:?}");
}

/// Waits until the simulator has accepted `n` messages.
pub(crate) fn accepted(environment: &Environment, n: usize) -> Vec<Value> {
    wait_for("messages at the simulator", SOON, || {
        Ok(Some(environment.accepted()?).filter(|all| all.len() >= n))
    })
    .unwrap()
}

/// The only message of the store.
pub(crate) fn only(environment: &Environment) -> Value {
    let stored = environment.stored().unwrap();
    assert_eq!(stored.len(), 1, "{stored:?}");
    stored.into_iter().next().unwrap()
}

/// Waits until the only message of the store has a status.
pub(crate) fn wait_for_status(environment: &Environment, status: &str, within: Duration) -> Value {
    let has = |message: &Value| self::status(message) == status;
    let found = wait_for(&format!("status {status}"), within, || Ok(Some(only(environment)).filter(has)));
    found.unwrap_or_else(|error| panic!("{error}; it is {}", only(environment)))
}

/// A message's status.
pub(crate) fn status(message: &Value) -> &str {
    message.get("status").and_then(Value::as_str).unwrap_or_default()
}

/// The references that Meta got, each with how often.
pub(crate) fn references(accepted: &[Value]) -> std::collections::BTreeMap<&str, usize> {
    let mut references = std::collections::BTreeMap::new();
    for message in accepted {
        let reference = message.get("biz_opaque_callback_data").and_then(Value::as_str).unwrap();
        *references.entry(reference).or_default() += 1;
    }
    references
}
