//! Three rounds of what `cargo xtask chaos` plays for longer.

use crate::ring::rounds::{self, Plan};
use crate::support::{parent, program};

#[test]
fn nothing_is_lost_doubled_or_stuck_when_the_gateway_is_killed_under_load() {
    let plan = Plan { rounds: 3, seed: 4, program: program(), parent: parent(), keep: false };
    let mut story = Vec::new();
    let verdict = rounds::run(&plan, &mut |line| story.push(line)).unwrap();
    assert!(verdict.wrong.is_empty(), "{story:#?}\n{}", verdict.summary);
}
