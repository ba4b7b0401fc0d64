//! Leases whose task ended without a result, because of a panic.

use std::sync::{Arc, Mutex, PoisonError};

use crate::Deps;
use crate::ports::{AttemptResult, Lease, StoreError};

/// Lease of a running task. If the task panics, the lease is dropped, and [`finish_dropped_leases`] finishes it.
pub(crate) struct LeaseGuard {
    lease: Option<Lease>,
    dropped: Arc<Mutex<Vec<Lease>>>,
}

impl LeaseGuard {
    pub(crate) fn new(deps: &Deps, lease: Lease) -> Self {
        Self { lease: Some(lease), dropped: deps.dropped.clone() }
    }

    /// Ends the guard of a task that has stored its result.
    pub(crate) fn disarm(mut self) {
        self.lease = None;
    }
}

impl Drop for LeaseGuard {
    fn drop(&mut self) {
        if let Some(lease) = self.lease.take() {
            self.dropped.lock().unwrap_or_else(PoisonError::into_inner).push(lease);
        }
    }
}

/// Finishes the leases of tasks that panicked: the outcome of their messages is unknown. Returns the number of leases.
pub(crate) async fn finish_dropped_leases(deps: &Deps) -> Result<u32, StoreError> {
    let mut n_finished = 0;
    while let Some(lease) = deps.next_dropped() {
        let result = AttemptResult::Unknown { reason: "the task ended without a result".to_owned() };
        if let Err(error) = deps.messages.finish_attempt(&lease, &result, None, deps.now()).await {
            deps.put_dropped(lease);
            return Err(error);
        }
        n_finished += 1;
    }
    Ok(n_finished)
}
