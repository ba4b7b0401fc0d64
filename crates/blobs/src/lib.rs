//! Storage of file contents: a folder, or a bucket of an S3-compatible object store.
//!
//! Both are adapters behind `engine::ports::Blobs`.
//!
//! **Invariant:** a key has the complete content of a file or nothing.
//!
//! **Invariant:** a key consists of two ids that Waypost created. No name that a user chose becomes part of a path.
//!
//! **Invariant:** content is streamed. At most one part ([`PART`]) of a file is in memory.

mod file;
mod object;
mod transport;

pub use file::FolderBlobs;
pub use object::{BucketBlobs, BucketError, BucketSettings, PART};
