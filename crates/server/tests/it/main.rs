//! The whole server in this process, against the simulator, on a clock that stands still.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

mod access;
mod accounts;
mod bad_input;
mod broken_store;
mod crash;
mod door;
mod events;
mod faults;
#[cfg(target_os = "linux")]
mod full_disk;
mod hang_up;
mod idempotency;
mod judge;
mod lists;
mod mended;
mod outcomes;
mod pacing;
mod queue;
mod rate_limits;
mod receiver;
mod rehearsal;
mod seed;
mod support;
mod template_office;
mod templates;
mod types;
mod v1;
mod verdicts;
mod webhooks;
mod windows;
mod wrapped;
