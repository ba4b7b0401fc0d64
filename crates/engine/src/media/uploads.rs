//! Uploads to Meta that are under way: whoever needs the same one waits for it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use domain::messages::outcome::SendOutcome;
use tokio::sync::watch;

use crate::ports::UploadKey;

/// How an upload ended: Meta's id, or what came instead.
pub(super) type Uploaded = Result<String, SendOutcome>;

/// The uploads under way.
#[derive(Clone, Default)]
pub(super) struct Uploads {
    running: Arc<Mutex<BTreeMap<UploadKey, watch::Receiver<Option<Uploaded>>>>>,
}

/// Who does it.
pub(super) enum Turn {
    /// Whoever asked.
    Lead(Lead),
    /// Somebody else: this hears of the end. An error means that nobody does it any more.
    Follow(watch::Receiver<Option<Uploaded>>),
}

impl Uploads {
    /// Begins an upload, or joins the one that is under way.
    pub(super) fn enter(&self, key: &UploadKey) -> Turn {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(end) = running.get(key) {
            return Turn::Follow(end.clone());
        }
        let (tell, told) = watch::channel(None);
        running.insert(key.clone(), told);
        Turn::Lead(Lead { uploads: self.clone(), key: key.clone(), tell })
    }
}

/// The right to do an upload. Dropped without a word (a panic), it goes to the next.
pub(super) struct Lead {
    uploads: Uploads,
    key: UploadKey,
    tell: watch::Sender<Option<Uploaded>>,
}

impl Lead {
    /// Tells everybody how it ended.
    pub(super) fn tell(self, end: &Uploaded) {
        self.tell.send_replace(Some(end.clone()));
    }
}

impl Drop for Lead {
    fn drop(&mut self) {
        self.uploads.running.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.key);
    }
}
