//! What the gateway does, told without saying with what.
//!
//! **Invariant:** nothing here names HTTP, SQL or a socket: the outside world is behind [`ports`].
//!
//! **Invariant:** no port is called while another port's call is open.

pub mod access;
pub mod accounts;
pub mod background;
mod chain;
pub mod contacts;
pub mod deps;
pub mod directory;
pub mod events;
mod in_flight;
pub mod maintenance;
pub mod media;
pub mod messages;
pub mod metrics;
pub mod ports;
pub mod spans;
pub mod templates;
pub mod webhooks_in;
pub mod webhooks_out;
pub mod workspace;

pub use crate::access::audit_context::AuditContext;
pub use chain::chain;
pub use deps::{Deps, Settings};
