//! Tests of the crate's public interface: URLs, and local servers that the client calls.

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
