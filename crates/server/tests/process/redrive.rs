//! `waypost redrive` beside a running gateway.

use serde_json::{Value, json};

use crate::harness::wait_for;
use crate::support::{SOON, environment, sent, template};

#[test]
fn what_came_is_taken_once_more_beside_a_running_gateway_that_takes_and_sends_meanwhile() {
    let environment = environment(&[]);
    let gateway = environment.serve().unwrap();
    let people: Vec<_> = (0..60).map(|n| format!("+1555010{}", 4_000 + n)).collect();
    environment.open_windows(&people).unwrap();
    // Half of the time something else goes on.
    let (told, statuses) = std::thread::scope(|scope| {
        let redriving =
            scope.spawn(|| environment.directory.run(["redrive", "--since", "1d", "--json"]).unwrap());
        let sending = scope.spawn(|| {
            let sends = people.iter().take(30).map(|to| {
                environment
                    .simulator
                    .call_until_answered(
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
    let done: Value = serde_json::from_str(&told).unwrap();
    let count = |name: &str| done.get(name).and_then(Value::as_u64).unwrap();
    assert!(count("posts") > 0 && count("repeated") >= 60, "{told}");
    assert_eq!((count("applied"), count("undecodable"), count("unrouted")), (0, 0, 0), "{told}");
    wait_for("ninety messages of customers, each once", SOON, || {
        let heard = environment.gateway.call_until_answered(
            "GET",
            "/api/messages?direction=inbound&per_page=1",
            None,
        )?;
        Ok((heard.pointer("/data/total").and_then(Value::as_u64) == Some(90)).then_some(()))
    })
    .unwrap();
    drop(gateway);
}
