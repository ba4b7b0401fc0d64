//! Meta's Graph API (WhatsApp Cloud API): requests, responses and webhooks.
//!
//! [`GraphClient`] is the adapter behind `engine::ports::{Upstream, MediaUpstream}`. [`decode_webhook`] splits the payload of
//! a webhook into its changes; [`verify`] checks the signature of a webhook.
//!
//! **Invariant:** a send ends as `NotSent` only if it is proven that Meta did not receive the whole request, as
//! `Refused` or `Stopped` only if a response refuses it, and as `Unknown` in every other case.
//!
//! **Invariant:** nothing that Meta posts is lost. Each element becomes a change with its own bytes, and an element
//! that cannot be decoded becomes a change that says why. Only a body that is not JSON is refused.
//!
//! **Invariant:** an access token is sent only to Meta's own hosts and to the configured ones, whatever a response
//! names.
//!
//! **Invariant:** no wire type leaves this crate, and this crate logs no token and no message text.

mod client;
mod config;
mod decode;
mod escapes;
mod json_reader;
mod signature;
mod value;
mod wire;

pub use client::GraphClient;
pub use config::{GraphConfig, GraphConfigError, Versions};
pub use decode::{NotJson, decode_webhook};
pub use signature::{is_signature, verify};
