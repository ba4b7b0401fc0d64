//! Cache of templates, and the times of the calls that read templates from Meta.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use domain::id::WorkspaceId;
use domain::meta_error::{MetaError, MetaErrorClass};
use jiff::{SignedDuration, Timestamp};

use crate::ports::{StoredTemplate, UpstreamError};

/// Minimum time between two lookups of a template name at Meta.
const LOOKUP_INTERVAL: SignedDuration = SignedDuration::from_secs(60);
/// Maximum number of templates, and of finished lookups, in the cache.
const CACHE_CAPACITY: usize = 10_000;
/// Wait after a rate limit error of Meta for which neither the response nor Meta's documentation names a wait, in
/// seconds.
const DEFAULT_LIMIT_WAIT: u32 = 1;
/// Maximum wait after a rate limit error of Meta, in seconds.
const MAX_LIMIT_WAIT: u32 = 3_600;

/// Cache of templates, and the times of the calls that read templates from Meta.
#[derive(Default)]
pub struct TemplateCache {
    entries: Mutex<CacheEntries>,
    lookups: Mutex<Lookups>,
    /// Rate limits of Meta that have not ended, by WhatsApp Business Account.
    limits: Mutex<BTreeMap<WabaKey, RateLimited>>,
    /// Times of the next background synchronizations.
    pub(super) next_syncs: Mutex<BTreeMap<WabaKey, Timestamp>>,
}

#[derive(Default)]
struct CacheEntries {
    revision: i64,
    templates: BTreeMap<CacheKey, Arc<StoredTemplate>>,
}

#[derive(Default)]
struct Lookups {
    /// Locks that allow one lookup of a template name at a time.
    locks: BTreeMap<LookupKey, Arc<tokio::sync::Mutex<()>>>,
    /// Last lookup of each template name.
    finished: BTreeMap<LookupKey, FinishedLookup>,
    n_finished: u64,
}

/// Finished lookup of a template name at Meta.
#[derive(Clone, Debug)]
pub(super) struct FinishedLookup {
    /// Number of the lookup in this process.
    number: u64,
    at: Timestamp,
    /// Error of Meta; `None` if Meta returned the templates and they are stored.
    failure: Option<UpstreamError>,
}

/// Rate limit of Meta for the calls of a WhatsApp Business Account.
#[derive(Clone, Debug)]
struct RateLimited {
    until: Timestamp,
    error: UpstreamError,
}

/// Unique key of a template: workspace; WhatsApp Business Account, name and language as one text.
pub(super) type CacheKey = (WorkspaceId, String);
/// Unique key of a template name: workspace; WhatsApp Business Account and name as one text.
pub(super) type LookupKey = (WorkspaceId, String);
/// Unique key of a WhatsApp Business Account: workspace, Meta's ID.
pub(super) type WabaKey = (WorkspaceId, String);

pub(super) fn cache_key(workspace: WorkspaceId, waba_id: &str, name: &str, language: &str) -> CacheKey {
    (workspace, format!("{waba_id}/{name}/{language}"))
}

pub(super) fn lookup_key(workspace: WorkspaceId, waba_id: &str, name: &str) -> LookupKey {
    (workspace, format!("{waba_id}/{name}"))
}

