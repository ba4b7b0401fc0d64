//! The executable's inside: HTTP, webhooks, the loops, configuration and command line.
//!
//! A library only so that tests can run the whole server in their own process; `main.rs` calls [`main`].
//!
//! **Invariant:** this is the one crate that names concrete adapters.

mod api;
mod cli;
mod client_ip;
mod clock;
mod config;
mod docs;
mod health;
pub mod http_options;
mod listen;
pub mod meta_webhook;
pub mod observability;
pub mod passwords;
mod random;
pub mod run;

pub use cli::main;
pub use meta_webhook::{Redriven, redrive};
