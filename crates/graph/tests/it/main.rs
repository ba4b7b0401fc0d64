//! Tests of the crate's public interface: decoding of webhook bodies, and calls to a local server.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may panic")]

mod http1;
mod http2;
mod manage;
mod management;
mod media;
mod questions;
mod race;
mod robust;
mod samples;
mod shape;
mod support;
mod tls;