impl TemplateCache {
    fn entries(&self) -> MutexGuard<'_, CacheEntries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lookups(&self) -> MutexGuard<'_, Lookups> {
        self.lookups.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn limits(&self) -> MutexGuard<'_, BTreeMap<WabaKey, RateLimited>> {
        self.limits.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the revision of the store to which the cache belongs.
    pub(super) fn revision(&self) -> i64 {
        self.entries().revision
    }

    /// Clears the cached templates if their revision is not the revision of the store. Finished lookups stay: their
    /// times limit the calls to Meta.
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

    /// Returns the last lookup of a template name.
    pub(super) fn finished_lookup(&self, key: &LookupKey) -> Option<FinishedLookup> {
        self.lookups().finished.get(key).cloned()
    }

    /// Records a lookup of a template name that has ended.
    pub(super) fn record_lookup(&self, key: LookupKey, failure: Option<UpstreamError>, now: Timestamp) {
        let mut lookups = self.lookups();
        if lookups.finished.len() >= CACHE_CAPACITY && !lookups.finished.contains_key(&key) {
            lookups.finished.retain(|_, lookup| lookup.is_recent(now));
        }
        if lookups.finished.len() >= CACHE_CAPACITY && !lookups.finished.contains_key(&key) {
            let oldest = lookups.finished.iter().min_by_key(|(_, lookup)| lookup.number);
            if let Some(oldest) = oldest.map(|(key, _)| key.clone()) {
                lookups.finished.remove(&oldest);
            }
        }
        lookups.n_finished = lookups.n_finished.saturating_add(1);
        let number = lookups.n_finished;
        lookups.finished.insert(key, FinishedLookup { number, at: now, failure });
    }

    /// Returns the lock for a lookup of a template name at Meta.
    pub(super) fn lookup_lock(&self, key: &LookupKey) -> Arc<tokio::sync::Mutex<()>> {
        let mut lookups = self.lookups();
        lookups.locks.retain(|other, lock| other == key || Arc::strong_count(lock) > 1);
        lookups.locks.entry(key.clone()).or_default().clone()
    }

    /// Returns Meta's rate limit error for the calls of a WhatsApp Business Account, with the rest of the wait; `None` if
    /// no limit is known.
    pub(super) fn rate_limit(&self, key: &WabaKey, now: Timestamp) -> Option<UpstreamError> {
        let limits = self.limits();
        let limited = limits.get(key).filter(|limited| now < limited.until)?;
        let ms = limited.until.duration_since(now).as_millis().saturating_add(999);
        let retry_after = u32::try_from(ms / 1000).ok();
        Some(match &limited.error {
            UpstreamError::Refused(error) => {
                UpstreamError::Refused(MetaError { retry_after, ..error.clone() })
            }
            UpstreamError::Throttled { .. } | UpstreamError::Unreachable(_) => {
                UpstreamError::Throttled { retry_after }
            }
        })
    }

    /// Removes all rate limits of Meta.
    pub(crate) fn clear_rate_limits(&self) {
        self.limits().clear();
    }

    /// Records the result of a call for a WhatsApp Business Account: a rate limit error of Meta, or the end of the limit.
    pub(super) fn record_call<T>(&self, key: WabaKey, result: &Result<T, UpstreamError>, now: Timestamp) {
        let mut limits = self.limits();
        limits.retain(|_, limited| now < limited.until);
        match result {
            Ok(_) => {
                limits.remove(&key);
            }
            Err(error) => {
                if let Some(wait) = rate_limit_wait(error) {
                    let wait = wait.unwrap_or(DEFAULT_LIMIT_WAIT).clamp(1, MAX_LIMIT_WAIT);
                    let until =
                        now.saturating_add(SignedDuration::from_secs(wait.into())).unwrap_or(Timestamp::MAX);
                    limits.insert(key, RateLimited { until, error: error.clone() });
                }
            }
        }
    }
}

impl FinishedLookup {
    fn is_recent(&self, now: Timestamp) -> bool {
        self.at <= now && now.duration_since(self.at) < LOOKUP_INTERVAL
    }

    /// Returns `true` if another lookup is not due.
    ///
    /// A lookup that ended while the caller waited for the lock is the caller's lookup. A failed lookup only delays the
    /// next one if a template is known: then the remembered template decides.
    pub(super) fn is_sufficient(&self, before: Option<&Self>, is_known: bool, now: Timestamp) -> bool {
        let has_ended_since = before.is_none_or(|before| before.number < self.number);
        has_ended_since || self.is_recent(now) && (self.failure.is_none() || is_known)
    }

