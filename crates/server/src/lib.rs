//! The server: HTTP API, webhook endpoint for Meta, background loops, configuration and command line.
//!
//! It is a library so that tests can run the whole server in their own process; `main.rs` calls [`main`].
//!
//! **Invariant:** no other crate depends on the concrete adapters.

mod api;
mod cli;
mod client_ip;
mod clock;
mod config;
mod docs;
mod health;
mod host_guard;
pub mod http_options;
mod listen;
pub mod meta_webhook;
pub mod observability;
pub mod passwords;
mod random;
mod request_bodies;
pub mod run;

pub use cli::main;
pub use meta_webhook::{RedriveSummary, redrive};
