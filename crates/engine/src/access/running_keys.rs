//! Idempotency keys of the requests that are running in this process.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use domain::id::OwnerId;

/// Owner of a key, and the key.
type OwnedKey = (OwnerId, String);
/// SHA-256 of a request.
type RequestDigest = [u8; 32];

/// Requests with an idempotency key that are running in this process.
#[derive(Clone, Default)]
pub struct RunningKeys {
    digests: Arc<Mutex<BTreeMap<OwnedKey, Option<RequestDigest>>>>,
}

/// Running request that has the idempotency key of a new request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdempotencyKeyInUse {
    /// The running request is equal to the new request.
    SameRequest,
    /// The running request has another path or body.
    OtherRequest,
}

impl RunningKeys {
    /// Reserves a key until the guard is dropped. A digest of `None` is not known yet: the body is read as a stream.
    ///
    /// # Errors
    /// A request with this key is running.
    pub fn acquire(
        &self,
        owner: OwnerId,
        key: &str,
        digest: Option<RequestDigest>,
    ) -> Result<RunningKey, IdempotencyKeyInUse> {
        let mut digests = self.digests.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (owner, key.to_owned());
        match digests.get(&key) {
            Some(Some(running)) if digest.is_some_and(|digest| *running != digest) => {
                Err(IdempotencyKeyInUse::OtherRequest)
            }
            Some(_) => Err(IdempotencyKeyInUse::SameRequest),
            None => {
                digests.insert(key.clone(), digest);
                Ok(RunningKey { keys: self.clone(), key })
            }
        }
    }
}

/// Idempotency key of a running request.
pub struct RunningKey {
    keys: RunningKeys,
    key: OwnedKey,
}

impl Drop for RunningKey {
    fn drop(&mut self) {
        self.keys.digests.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.key);
    }
}
