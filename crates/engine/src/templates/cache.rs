//! Cache of templates.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use domain::id::WorkspaceId;
use jiff::{SignedDuration, Timestamp};

use crate::ports::StoredTemplate;

/// Time for which the cache remembers that a template does not exist at Meta.
const MISSING_TTL: SignedDuration = SignedDuration::from_secs(60);
/// Maximum number of templates, and of missing templates, in the cache.
const CACHE_CAPACITY: usize = 10_000;

/// Cache of templates, and of the fact that a template does not exist.
#[derive(Default)]
pub struct TemplateCache {
    entries: Mutex<CacheEntries>,
    /// Locks that allow one lookup of a template at Meta at a time.
    lookups: Mutex<BTreeMap<CacheKey, Arc<tokio::sync::Mutex<()>>>>,
}

#[derive(Default)]
struct CacheEntries {
    revision: i64,
    templates: BTreeMap<CacheKey, Arc<StoredTemplate>>,
    /// Templates that do not exist, each with the time until which this is assumed.
    missing: BTreeMap<CacheKey, Timestamp>,
}

/// Unique key of a template: workspace; WhatsApp Business Account, name and language as one text.
pub(super) type CacheKey = (WorkspaceId, String);

pub(super) fn cache_key(workspace: WorkspaceId, waba_id: &str, name: &str, language: &str) -> CacheKey {
    (workspace, format!("{waba_id}/{name}/{language}"))
}

impl TemplateCache {
    fn entries(&self) -> MutexGuard<'_, CacheEntries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the revision of the store to which the cache belongs.
    pub(super) fn revision(&self) -> i64 {
        self.entries().revision
    }

    /// Clears the cache if its revision is not the revision of the store.
    pub(crate) fn invalidate(&self, revision: i64) {
        let mut entries = self.entries();
        if entries.revision != revision {
            *entries = CacheEntries { revision, ..CacheEntries::default() };
        }
    }

    pub(super) fn get(&self, key: &CacheKey) -> Option<Arc<StoredTemplate>> {
        self.entries().templates.get(key).cloned()
    }

    /// Inserts a template that was read at this revision of the store.
    pub(super) fn insert(&self, revision: i64, key: CacheKey, template: Arc<StoredTemplate>) {
        let mut entries = self.entries();
        if entries.revision != revision {
            return;
        }
        if entries.templates.len() >= CACHE_CAPACITY {
            entries.templates.clear();
        }
        entries.templates.insert(key, template);
    }

    pub(super) fn is_missing(&self, key: &CacheKey, now: Timestamp) -> bool {
        self.entries().missing.get(key).is_some_and(|until| now < *until)
    }

    pub(super) fn insert_missing(&self, key: CacheKey, now: Timestamp) {
        let mut entries = self.entries();
        if entries.missing.len() >= CACHE_CAPACITY {
            entries.missing.clear();
        }
        entries.missing.insert(key, now.saturating_add(MISSING_TTL).unwrap_or(Timestamp::MAX));
    }

    /// Returns the lock for a lookup of a template at Meta.
    pub(super) fn lookup_lock(&self, key: &CacheKey) -> Arc<tokio::sync::Mutex<()>> {
        let mut lookups = self.lookups.lock().unwrap_or_else(PoisonError::into_inner);
        lookups.retain(|other, lock| other == key || Arc::strong_count(lock) > 1);
        lookups.entry(key.clone()).or_default().clone()
    }
}
