//! The outside world, as the engine sees it.
//!
//! **Invariant:** a port takes and returns values of the domain. No connection, no transaction, no wire type crosses it.

mod access;
mod accounts;
mod clock;
mod contacts;
mod egress;
mod events;
#[cfg(feature = "test-support")]
mod fault_port;
mod maintenance;
mod media;
mod message_records;
mod messages;
mod port_macro;
mod storage;
mod templates;
mod upstream;
mod webhooks_in;
mod webhooks_out;

pub use access::*;
pub use accounts::*;
pub use clock::*;
pub use contacts::*;
pub use egress::*;
pub use events::*;
#[cfg(feature = "test-support")]
pub use fault_port::{FaultInjector, FaultPort};
pub use maintenance::*;
pub use media::*;
pub use message_records::*;
pub use messages::*;
pub use storage::*;
pub use templates::*;
pub use upstream::*;
pub use webhooks_in::*;
pub use webhooks_out::*;
