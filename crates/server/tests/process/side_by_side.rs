//! Two gateways on one database.

use serde_json::Value;

use crate::ring::client::{Client, Heard};
use crate::ring::place::free_address;
use crate::ring::process::Process;
use crate::ring::wait_for;
use crate::support::{SOON, accepted, batch, queued, references, status, world};

#[test]
fn two_gateways_on_one_database_hand_each_queued_message_over_once() {
    let world = world(&[("WAYPOST_PACING__PAIR_RULE", "false"), ("WAYPOST_PACING__THROUGHPUT", "50")]);
    let first = world.serve().unwrap();
    let address = free_address(world.place.simulator.port()).unwrap();
    let mut command = world.place.command(["serve", "--listen", &address.to_string()]);
    let second = Process::start("the second gateway", &mut command, &world.place.path("second.log")).unwrap();
    wait_for("the second gateway", SOON, || {
        let heard = Client::of(address).call("GET", "/readyz", &[], None);
        Ok(matches!(heard, Heard::Answer(answer) if answer.status == 200).then_some(()))
    })
    .unwrap();

    let messages: Vec<Value> = (0..100).map(|n| queued(&format!("+1555010{}", 3_000 + n % 50))).collect();
    batch(&world, world.place.gateway, &messages);
    batch(&world, address, &messages);
    accepted(&world, 200);
    // Nothing comes after them.
    wait_for("an empty queue", SOON, || {
        let is_open = |row: &Value| matches!(status(row), "queued" | "sending");
        Ok((!world.stored()?.iter().any(is_open)).then_some(()))
    })
    .unwrap();
    let accepted = world.accepted().unwrap();
    let references = references(&accepted);
    assert_eq!((references.len(), accepted.len()), (200, 200), "{references:?}");
    drop((first, second));
}
