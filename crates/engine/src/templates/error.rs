//! Error of operations on templates.

use crate::ports::{StoreError, UpstreamError};

/// Error of an operation on templates.
#[derive(Debug, thiserror::Error)]
pub enum TemplateError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Meta refused the call or could not be reached.
    #[error(transparent)]
    Upstream(#[from] UpstreamError),
}
