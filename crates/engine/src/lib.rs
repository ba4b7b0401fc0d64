//! Use cases of the gateway.
//!
//! **Invariant:** no module knows HTTP, SQL or sockets: [`ports`] are the interfaces to the outside.
//!
//! **Invariant:** no port is called during the call of another port.

pub mod access;
pub mod accounts;
pub mod background;
mod chain;
pub mod contacts;
pub mod deps;
pub mod directory;
pub mod events;
mod in_flight;
pub mod list_reads;
pub mod maintenance;
pub mod media;
pub mod messages;
pub mod metrics;
pub mod ports;
pub mod sampled_log;
pub mod side_effects;
pub mod spans;
pub mod templates;
pub mod webhooks_in;
pub mod webhooks_out;
pub mod workspace;

pub use crate::access::audit_context::AuditContext;
pub use chain::chain;
pub use deps::{Deps, Settings};
