//! Number of lists that each caller reads at the same time.
//!
//! **Invariant:** a caller with many requests for lists delays its own lists, not those of other callers.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use domain::id::OwnerId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Maximum number of lists that an API key or a user reads at the same time.
pub const MAX_CONCURRENT: usize = 2;
/// Maximum number of lists of an API key or a user that wait for their turn.
pub const MAX_WAITING: usize = 8;

/// Lists that are read now, or wait, of each caller.
#[derive(Debug, Default)]
pub struct ListReads {
    callers: Arc<Mutex<BTreeMap<OwnerId, CallerReads>>>,
}

#[derive(Debug)]
struct CallerReads {
    n_open: usize,
    turns: Arc<Semaphore>,
}

/// Error of a caller with [`MAX_WAITING`] waiting lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many lists of one caller at the same time")]
pub struct TooManyListReads;

impl ListReads {
    /// Waits for the turn of a caller's list. The turn ends when the guard is dropped.
    ///
    /// # Errors
    /// Too many lists of the caller wait.
    pub async fn turn(&self, owner: OwnerId) -> Result<ListRead, TooManyListReads> {
        let (open, turns) = self.open(owner)?;
        let permit = turns.acquire_owned().await.map_err(|_| TooManyListReads)?;
        Ok(ListRead { _permit: permit, _open: open })
    }

    fn open(&self, owner: OwnerId) -> Result<(OpenRead, Arc<Semaphore>), TooManyListReads> {
        let mut callers = self.callers.lock().unwrap_or_else(PoisonError::into_inner);
        let reads = callers
            .entry(owner)
            .or_insert_with(|| CallerReads { n_open: 0, turns: Arc::new(Semaphore::new(MAX_CONCURRENT)) });
        if reads.n_open >= MAX_CONCURRENT + MAX_WAITING {
            return Err(TooManyListReads);
        }
        reads.n_open = reads.n_open.saturating_add(1);
        Ok((OpenRead { callers: self.callers.clone(), owner }, reads.turns.clone()))
    }
}

/// List that is being read.
#[derive(Debug)]
pub struct ListRead {
    _permit: OwnedSemaphorePermit,
    _open: OpenRead,
}

/// List that is being read or waits.
#[derive(Debug)]
struct OpenRead {
    callers: Arc<Mutex<BTreeMap<OwnerId, CallerReads>>>,
    owner: OwnerId,
}

impl Drop for OpenRead {
    fn drop(&mut self) {
        let mut callers = self.callers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(reads) = callers.get_mut(&self.owner) {
            reads.n_open = reads.n_open.saturating_sub(1);
            if reads.n_open == 0 {
                callers.remove(&self.owner);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_caller_has_two_turns_and_eight_waiting_lists() {
        let reads = Arc::new(ListReads::default());
        let [one, other] = [1, 2].map(|byte| OwnerId::from_bytes([byte; 16]));
        let first = reads.turn(one).await.unwrap();
        let second = reads.turn(one).await.unwrap();
        let waiting: Vec<_> = (0..MAX_WAITING).map(|_| reads.open(one).unwrap()).collect();
        assert_eq!(reads.turn(one).await.unwrap_err(), TooManyListReads);
        assert!(waiting.iter().all(|(_, turns)| turns.try_acquire().is_err()));
        drop(reads.turn(other).await.unwrap());
        drop(first);
        assert!(waiting.first().unwrap().1.try_acquire().is_ok());
        drop((second, waiting));
        assert!(reads.callers.lock().unwrap().is_empty());
    }
}
