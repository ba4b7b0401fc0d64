//! The whole server in this process, against the simulator, on a clock that stands still.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

mod access;
mod bad_input;
mod broken_store;
mod contacts;
mod crash;
mod door;
mod erase;
mod events;
mod faults;
#[cfg(target_os = "linux")]
mod full_disk;
mod hang_up;
mod idempotency;
mod import;
mod judge;
mod lists;
mod mended;
mod opt_out;
mod outcomes;
mod pacing;
mod queue;
mod rate_limits;
mod receiver;
mod rehearsal;
mod seed;
mod support;
mod templates;
mod types;
mod webhooks;
mod windows;
mod wrapped;
