//! Three rounds of `cargo xtask chaos`.

use crate::harness::rounds::{self, Plan};
use crate::support::{parent, program};

#[test]
fn no_message_is_lost_duplicated_or_stuck_when_the_gateway_is_killed_under_load() {
    let plan = Plan { rounds: 3, seed: 4, program: program(), parent: parent(), keeps_folder: false };
    let mut detail = Vec::new();
    let report = rounds::run(&plan, &mut |line| detail.push(line)).unwrap();
    assert!(report.problems.is_empty(), "{detail:#?}\n{}", report.summary);
}
