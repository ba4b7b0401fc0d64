//! Files: files of inbound messages are downloaded from Meta; files for outbound messages are stored and uploaded to Meta.
//!
//! **Invariant:** the use of memory does not depend on the size of a file: files are streamed.
//!
//! **Invariant:** each stored content has a row, and a row with the state `ready` has complete content.

mod byte_stream;
mod check;
mod delete;
mod inbound;
mod link_cache;
mod outbound;
mod read;
pub(crate) mod state;
mod store;
mod uploads;

pub(crate) use check::{MediaCheck, MediaCheckError, check};
pub use delete::{DeleteMediaError, delete_media};
pub use inbound::{EXPIRY_INTERVAL, POLL_INTERVAL, delete_expired, tick};
pub(crate) use outbound::{MediaError, MediaSender, failure, prepare};
pub use read::{content, find};
pub use state::{Media, MediaPorts, MediaSettings};
pub use store::{MediaStoreError, NewFile, StagedFile, commit_file, discard_file, stage_file};
