//! Number of event streams and long polls that are open.
//!
//! **Invariant:** neither a caller nor a workspace can take the readers of the others.
//!
//! **Invariant:** a reader that waits holds no connection to the store. Each commit wakes all readers; at most
//! [`MAX_READS`] of them read the log at the same time, so that other reads of the store do not wait for them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use domain::id::{OwnerId, WorkspaceId};
use tokio::sync::{Semaphore, SemaphorePermit};

/// Maximum number of streams and long polls of an API key or a user.
pub const MAX_OF_CALLER: usize = 16;
/// Maximum number of streams and long polls of a workspace.
pub const MAX_OF_WORKSPACE: usize = 256;
/// Maximum number of streams and long polls of the process.
pub const MAX_TOTAL: usize = 1_024;

/// Maximum number of concurrent reads of the event log. The store has more connections that read.
pub const MAX_READS: usize = 2;

/// Open streams and long polls of this process.
#[derive(Debug)]
pub struct EventReaders {
    open: Arc<Mutex<OpenReaders>>,
    reads: Semaphore,
}

impl Default for EventReaders {
    fn default() -> Self {
        Self { open: Arc::default(), reads: Semaphore::new(MAX_READS) }
    }
}

#[derive(Debug, Default)]
struct OpenReaders {
    n_total: usize,
    by_caller: BTreeMap<OwnerId, usize>,
    by_workspace: BTreeMap<WorkspaceId, usize>,
}

domain::text_enum! {
    /// Limits of the number of streams and long polls.
    pub enum EventReaderLimit {
        /// [`MAX_OF_CALLER`].
        Caller = "caller",
        /// [`MAX_OF_WORKSPACE`].
        Workspace = "workspace",
        /// [`MAX_TOTAL`].
        Total = "total",
    }
}

impl EventReaderLimit {
    /// Returns the maximum number of streams and long polls.
    pub fn max(self) -> usize {
        match self {
            Self::Caller => MAX_OF_CALLER,
            Self::Workspace => MAX_OF_WORKSPACE,
            Self::Total => MAX_TOTAL,
        }
    }
}

impl EventReaders {
    /// Opens a stream or a long poll of a caller. It is closed when the guard is dropped.
    ///
    /// # Errors
    /// If too many are open.
    pub fn open(&self, workspace: WorkspaceId, owner: OwnerId) -> Result<EventReader, EventReaderLimit> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let n_of_caller = open.by_caller.get(&owner).copied().unwrap_or(0);
        let n_of_workspace = open.by_workspace.get(&workspace).copied().unwrap_or(0);
        for (n, limit) in [
            (n_of_caller, EventReaderLimit::Caller),
            (n_of_workspace, EventReaderLimit::Workspace),
            (open.n_total, EventReaderLimit::Total),
        ] {
            if n >= limit.max() {
                return Err(limit);
            }
        }
        open.by_caller.insert(owner, n_of_caller.saturating_add(1));
        open.by_workspace.insert(workspace, n_of_workspace.saturating_add(1));
        open.n_total = open.n_total.saturating_add(1);
        Ok(EventReader { readers: self.open.clone(), owner, workspace })
    }

    /// Waits for the turn to read the event log. The turn ends when the permit is dropped; without one, the process stops.
    pub(super) async fn turn(&self) -> Option<SemaphorePermit<'_>> {
        self.reads.acquire().await.ok()
    }
}

/// Open stream or long poll.
#[derive(Debug)]
pub struct EventReader {
    readers: Arc<Mutex<OpenReaders>>,
    owner: OwnerId,
    workspace: WorkspaceId,
}

impl Drop for EventReader {
    fn drop(&mut self) {
        let mut open = self.readers.lock().unwrap_or_else(PoisonError::into_inner);
        open.n_total = open.n_total.saturating_sub(1);
        remove_one(&mut open.by_caller, self.owner);
        remove_one(&mut open.by_workspace, self.workspace);
    }
}

fn remove_one<K: Ord>(counts: &mut BTreeMap<K, usize>, key: K) {
    let n = counts.get(&key).copied().unwrap_or(0).saturating_sub(1);
    if n == 0 {
        counts.remove(&key);
    } else {
        counts.insert(key, n);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn callers_workspaces_and_the_process_have_a_limit_of_readers() {
        let readers = EventReaders::default();
        let open = |owner: u8, workspace: u8| {
            readers.open(WorkspaceId::from_bytes([workspace; 16]), OwnerId::from_bytes([owner; 16]))
        };
        let mut guards = Vec::new();
        for workspace in 0..4 {
            for owner in 0..16 {
                let owner = workspace * 16 + owner;
                guards.extend((0..16).map(|_| open(owner, workspace).unwrap()));
                assert_eq!(open(owner, workspace).unwrap_err(), EventReaderLimit::Caller);
            }
            assert_eq!(open(200, workspace).unwrap_err(), EventReaderLimit::Workspace);
        }
        assert_eq!(open(201, 5).unwrap_err(), EventReaderLimit::Total);
        guards.pop();
        assert!(open(201, 5).is_ok());
        guards.clear();
        let open = readers.open.lock().unwrap();
        assert!(open.n_total == 0 && open.by_caller.is_empty() && open.by_workspace.is_empty());
    }
}
