//! Calls to addresses that strangers chose: our customers' endpoints, and media at public URLs.
//!
//! [`HookClient`] is the adapter behind `engine::ports::WebhookSender` and `engine::ports::Fetcher`.
//!
//! **Invariant:** no connection is opened but to an address that the [`Policy`] allows: the URL is checked before it is
//! saved, and whatever its name leads to is checked again at each dial. The name is looked up once for each dial, and
//! the connection goes to what that look-up said.
//!
//! **Invariant:** no redirect is followed, and no proxy is taken from the environment.
//!
//! **Invariant:** every call ends within its deadline, and holds no more of an answer than it keeps.
//!
//! **Invariant:** no secret, header or body is in a reason or a log line.
//!
//! Connections are HTTP/1.1 and our own: each is driven by the call that uses it and by nobody else. A call that is
//! dropped closes its connection, a download is read as fast as it is asked for, and there is no task that a stranger
//! could keep alive.

mod address;
mod answer;
mod client;
mod config;
mod dial;
mod failure;
mod fetch;
mod file_name;
mod guard;
mod line;
mod pool;
mod resolve;
mod sign;
mod wire;

pub use client::HookClient;
pub use config::{HookConfig, HookConfigError, Policy};
pub use resolve::{Resolve, Resolving};
