//! Ports: interfaces of the engine to databases, networks, files, the clock and random numbers.
//!
//! **Invariant:** ports take and return values of the engine and the domain, not connections, transactions or wire types.

mod access;
mod accounts;
mod clock;
mod contacts;
mod egress;
mod events;
#[cfg(feature = "test-support")]
mod fault_injection;
mod lease;
mod maintenance;
mod media;
mod message_records;
mod messages;
mod port_macro;
mod recipient;
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
pub use fault_injection::{FaultInjector, FaultPort};
pub use lease::*;
pub use maintenance::*;
pub use media::*;
pub use message_records::*;
pub use messages::*;
pub use recipient::*;
pub use storage::*;
pub use templates::*;
pub use upstream::*;
pub use webhooks_in::*;
pub use webhooks_out::*;
