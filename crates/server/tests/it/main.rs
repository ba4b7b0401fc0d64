//! The whole server in this process, against the simulator, on a clock that stands still.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

mod access;
mod api_keys;
mod audit;
mod bad_input;
mod broken_store;
mod contract;
mod crash;
mod door;
mod event_page;
mod events;
mod faults;
#[cfg(target_os = "linux")]
mod full_disk;
mod hang_up;
mod idempotency;
mod judge;
mod lists;
mod login;
mod media_in;
mod media_out;
mod mended;
mod openapi;
mod outcomes;
mod pacing;
mod people;
mod queue;
mod rate_limits;
mod receiver;
mod rehearsal;
mod seed;
mod support;
mod templates;
mod types;
mod users;
mod walls;
mod webhooks;
mod windows;
mod wrapped;
mod wrapped_media;
