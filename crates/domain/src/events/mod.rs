//! Events for the application.
//!
//! The data of an event is written once, in the transaction that records the fact. Every endpoint and every redelivery
//! gets the same bytes.
//!
//! **Invariant:** the JSON of the data structures is an API: `docs/events.md` documents it, and a test compares both.

mod data;
mod example;
mod kind;
mod selection;

pub use data::{
    AccountData, ContactData, ContextData, EchoData, ErrorData, IncomingData, MessagingLimitData,
    OutboundData, TemplateData, WebhookData,
};
pub use example::EventExample;
pub use kind::EventKind;
pub use selection::{ALL_EVENTS, EventSelection, EventSelectionError, MAX_PATTERNS, inclusions, is_pattern};
