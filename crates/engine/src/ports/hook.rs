//! What other people's servers are asked for.

use std::pin::Pin;

use async_trait::async_trait;
use bytes::Bytes;
use futures_core::Stream;

/// Fetches files from addresses that callers name.
///
/// **Invariant:** nothing is asked of an address that is not globally routable, however it is spelled or resolved.
#[async_trait]
pub trait Fetcher: Send + Sync {
    /// Asks for a file; a body beyond `max_bytes` ends in an error.
    async fn fetch(&self, url: &str, max_bytes: u64) -> Result<Fetched, FetchError>;
}

/// A file on its way.
pub struct Fetched {
    /// `Content-Type` of the answer.
    pub content_type: Option<String>,
    /// The file's name, by the answer or the address.
    pub file_name: Option<String>,
    /// Its content.
    pub body: Pin<Box<dyn Stream<Item = Result<Bytes, FetchError>> + Send>>,
}

/// Why a file did not come.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// It never will: the address is not allowed, the answer says no, the file is too large.
    #[error("{0}")]
    Refused(String),
    /// It may later.
    #[error("{0}")]
    Unreachable(String),
}