    pub(super) fn result(self) -> Result<(), UpstreamError> {
        self.failure.map_or(Ok(()), Err)
    }
}

/// Returns the wait of an error that limits the rate of the calls of a WhatsApp Business Account, if the error names one;
/// `None` for other errors.
fn rate_limit_wait(error: &UpstreamError) -> Option<Option<u32>> {
    match error {
        UpstreamError::Refused(error) => match error.call_class() {
            MetaErrorClass::ThrottleNumber | MetaErrorClass::ThrottlePair | MetaErrorClass::ThrottleSpam => {
                Some(error.wait())
            }
            MetaErrorClass::Retry
            | MetaErrorClass::RetryLater
            | MetaErrorClass::SuspendAccount
            | MetaErrorClass::PauseTemplate
            | MetaErrorClass::OptOut
            | MetaErrorClass::LimitMarketing
            | MetaErrorClass::WindowClosed
            | MetaErrorClass::Permanent => None,
        },
        UpstreamError::Throttled { retry_after } => Some(*retry_after),
        UpstreamError::Unreachable(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_767_225_600 + seconds).expect("a time")
    }

    fn key(n: usize) -> LookupKey {
        lookup_key(WorkspaceId::from_bytes([1; 16]), "210987650001234", &n.to_string())
    }

    #[test]
    fn the_number_of_finished_lookups_is_bounded() {
        let cache = TemplateCache::default();
        for n in 0..=CACHE_CAPACITY {
            cache.record_lookup(key(n), None, at(0));
        }
        assert_eq!(cache.lookups().finished.len(), CACHE_CAPACITY);
        assert!(cache.finished_lookup(&key(0)).is_none());
        assert!(cache.finished_lookup(&key(CACHE_CAPACITY)).is_some());
        cache.record_lookup(key(0), None, at(60));
        assert_eq!(cache.lookups().finished.len(), 1);
    }

    #[test]
    fn the_locks_of_lookups_are_removed() {
        let cache = TemplateCache::default();
        let held = cache.lookup_lock(&key(0));
        for n in 1..100 {
            drop(cache.lookup_lock(&key(n)));
        }
        assert!(Arc::ptr_eq(&held, &cache.lookup_lock(&key(0))));
        assert_eq!(cache.lookups().locks.len(), 1);
    }

    #[test]
    fn a_lookup_is_sufficient_for_a_minute_and_a_failure_only_for_a_known_template() {
        let cache = TemplateCache::default();
        let last = |failure: Option<UpstreamError>| {
            cache.record_lookup(key(1), failure, at(0));
            cache.finished_lookup(&key(1)).expect("a lookup")
        };
        let answered = last(None);
        let before = Some(&answered);
        assert!(answered.is_sufficient(before, false, at(59)));
        assert!(!answered.is_sufficient(before, true, at(60)));
        // It ended while the caller waited.
        assert!(answered.is_sufficient(None, false, at(3_600)));
        // The clock of `waypost dev` was set back.
        assert!(!answered.is_sufficient(before, true, at(-1)));
        let failed = last(Some(UpstreamError::Unreachable("timeout".to_owned())));
        assert!(failed.is_sufficient(Some(&failed), true, at(59)));
        assert!(!failed.is_sufficient(Some(&failed), false, at(1)));
    }

    #[test]
    fn a_rate_limit_of_meta_ends_after_its_wait_or_with_a_success() {
        let cache = TemplateCache::default();
        let waba: WabaKey = (WorkspaceId::from_bytes([1; 16]), "1".to_owned());
        let refused = |code, retry_after| {
            Err::<(), _>(UpstreamError::Refused(MetaError { code, retry_after, ..MetaError::default() }))
        };
        cache.record_call(waba.clone(), &refused(80_008, Some(600)), at(0));
        let wait = |now| match cache.rate_limit(&waba, now) {
            Some(UpstreamError::Refused(error)) => Some((error.code, error.retry_after.expect("a wait"))),
            Some(UpstreamError::Throttled { retry_after }) => Some((0, retry_after.expect("a wait"))),
            Some(UpstreamError::Unreachable(_)) | None => None,
        };
        assert_eq!(wait(at(100)), Some((80_008, 500)));
        assert_eq!(wait(at(600)), None);
        cache.record_call(waba.clone(), &refused(80_007, None), at(700));
        assert_eq!(wait(at(701)), Some((80_007, 59)));
        cache.record_call(waba.clone(), &Ok::<_, UpstreamError>(()), at(702));
        assert_eq!(wait(at(702)), None);
        let throttled = UpstreamError::Throttled { retry_after: Some(7_200) };
        cache.record_call(waba.clone(), &Err::<(), _>(throttled), at(702));
        assert_eq!(wait(at(703)), Some((0, 3_599)));
        assert_eq!(wait(at(702 + 3_600)), None);
        cache.record_call(waba.clone(), &refused(190, None), at(9_000));
        assert_eq!(wait(at(9_000)), None);
    }
}
