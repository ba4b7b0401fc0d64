//! Files that were downloaded from links recently.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use domain::id::{AccountId, MediaId, WorkspaceId};
use jiff::{SignedDuration, Timestamp};

/// Time for which a downloaded file is used again without a request: Meta caches the file of a link for ten minutes, too.
///
/// Meta: Media caching, <https://developers.facebook.com/docs/whatsapp/cloud-api/reference/media>
const CACHE_PERIOD: SignedDuration = SignedDuration::from_mins(10);
/// Maximum number of links in the cache.
const MAX_LINKS: usize = 1_000;

/// Link that an account downloaded.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct LinkKey {
    pub(super) workspace: WorkspaceId,
    pub(super) account: AccountId,
    pub(super) url: String,
}

/// File of a link, and the name that the link gives to it. Files with the same content have one record.
#[derive(Clone)]
pub(super) struct LinkedFile {
    pub(super) media: MediaId,
    pub(super) file_name: Option<String>,
}

/// Downloaded file of a link.
struct CachedLink {
    file: LinkedFile,
    downloaded_at: Timestamp,
}

impl CachedLink {
    fn is_valid(&self, now: Timestamp) -> bool {
        now.duration_since(self.downloaded_at) < CACHE_PERIOD
    }
}

/// Cache of downloaded files, by link.
#[derive(Default)]
pub(super) struct LinkCache {
    links: Mutex<BTreeMap<LinkKey, CachedLink>>,
}

impl LinkCache {
    pub(super) fn get(&self, key: &LinkKey, now: Timestamp) -> Option<LinkedFile> {
        let links = self.links.lock().unwrap_or_else(PoisonError::into_inner);
        links.get(key).filter(|link| link.is_valid(now)).map(|link| link.file.clone())
    }

    pub(super) fn insert(&self, key: LinkKey, file: LinkedFile, now: Timestamp) {
        let mut links = self.links.lock().unwrap_or_else(PoisonError::into_inner);
        links.retain(|_, link| link.is_valid(now));
        if links.len() < MAX_LINKS {
            links.insert(key, CachedLink { file, downloaded_at: now });
        }
    }
}
