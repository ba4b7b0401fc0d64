//! What messages, numbers, windows and templates are, and what may be done with them.
//!
//! Pure: everything takes the time as an argument and returns a value.
//!
//! **Invariant:** nothing here awaits, reads a clock, draws chance or touches the outside world.
//!
//! **Invariant:** a rule of Meta's stands here once, with its place in the reference sheet.

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
pub mod webhooks_in;
pub mod webhooks_out;
