//! The real program, in real processes: started, asked to end, killed.
//!
//! The only tests that wait for the clock on the wall: each wait is for an event, with a deadline.
#![expect(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test may panic")]

mod backup;
mod chaos;
mod dev;
mod durability;
#[path = "../../../../xtask/src/chaos/harness/mod.rs"]
mod harness;
mod kill_during_send;
mod redrive;
mod shutdown;
mod support;
mod two_processes;
mod webhooks;
