//! Tests with the real program in processes that are started, stopped and killed.
//!
//! Only these tests wait in real time. Each wait is for a condition, with a deadline.
#![expect(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test may panic")]

mod abuse;
mod backup;
mod chaos;
mod command_line;
mod dev;
mod durability;
#[path = "../../../../xtask/src/chaos/harness/mod.rs"]
mod harness;
mod kill_during_send;
mod listen;
mod redrive;
mod shutdown;
mod support;
mod two_processes;
mod webhooks;
