//! Where the content of files is kept: in a folder, or in a bucket that speaks S3's language.
//!
//! Both are adapters behind `engine::ports::Blobs`.
//!
//! **Invariant:** under a key there is the whole of a file or nothing.
//!
//! **Invariant:** a key is made of two ids of ours: no name that a stranger chose becomes a path.
//!
//! **Invariant:** a file goes through in pieces; a bucket's part ([`PART`]) is the most that is held of it.

mod file;
mod object;
mod transport;

pub use file::FolderBlobs;
pub use object::{BucketBlobs, BucketError, BucketSettings, PART};
