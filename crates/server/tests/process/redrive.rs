//! `waypost redrive` beside a running gateway.

use serde_json::{Value, json};

use crate::harness::wait_for;
use crate::support::{SOON, environment, sent, template};

#[test]
fn a_redrive_runs_beside_a_gateway_that_receives_and_sends() {
    let environment = environment(&[]);
    let gateway = environment.serve().unwrap();
    let recipients: Vec<_> = (0..60).map(|n| format!("+1555010{}", 4_000 + n)).collect();
    environment.open_windows(&recipients).unwrap();
    // Messages are received and sent during the redrive.
    let (expected, statuses) = std::thread::scope(|scope| {
        let redriving =
            scope.spawn(|| environment.directory.run(["redrive", "--since", "1d", "--json"]).unwrap());
        let sending = scope.spawn(|| {
            let sends = recipients.iter().take(30).map(|to| {
                environment
                    .simulator
                    .call_with_retries(
                        "POST",
                        "/_sim/inbound",
                        Some(&json!({"from": to, "message": {"type": "text", "text": {"body": "x"}}})),
                    )
                    .unwrap();
                sent(&environment.gateway.call("POST", "/api/messages/send", &[], Some(&template(to)))).0
            });
            sends.collect::<Vec<_>>()
        });
        (redriving.join().unwrap(), sending.join().unwrap())
    });
    assert_eq!(statuses, [200; 30]);
    let done: Value = serde_json::from_str(&expected).unwrap();
    let count = |name: &str| done.get(name).and_then(Value::as_u64).unwrap();
    assert!(count("payloads") > 0 && count("duplicates") >= 60, "{expected}");
    assert_eq!((count("applied"), count("undecodable"), count("unrouted")), (0, 0, 0), "{expected}");
    wait_for("ninety messages of customers, each once", SOON, || {
        let outcome = environment.gateway.call_with_retries(
            "GET",
            "/api/messages?direction=inbound&per_page=1",
            None,
        )?;
        Ok((outcome.pointer("/data/total").and_then(Value::as_u64) == Some(90)).then_some(()))
    })
    .unwrap();
    drop(gateway);
}
