//! Rules of the gateway.
//!
//! All functions are pure: they take the time and random numbers as arguments and return a value.
//!
//! **Invariant:** nothing here awaits, reads a clock, draws random numbers or does I/O.
//!
//! **Invariant:** each rule of Meta is written here once.

pub mod access;
pub mod accounts;
pub mod check;
pub mod contacts;
pub mod events;
pub mod id;
pub mod json;
pub mod media;
pub mod messages;
pub mod meta_error;
pub mod retry_after;
pub mod templates;
pub mod text_enum;
pub mod time;
pub mod webhooks_in;
pub mod webhooks_out;
