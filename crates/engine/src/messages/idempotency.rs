//! Requests with a caller's key that are running in this process: a repetition is told so before it costs a turn.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use domain::id::OwnerId;

/// Whose key it is, and the key.
type Name = (OwnerId, String);
/// SHA-256 of a request.
type Digest = [u8; 32];

/// The requests under way, by owner and key.
#[derive(Clone, Default)]
pub struct RunningKeys {
    digests: Arc<Mutex<BTreeMap<Name, Digest>>>,
}

/// Why a request cannot run beside the one that is running.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It is the same request.
    Same,
    /// It is another one.
    Other,
}

impl RunningKeys {
    /// Takes the key until the guard is dropped.
    ///
    /// # Errors
    /// When a request with this key is running.
    pub fn enter(&self, owner: OwnerId, key: &str, digest: Digest) -> Result<RunningKey, Taken> {
        let mut digests = self.digests.lock().unwrap_or_else(PoisonError::into_inner);
        let name = (owner, key.to_owned());
        match digests.get(&name) {
            Some(running) if *running == digest => Err(Taken::Same),
            Some(_) => Err(Taken::Other),
            None => {
                digests.insert(name.clone(), digest);
                Ok(RunningKey { keys: self.clone(), name })
            }
        }
    }
}

/// A running request.
pub struct RunningKey {
    keys: RunningKeys,
    name: Name,
}

impl Drop for RunningKey {
    fn drop(&mut self) {
        self.keys.digests.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.name);
    }
}
