//! What the crate promises, tested from outside.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test may panic")]

mod buttons;
mod draft;
mod interactive;
mod limits;
mod media;
mod mismatch;
mod order;
mod properties;
mod simple;
mod support;
mod template;
