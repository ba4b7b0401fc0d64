//! Uploads to Meta in flight: concurrent uploads of the same file share one call (single flight).

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use domain::messages::outcome::SendOutcome;
use tokio::sync::watch;

use crate::ports::UploadKey;

/// Result of an upload: Meta's media ID, or the outcome of the failed call.
pub(super) type UploadResult = Result<String, SendOutcome>;

/// Result of an upload in flight; `None` until the upload ends. The channel closes without a result if the leader panics.
pub(super) type UploadWaiter = watch::Receiver<Option<UploadResult>>;

/// Uploads in flight.
#[derive(Clone, Default)]
pub(super) struct UploadFlights {
    waiters: Arc<Mutex<BTreeMap<UploadKey, UploadWaiter>>>,
}

/// Role of a task in an upload.
pub(super) enum UploadRole {
    /// The task makes the upload.
    Leader(UploadLeader),
    /// The task waits for the upload of another task.
    Waiter(UploadWaiter),
}

impl UploadFlights {
    /// Starts an upload, or joins the upload in flight.
    pub(super) fn join(&self, key: &UploadKey) -> UploadRole {
        let mut waiters = self.waiters.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(waiter) = waiters.get(key) {
            return UploadRole::Waiter(waiter.clone());
        }
        let (result, waiter) = watch::channel(None);
        waiters.insert(key.clone(), waiter);
        UploadRole::Leader(UploadLeader { flights: self.clone(), key: key.clone(), result })
    }
}

/// Task that makes an upload. If the leader is dropped without a result, another task becomes the leader.
pub(super) struct UploadLeader {
    flights: UploadFlights,
    key: UploadKey,
    result: watch::Sender<Option<UploadResult>>,
}

impl UploadLeader {
    /// Sends the result to the waiters.
    pub(super) fn finish(self, result: &UploadResult) {
        self.result.send_replace(Some(result.clone()));
    }
}

impl Drop for UploadLeader {
    fn drop(&mut self) {
        self.flights.waiters.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.key);
    }
}
