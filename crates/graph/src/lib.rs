//! Meta's Graph API (WhatsApp Cloud API): what we ask of it, what it answers, and what it tells us.
//!
//! [`GraphClient`] is the adapter behind `engine::ports::{Upstream, MediaUpstream}`. [`decode_webhook`] takes apart what Meta posts to our webhook,
//! [`verify`] proves that it was Meta who posted it.
//!
//! **Invariant:** a send ends as `NotSent` only when it is proven that Meta cannot have had the whole request, as
//! `Refused` or `Stopped` only when an answer says no, and as `Unknown` whenever neither is certain.
//!
//! **Invariant:** nothing that Meta posts is lost: each element is a part with its own bytes, and what cannot be decoded
//! is a part that says why. Only a body that is not JSON is refused.
//!
//! **Invariant:** an access token goes to Meta's own hosts and to the configured ones, whatever an answer names.
//!
//! **Invariant:** no wire type leaves this crate, and no token or message text is logged by it.

mod client;
mod config;
mod decode;
mod lossy;
mod signature;
mod value;
mod walk;
mod wire;

pub use client::GraphClient;
pub use config::{GraphConfig, GraphConfigError, Versions};
pub use decode::{NotJson, decode_webhook};
pub use signature::verify;
