//! Two gateways on one database.

use serde_json::Value;

use crate::harness::client::{CallOutcome, Client};
use crate::harness::directory::free_address;
use crate::harness::process::Process;
use crate::harness::wait_for;
use crate::support::{SOON, accepted, batch, environment, queued, references, status};

#[test]
fn two_gateways_on_one_database_send_each_queued_message_once() {
    let environment =
        environment(&[("WAYPOST_PACING__PAIR_RULE", "false"), ("WAYPOST_PACING__THROUGHPUT", "50")]);
    let first = environment.serve().unwrap();
    let address = free_address(environment.directory.simulator.port()).unwrap();
    let mut command = environment.directory.command(["serve", "--listen", &address.to_string()]);
    let second =
        Process::start("the second gateway", &mut command, &environment.directory.path("second.log"))
            .unwrap();
    wait_for("the second gateway", SOON, || {
        let outcome = Client::of(address).call("GET", "/readyz", &[], None);
        Ok(matches!(outcome, CallOutcome::Answered(response) if response.status == 200).then_some(()))
    })
    .unwrap();

    let messages: Vec<Value> = (0..100).map(|n| queued(&format!("+1555010{}", 3_000 + n % 50))).collect();
    batch(&environment, environment.directory.gateway, &messages);
    batch(&environment, address, &messages);
    accepted(&environment, 200);
    // No further messages are sent.
    wait_for("an empty queue", SOON, || {
        let is_open = |row: &Value| matches!(status(row), "queued" | "sending");
        Ok((!environment.stored()?.iter().any(is_open)).then_some(()))
    })
    .unwrap();
    let accepted = environment.accepted().unwrap();
    let references = references(&accepted);
    assert_eq!((references.len(), accepted.len()), (200, 200), "{references:?}");
    drop((first, second));
}
