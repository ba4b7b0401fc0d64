//! A simulated WhatsApp: Meta's Graph API (Cloud API) on one side, the customer's phone on the other.
//!
//! It is written against `shared/reference/cloud-api.md` and shares no code and no types with the gateway, so that two
//! readings of Meta's documents check each other. It runs in a test's process ([`Sim::router`]) or on a port
//! ([`Sim::serve`]), by hand ([`Mode::Explicit`]) or by itself ([`Mode::Auto`]). The calls that move its world from
//! outside are those of the [`control`] module.
//!
//! **Invariant:** it fetches nothing; the only requests it makes go to the callbacks it was given.
//!
//! **Invariant:** the same calls with the same seed on a fixed clock give the same answers, ids and webhooks.
//!
//! **Invariant:** an accepted message is in [`Sim::messages`], once, with the body that came; a refused one is not.
//!
//! **Invariant:** its secrets open nothing: they are constants that anybody may read here.
//!
//! Known quirks (*do not copy*): inbound messages do not count against a number's throughput; all apps of an account
//! see the same statuses at the same time; template review looks at nothing and approves.

mod clock;
mod codes;
mod content;
pub mod control;
mod deliver;
mod disk;
mod error;
mod graph;
mod hooks;
mod ids;
mod inbound;
mod journal;
mod magic;
mod phone;
mod seed;
mod send;
mod serve;
mod settings;
mod sim;
mod state;
mod statuses;
mod template;
mod throttle;
mod validate;

pub use crate::clock::ClockChange;
pub use crate::control::accounts::NewAccount;
pub use crate::control::faults::{Fault, FaultAction, FaultAnswer};
pub use crate::control::replay::{Order, Redelivery};
pub use crate::control::tokens::TokenChange;
pub use crate::deliver::Transport;
pub use crate::error::SimError;
pub use crate::graph::{Cut, Delay};
pub use crate::hooks::Webhook;
pub use crate::inbound::InboundMessage;
pub use crate::journal::Status;
pub use crate::seed::{PIN, SimAccount, VERIFICATION_CODE, VERIFY_TOKEN};
pub use crate::settings::{Escape, Settings};
pub use crate::sim::{AcceptedMessage, Mode, Options, Sim};
pub use crate::statuses::{StatusReport, Step};
pub use crate::template::lifecycle::Review;
