//! Shutdown of `waypost serve`.

use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::harness::client::CallOutcome;
use crate::harness::{now, sleep, wait_for};
use crate::support::{QUICK, SLOW, SOON, accepted, batch, environment, queued, references, status, template};

#[test]
fn sigterm_exits_with_0_and_keeps_the_queue() {
    /// Number of shutdowns, each one a little later than the one before.
    const TIMES: u16 = 8;
    /// Number of messages before each shutdown.
    const MESSAGES: u16 = 25;
    let environment =
        environment(&[("WAYPOST_PACING__THROUGHPUT", "50"), ("WAYPOST_PACING__PAIR_RULE", "false")]);
    let mut gateway = environment.serve().unwrap();
    let mut n_before = 0;
    for time in 0..TIMES {
        let recipients = (0..MESSAGES).map(|n| 3_000 + time * MESSAGES + n);
        let messages: Vec<Value> = recipients.map(|number| queued(&format!("+1555010{number}"))).collect();
        batch(&environment, environment.directory.gateway, &messages);
        sleep(Duration::from_millis(u64::from(time) * 7));
        gateway.signal("TERM").unwrap();
        assert_eq!(gateway.wait(SOON).unwrap().code(), Some(0));
        n_before = environment.accepted().unwrap().len();
        gateway = environment.serve().unwrap();
    }
    let n_all = usize::from(TIMES * MESSAGES);
    assert!(n_before < n_all, "all had left: nothing was kept");
    let accepted = wait_for("all messages at the simulator", SOON, || {
        Ok(Some(environment.accepted()?).filter(|accepted| accepted.len() >= n_all))
    });
    let accepted = accepted.unwrap_or_else(|error| {
        let mut cut = environment.stored().unwrap();
        cut.retain(|row| matches!(status(row), "sending" | "unknown"));
        panic!("{error}; a gateway that was asked to end left in the middle: {cut:?}")
    });
    let references = references(&accepted);
    assert_eq!((references.len(), accepted.len()), (n_all, n_all), "{references:?}");
    wait_for("an empty queue", SOON, || {
        Ok((!environment.stored()?.iter().any(|row| matches!(status(row), "queued" | "sending")))
            .then_some(()))
    })
    .unwrap();
    drop(gateway);
}

#[test]
fn a_second_signal_stops_the_process_immediately() {
    let environment = environment(&[]);
    let mut gateway = environment.serve().unwrap();
    let client = environment.gateway.clone();
    let sending =
        thread::spawn(move || client.call("POST", "/api/messages/send", &[], Some(&template(SLOW))));
    accepted(&environment, 1);
    gateway.signal("TERM").unwrap();
    let log = environment.directory.path("serve.log");
    wait_for("the word about a second signal", SOON, || {
        Ok(std::fs::read_to_string(&log)?.contains("a second signal stops immediately").then_some(()))
    })
    .unwrap();
    assert_eq!(gateway.end().unwrap(), None, "it did not wait for the send");
    let started_at = now();
    gateway.signal("TERM").unwrap();
    assert_eq!(gateway.wait(SOON).unwrap().code(), Some(143));
    assert!(started_at.elapsed() < Duration::from_secs(3), "it took {:?}", started_at.elapsed());
    assert!(matches!(sending.join().unwrap(), CallOutcome::Interrupted(_)));
}

#[test]
fn a_client_disconnect_during_a_send_changes_nothing() {
    let environment = environment(&[]);
    let gateway = environment.serve().unwrap();
    let fault = serde_json::json!({ "match": { "path": environment.messages_path }, "action": "delay", "delay_ms": 1_000 });
    environment.simulator.call_with_retries("POST", "/_sim/faults", Some(&fault)).unwrap();
    let key = [("Idempotency-Key", "once")];
    let body = template(QUICK);
    let before_disconnect = || drop(accepted(&environment, 1));
    let left = environment.gateway.call_and_disconnect("/api/messages/send", &key, &body, before_disconnect);
    assert!(matches!(left, CallOutcome::Interrupted(_)), "{left:?}");

    let outcome = wait_for("the first answer", SOON, || {
        match environment.gateway.call("POST", "/api/messages/send", &key, Some(&body)) {
            CallOutcome::Answered(response) if response.status == 409 => Ok(None),
            expected @ (CallOutcome::NotConnected
            | CallOutcome::Interrupted(_)
            | CallOutcome::Answered(_)) => Ok(Some(expected)),
        }
    });
    let outcome = outcome.unwrap();
    let (status, id, wamid) = crate::support::sent(&outcome);
    let accepted = environment.accepted().unwrap();
    assert_eq!((status, accepted.len()), (200, 1), "{outcome:?} {accepted:?}");
    let first = accepted.first().unwrap();
    assert_eq!(first.get("biz_opaque_callback_data").and_then(Value::as_str), Some(id));
    assert_eq!(first.get("message_id").and_then(Value::as_str), Some(wamid));
    drop(gateway);
}
