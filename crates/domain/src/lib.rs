//! What messages, numbers, windows and templates are, and what may be done with them.
//!
//! Pure: everything takes the time as an argument and returns a value.
//!
//! **Invariant:** nothing here awaits, reads a clock, draws chance or touches the outside world.
//!
//! **Invariant:** a rule of Meta's stands here once, with its place in the reference sheet.

pub mod access;
pub mod account;
pub mod allowance;
pub mod audit;
pub mod check;
pub mod contact;
pub mod content;
pub mod delivery;
pub mod event;
pub mod hook_header;
pub mod id;
pub mod inbound;
pub mod json;
pub mod login;
pub mod media;
pub mod message;
pub mod meta_error;
pub mod opt_out;
pub mod outcome;
pub mod pace;
pub mod permission;
pub mod phone;
pub mod profile;
pub mod reach;
pub mod retry;
pub mod template;
pub mod user;
pub mod window;
