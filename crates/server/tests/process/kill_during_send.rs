//! `kill -9` in the middle of a send.

use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::client::CallOutcome;
use crate::harness::now;
use crate::support::{SLOW, SOON, accepted, environment, only, sent, template, wait_for_status};

/// Maximum time after a restart until the leases of the crashed process have been recovered.
const FREE_AFTER: Duration = Duration::from_secs(12);

#[test]
fn a_message_in_flight_during_a_kill_is_unknown_until_a_status_arrives() {
    let environment = environment(&[]);
    environment
        .simulator
        .call_with_retries("POST", "/_sim/settings", Some(&json!({ "auto_statuses": false })))
        .unwrap();
    let mut gateway = environment.serve().unwrap();
    let client = environment.gateway.clone();
    let key = [("Idempotency-Key", "once")];
    let sending =
        thread::spawn(move || client.call("POST", "/api/messages/send", &key, Some(&template(SLOW))));
    let wamid = {
        let accepted = accepted(&environment, 1);
        accepted.first().and_then(|first| first.get("message_id")?.as_str()).unwrap().to_owned()
    };
    gateway.kill().unwrap();
    assert!(matches!(sending.join().unwrap(), CallOutcome::Interrupted(_)));

    let gateway = environment.serve().unwrap();
    let ready_at = now();
    let row = only(&environment);
    assert_eq!(row.get("status").and_then(Value::as_str), Some("sending"), "{row}");
    // The request is in progress until the leases of the first process expire.
    let again = || environment.gateway.call("POST", "/api/messages/send", &key, Some(&template(SLOW)));
    assert!(matches!(again(), CallOutcome::Answered(response) if response.status == 409));

    let row = wait_for_status(&environment, "unknown", FREE_AFTER);
    let took = ready_at.elapsed();
    assert!(took <= FREE_AFTER, "it took {took:?}");
    let id = row.get("id").and_then(Value::as_str).unwrap();
    let outcome = again();
    assert_eq!(sent(&outcome), (202, id, id), "{outcome:?}");

    environment
        .simulator
        .call_with_retries("POST", "/_sim/step", Some(&json!({ "statuses": "all" })))
        .unwrap();
    let row = wait_for_status(&environment, "read", SOON);
    assert_eq!(row.get("message_id").and_then(Value::as_str), Some(wamid.as_str()), "{row}");
    let outcome = again();
    assert_eq!(sent(&outcome), (200, id, wamid.as_str()), "{outcome:?}");
    assert_eq!(environment.accepted().unwrap().len(), 1);
    drop(gateway);
}
