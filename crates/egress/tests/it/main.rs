//! The whole crate from outside: URLs that strangers chose, and sockets of ours on the other side.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may panic"
)]

mod address;
mod dial;
mod fetch;
mod post;
mod reuse;
mod support;
mod tls;
