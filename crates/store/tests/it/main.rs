//! The promises of the store, each tried on a real file.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod accounts;
mod contacts;
mod durability;
mod messages;
mod reports;
mod support;
mod work;
