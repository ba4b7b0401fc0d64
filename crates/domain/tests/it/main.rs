//! Tests of the public interface of the crate.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test may panic")]

mod buttons;
mod draft;
mod interactive;
mod library;
mod limits;
mod media;
mod mismatch;
mod order;
mod properties;
mod simple;
mod support;
mod template;
