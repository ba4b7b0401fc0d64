//! Environments for the program of this build, and steps of tests.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::client::CallOutcome;
use crate::harness::environment::Environment;
use crate::harness::wait_for;

/// Timeout for conditions that are met quickly.
pub(crate) const SOON: Duration = Duration::from_secs(15);
/// A recipient whose messages the simulator accepts after 8 seconds.
pub(crate) const SLOW: &str = "+15550100008";
/// A recipient whose messages are accepted immediately.
pub(crate) const QUICK: &str = "+15550103000";

/// Returns the path of the program.
pub(crate) fn program() -> PathBuf {
    Path::new(env!("CARGO_BIN_EXE_waypost")).to_owned()
}

/// Returns the folder in which each test creates its own folder: on a disk, beside other files of the build.
pub(crate) fn parent() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).to_owned()
}

/// Creates an environment whose gateway is not started.
pub(crate) fn environment(settings: &[(&str, &str)]) -> Environment {
    Environment::make(&program(), &parent(), settings).unwrap()
}

/// Returns a template message, which needs no open window.
pub(crate) fn template(to: &str) -> Value {
    json!({ "to": to, "type": "template", "template": { "name": "hello_world", "language": "en_US" } })
}

/// Returns a template message for the queue.
pub(crate) fn queued(to: &str) -> Value {
    let mut message = template(to);
    message.as_object_mut().unwrap().insert("mode".to_owned(), "queue".into());
    message
}

/// Returns status, id and message id of the response to a send.
pub(crate) fn sent(outcome: &CallOutcome) -> (u16, &str, &str) {
    let CallOutcome::Answered(response) = outcome else { panic!("no answer: {outcome:?}") };
    (
        response.status,
        response.text("id").unwrap_or_default(),
        response.text("message_id").unwrap_or_default(),
    )
}

/// Sends a batch. Panics if a message was not queued.
pub(crate) fn batch(environment: &Environment, address: std::net::SocketAddr, messages: &[Value]) {
    let client = crate::harness::client::Client { address, ..environment.gateway.clone() };
    let outcome = client.call("POST", "/api/messages/batch", &[], Some(&json!({ "messages": messages })));
    let CallOutcome::Answered(response) = outcome else { panic!("no answer: {outcome:?}") };
    let results = response.body.pointer("/data/results").and_then(Value::as_array).unwrap();
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

/// Returns the only message of the store.
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

/// Returns the status of a message.
pub(crate) fn status(message: &Value) -> &str {
    message.get("status").and_then(Value::as_str).unwrap_or_default()
}

/// Returns the references that Meta received, each with its count.
pub(crate) fn references(accepted: &[Value]) -> std::collections::BTreeMap<&str, usize> {
    let mut references = std::collections::BTreeMap::new();
    for message in accepted {
        let reference = message.get("biz_opaque_callback_data").and_then(Value::as_str).unwrap();
        *references.entry(reference).or_default() += 1;
    }
    references
}
