//! Cache of the directory.

use std::sync::{Arc, Mutex, PoisonError, RwLock};

use jiff::Timestamp;

use crate::ports::Directory;

/// Cache of the directory.
#[derive(Default)]
pub struct DirectoryCache {
    current: RwLock<Arc<Directory>>,
    pub(super) refreshed_at: Mutex<Option<Timestamp>>,
}

impl DirectoryCache {
    /// Returns the directory as last read.
    pub fn current(&self) -> Arc<Directory> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Stores a directory, unless a concurrent call has stored a newer one: a revoked key must stay revoked.
    pub(super) fn replace(&self, directory: Directory) {
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        if current.revision.directory <= directory.revision.directory {
            *current = Arc::new(directory);
        }
    }
}
