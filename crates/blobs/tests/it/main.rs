//! Conformance tests of `Blobs`: a folder, an object store in memory, and an S3-compatible server.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

mod conformance;
mod s3;
mod support;
