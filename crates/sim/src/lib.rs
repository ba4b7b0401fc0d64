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

mod book;
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
mod magic;
mod phone;
mod seed;
mod send;
mod serve;
mod settings;
mod shape;
mod sim;
mod state;
mod statuses;
mod template;
mod throttle;

pub use crate::{
    book::Status,
    control::{
        accounts::NewAccount,
        faults::{Fault, FaultAction, FaultAnswer},
        replay::{Order, Redelivery},
        tokens::TokenChange,
    },
    deliver::Transport,
    error::SimError,
    graph::{Cut, Delay},
    hooks::Webhook,
    inbound::InboundMessage,
    seed::{PIN, SimAccount, VERIFICATION_CODE, VERIFY_TOKEN},
    settings::{Escape, Settings},
    sim::{AcceptedMessage, Mode, Options, Sim},
    statuses::{StatusReport, Step},
    template::life::Review,
};
