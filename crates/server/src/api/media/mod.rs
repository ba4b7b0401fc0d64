//! Upload and download of media files.

pub(crate) mod delete;
pub(crate) mod disposition;
pub(crate) mod download;
pub(crate) mod list;
pub(crate) mod range;
pub(crate) mod serialize;
pub(crate) mod upload;
