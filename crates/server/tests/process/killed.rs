//! `kill -9` in the middle of a send.

use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::ring::client::Heard;
use crate::ring::now;
use crate::support::{SLOW, SOON, accepted, only, sent, template, wait_for_status, world};

/// After a restart nothing of the dead process is held for longer (http-api.md, "Workers and leases").
const FREE_AFTER: Duration = Duration::from_secs(12);

#[test]
fn a_message_that_was_being_sent_when_its_process_was_killed_becomes_unknown_and_is_settled_by_its_statuses()
{
    let world = world(&[]);
    world.simulator.ask("POST", "/_sim/settings", Some(&json!({ "auto_statuses": false }))).unwrap();
    let mut gateway = world.serve().unwrap();
    let client = world.gateway.clone();
    let key = [("Idempotency-Key", "once")];
    let sending =
        thread::spawn(move || client.call("POST", "/api/messages/send", &key, Some(&template(SLOW))));
    let wamid = {
        let accepted = accepted(&world, 1);
        accepted.first().and_then(|first| first.get("message_id")?.as_str()).unwrap().to_owned()
    };
    gateway.kill().unwrap();
    assert!(matches!(sending.join().unwrap(), Heard::Cut(_)));

    let gateway = world.serve().unwrap();
    let ready_at = now();
    let row = only(&world);
    assert_eq!(row.get("status").and_then(Value::as_str), Some("sending"), "{row}");
    // As long as nobody knows whether the first process lives, the request is still running.
    let again = || world.gateway.call("POST", "/api/messages/send", &key, Some(&template(SLOW)));
    assert!(matches!(again(), Heard::Answer(answer) if answer.status == 409));

    let row = wait_for_status(&world, "unknown", FREE_AFTER);
    let took = ready_at.elapsed();
    assert!(took <= FREE_AFTER, "it took {took:?}");
    let id = row.get("id").and_then(Value::as_str).unwrap();
    let heard = again();
    assert_eq!(sent(&heard), (202, id, id), "{heard:?}");

    world.simulator.ask("POST", "/_sim/step", Some(&json!({ "statuses": "all" }))).unwrap();
    let row = wait_for_status(&world, "read", SOON);
    assert_eq!(row.get("message_id").and_then(Value::as_str), Some(wamid.as_str()), "{row}");
    let heard = again();
    assert_eq!(sent(&heard), (200, id, wamid.as_str()), "{heard:?}");
    assert_eq!(world.accepted().unwrap().len(), 1);
    drop(gateway);
}
