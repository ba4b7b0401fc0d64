//! What a place for content promises, tried on a folder, on a store of objects, and on a server that speaks S3.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

mod promises;
mod s3;
mod support;
