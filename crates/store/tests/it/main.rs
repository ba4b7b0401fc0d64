//! The promises of the store, each tried on a real file.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod accounts;
mod contacts;
mod copies;
mod durability;
#[cfg(target_os = "linux")]
mod full_disk;
mod idempotency;
mod media;
mod messages;
mod news;
mod people;
mod queue;
mod queue_laws;
mod reach;
mod registry;
mod reports;
mod retention;
mod support;
mod users;
mod work;
