//! The executable's inside: HTTP, webhooks, the loops, configuration and command line.
//!
//! A library only so that tests can run the whole server in their own process; `main.rs` calls [`main`].
//!
//! **Invariant:** this is the one crate that names concrete adapters.

mod api;
mod cli;
mod client;
mod clock;
mod config;
mod docs;
mod health;
mod listen;
pub mod metrics;
pub mod passwords;
mod random;
mod redrive;
pub mod run;
mod telemetry;
pub mod traces;
mod webhook;

pub use cli::main;
pub use redrive::{Redriven, redrive};
