//! Tests of the crate's public interface: decoding of webhook bodies, and calls to a local server.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may panic")]

mod account_updates;
mod api_calls;
mod http1;
mod http2;
mod management_calls;
mod media;
mod race;
mod robustness;
mod samples;
mod support;
mod tls;
mod unexpected_shapes;
