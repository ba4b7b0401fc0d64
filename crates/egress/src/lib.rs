//! Calls to addresses that users configured: webhook endpoints, and media at public URLs.
//!
//! [`EgressClient`] is the adapter behind `engine::ports::WebhookSender` and `engine::ports::Fetcher`.
//!
//! **Invariant:** a connection is opened only to an address that the [`Policy`] allows. The URL is checked before it
//! is saved, and the addresses that its name resolves to are checked again at each connect. The name is resolved once
//! per connect, and the connection goes to one of those addresses.
//!
//! **Invariant:** a post to a webhook endpoint follows no redirect. A download follows a few redirects, and each URL
//! passes the same checks as the first.
//!
//! **Invariant:** no proxy is taken from the environment.
//!
//! **Invariant:** every call ends within its deadline, and holds no more of a response than it stores.
//!
//! **Invariant:** no secret, header or body appears in an error or a log entry.
//!
//! Connections are HTTP/1.1, and each is driven only by the call that uses it. A call that is dropped closes its
//! connection, a download is read only as fast as it is consumed, and no background task depends on the other side.

mod address;
mod client;
mod config;
mod connection;
mod dial;
mod error;
mod fetch;
mod pool;
mod resolve;
mod response_head;
mod sign;
mod stream;
mod url_guard;

pub use client::EgressClient;
pub use config::{EgressConfig, EgressConfigError, Policy};
pub use resolve::{NameResolver, Resolving};
