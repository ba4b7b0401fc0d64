//! A backup of a running gateway, and the queue after the backup was restored.

use serde_json::Value;

use crate::harness::wait_for;
use crate::support::{SOON, accepted, batch, environment, queued, references, status};

#[test]
fn a_restored_backup_sends_no_message_that_the_original_may_have_sent() {
    let environment =
        environment(&[("WAYPOST_PACING__PAIR_RULE", "false"), ("WAYPOST_PACING__THROUGHPUT", "5")]);
    let gateway = environment.serve().unwrap();
    let messages: Vec<Value> = (0..30).map(|n| queued(&format!("+1555010{}", 3_000 + n))).collect();
    batch(&environment, environment.directory.gateway, &messages);
    accepted(&environment, 1);
    let result = environment.directory.run(["backup", "copy.db", "--json"]).unwrap();
    let result: Value = serde_json::from_str(&result).unwrap();
    assert!(result["size"].as_u64() > Some(0) && result["duration_ms"].is_u64(), "{result}");
    let n_left_then = environment.accepted().unwrap().len();
    assert!(n_left_then < 30, "the copy was made too late to show anything");
    accepted(&environment, 30);
    // A database cannot be replaced while a process uses it.
    let refused = environment.directory.run(["restore", "copy.db", "--force"]).unwrap_err().to_string();
    assert!(refused.contains("stop it first"), "{refused}");
    drop(gateway);

    // A crashed process counts as running until it has sent no heartbeat for ten seconds.
    wait_for("the end of the dead process", 2 * SOON, || {
        Ok(environment.directory.run(["restore", "copy.db", "--force"]).ok())
    })
    .unwrap();
    let gateway = environment.serve().unwrap();
    wait_for("messages that are settled", SOON, || {
        let is_open = |row: &Value| matches!(status(row), "queued" | "sending");
        Ok((!environment.stored()?.iter().any(is_open)).then_some(()))
    })
    .unwrap();
    let stored = environment.stored().unwrap();
    assert!(stored.iter().any(|row| status(row) == "unknown"), "{stored:?}");
    // New messages are sent, and no other ones.
    batch(&environment, environment.directory.gateway, &[queued("+15550103999")]);
    accepted(&environment, 31);
    let all = environment.accepted().unwrap();
    let references = references(&all);
    assert_eq!((references.len(), all.len()), (31, 31), "{references:?}");
    drop(gateway);
}

#[test]
fn a_backup_can_be_restored_after_the_gateway_stopped() {
    let environment = environment(&[]);
    let mut gateway = environment.serve().unwrap();
    environment.directory.run(["backup", "copy.db"]).unwrap();
    gateway.signal("TERM").unwrap();
    assert_eq!(gateway.wait(SOON).unwrap().code(), Some(0));
    environment.directory.run(["restore", "copy.db", "--force"]).unwrap();
    drop(gateway);
    drop(environment.serve().unwrap());
}
