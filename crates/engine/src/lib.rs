//! What the gateway does, told without saying with what.
//!
//! **Invariant:** nothing here names HTTP, SQL or a socket: the outside world is behind [`ports`].
//!
//! **Invariant:** no port is called while another port's call is open.

pub mod account;
pub mod by;
mod chain;
pub mod contact;
pub mod deliver;
pub mod deps;
pub mod directory;
pub mod event;
pub mod hook_secret;
mod in_flight;
pub mod ingest;
pub mod key;
pub mod media;
pub mod metrics;
pub mod notify;
pub mod number;
mod pacing;
pub mod ports;
pub mod queue;
pub mod read;
pub mod rehearse;
pub mod retention;
pub mod running;
pub mod send;
pub mod session;
pub mod template;
pub mod user;
pub mod webhook;
pub mod work;
pub mod workspace;

pub use by::By;
pub use chain::chain;
pub use deps::{Deps, Settings};
