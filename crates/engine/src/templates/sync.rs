//! Synchronization of templates with Meta's list, on request and in the background.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError};

use domain::access::audit::{AuditAction, AuditEntry, AuditTarget, AuditTargetKind};
use domain::id::TemplateId;
use jiff::{SignedDuration, Timestamp};
use sha2::{Digest as _, Sha256};

use super::cache::WabaKey;
use super::error::TemplateError;
use crate::ports::{
    AccountRecord, ListedTemplate, StoreError, TemplateQuery, TemplateSync, TemplateSyncCounts,
    TemplateSyncScope, UpstreamError,
};
use crate::{AuditContext, Deps, accounts, directory};

/// Maximum number of pages of Meta's list that are read. A page has 100 templates, and Meta allows 6,000 templates.
const MAX_PAGES: usize = 200;
/// Maximum number of WhatsApp Business Accounts that one round of the background synchronizes.
const MAX_SYNCS: usize = 20;
/// Wait before the background repeats a failed synchronization.
const FAILED_SYNC_WAIT: SignedDuration = SignedDuration::from_mins(15);

/// Time for which a new template may be missing in Meta's list.
const LISTING_DELAY: SignedDuration = SignedDuration::from_mins(10);

/// Returns the time before which a template must have been written to be in a list that is fetched from now on.
pub(super) fn listed_if_written_before(deps: &Deps) -> Timestamp {
    deps.now().saturating_sub(LISTING_DELAY).unwrap_or(Timestamp::MIN)
}

/// Meta's list of templates.
pub(super) struct FetchedTemplates {
    pub(super) listed: Vec<ListedTemplate>,
    /// `false` if the list has templates that cannot be read: a template that is not listed may exist.
    is_complete: bool,
}

impl FetchedTemplates {
    /// Returns the scope of the list: `scope`, if the list is complete.
    pub(super) fn scope(&self, scope: TemplateSyncScope) -> TemplateSyncScope {
        if self.is_complete { scope } else { TemplateSyncScope::Listed }
    }
}

/// Fetches all pages of Meta's list.
pub(super) async fn fetch_all_templates(
    deps: &Deps,
    record: &AccountRecord,
    query: TemplateQuery,
) -> Result<FetchedTemplates, UpstreamError> {
    let result = fetch_pages(deps, record, query).await;
    deps.templates.record_call(waba_key(record), &result, deps.now());
    result
}

async fn fetch_pages(
    deps: &Deps,
    record: &AccountRecord,
    mut query: TemplateQuery,
) -> Result<FetchedTemplates, UpstreamError> {
    let credentials = record.credentials();
    let mut fetched = FetchedTemplates { listed: Vec::new(), is_complete: true };
    for _ in 0..MAX_PAGES {
        let page = deps.upstream.fetch_templates(&credentials, &query).await?;
        fetched.listed.extend(page.templates);
        fetched.is_complete &= !page.has_unreadable;
        match page.after {
            Some(after) if query.after.as_ref() == Some(&after) => {
                return Err(UpstreamError::Unreachable("meta returned the same page twice".to_owned()));
            }
            Some(after) => query.after = Some(after),
            None => return Ok(fetched),
        }
    }
    Err(UpstreamError::Unreachable(format!("the list of templates has more than {MAX_PAGES} pages")))
}

/// Writes listed templates to the store. Templates in the scope that are not listed are deleted.
pub(super) async fn store_listed(
    deps: &Deps,
    record: &AccountRecord,
    listed: Vec<ListedTemplate>,
    scope: TemplateSyncScope,
    entry: Option<AuditEntry>,
) -> Result<TemplateSyncCounts, StoreError> {
    let templates = listed.into_iter().map(|listed| (deps.new_id(TemplateId::from_parts), listed)).collect();
    let account = &record.account;
    deps.template_records
        .sync_templates(TemplateSync {
            workspace: account.workspace,
            waba_id: account.waba_id.clone(),
            templates,
            scope,
            now: deps.now(),
            entry,
        })
        .await
}

/// Synchronizes the templates of the account's WhatsApp Business Account with Meta's list.
///
/// # Errors
/// Meta refused the call or could not be reached, or the store cannot be written. Nothing has changed.
pub async fn sync_templates(
    deps: &Deps,
    audit: &AuditContext,
    record: &AccountRecord,
) -> Result<TemplateSyncCounts, TemplateError> {
    // The caller wants the list as it is. Only a template that is written during the call may be missing in it.
    let written_before = deps.now();
    let fetched = fetch_all_templates(deps, record, TemplateQuery::default()).await?;
    let account = &record.account;
    let subject = AuditTarget {
        kind: AuditTargetKind::Waba,
        id: account.waba_id.clone(),
        name: Some(account.name.clone()),
    };
    let entry = audit
        .entry(deps, account.workspace, AuditAction::TemplatesSynced, subject)
        .with("listed", i64::try_from(fetched.listed.len()).unwrap_or(i64::MAX));
    let scope = fetched.scope(TemplateSyncScope::Waba { written_before });
    let counts = store_listed(deps, record, fetched.listed, scope, Some(entry)).await?;
    directory::refresh(deps).await?;
    Ok(counts)
}

/// Synchronizes the templates of the WhatsApp Business Accounts whose time has come. Each one has its own time within the
/// interval of the settings. Returns the number of synchronized WhatsApp Business Accounts.
///
/// # Errors
/// The store cannot be read or written. A failed call to Meta is no error: the call is repeated later.
pub(crate) async fn sync_due_templates(deps: &Deps) -> Result<usize, StoreError> {
    let Some(interval) = deps.settings.template_sync_interval else { return Ok(0) };
    let records = senders(deps);
    let known: BTreeSet<&WabaKey> = records.keys().collect();
    with_next_syncs(deps, |next_syncs| next_syncs.retain(|key, _| known.contains(key)));
    let (mut n_done, mut n_called) = (0, 0);
    for (key, record) in &records {
        let next = match with_next_syncs(deps, |next_syncs| next_syncs.get(key).copied()) {
            Some(next) => next,
            None => {
                let synced_at = deps.template_records.get_templates_synced_at(key.0, &key.1).await?;
                synced_at.map_or(Timestamp::MIN, |synced_at| next_sync(key, synced_at, interval))
            }
        };
        let now = deps.now();
        // A clock that was set back must not delay the next synchronization.
        let is_due = next <= now || next > now.saturating_add(interval).unwrap_or(Timestamp::MAX);
        let next = if is_due && n_called < MAX_SYNCS {
            n_called += 1;
            // A failed write must not repeat the calls to Meta in the next round.
            let retry_at = now.saturating_add(FAILED_SYNC_WAIT.min(interval)).unwrap_or(Timestamp::MAX);
            with_next_syncs(deps, |next_syncs| next_syncs.insert(key.clone(), retry_at));
            let wait = sync_in_background(deps, record).await?.map(|wait| wait.min(interval));
            n_done += usize::from(wait.is_none());
            match wait {
                None => next_sync(key, deps.now(), interval),
                Some(wait) => deps.now().saturating_add(wait).unwrap_or(Timestamp::MAX),
            }
        } else {
            next
        };
        with_next_syncs(deps, |next_syncs| next_syncs.insert(key.clone(), next));
    }
    Ok(n_done)
}

/// Returns an account that can call Meta for each WhatsApp Business Account. Suspended accounts are skipped.
fn senders(deps: &Deps) -> BTreeMap<WabaKey, Arc<AccountRecord>> {
    let mut records = BTreeMap::new();
    for record in &deps.directory.current().accounts {
        if !accounts::is_suspended(deps, &record.account) {
            records.entry(waba_key(record)).or_insert_with(|| record.clone());
        }
    }
    records
}

/// Synchronizes the templates of one WhatsApp Business Account. Returns the wait before the next attempt if the call
/// failed.
async fn sync_in_background(
    deps: &Deps,
    record: &AccountRecord,
) -> Result<Option<SignedDuration>, StoreError> {
    if let Some(limit) = deps.templates.rate_limit(&waba_key(record), deps.now()) {
        return Ok(Some(failed_sync_wait(&limit)));
    }
    let written_before = listed_if_written_before(deps);
    match fetch_all_templates(deps, record, TemplateQuery::default()).await {
        Ok(fetched) => {
            let scope = fetched.scope(TemplateSyncScope::Waba { written_before });
            store_listed(deps, record, fetched.listed, scope, None).await?;
            directory::refresh(deps).await?;
            Ok(None)
        }
        Err(error) => {
            let account = &record.account;
            tracing::warn!(%error, account.id = %account.id, waba.id = account.waba_id,
                "meta's list of templates could not be read; the call is repeated later");
            Ok(Some(failed_sync_wait(&error)))
        }
    }
}

fn failed_sync_wait(error: &UpstreamError) -> SignedDuration {
    let asked = match error {
        UpstreamError::Refused(error) => error.wait().unwrap_or_default(),
        UpstreamError::Throttled { retry_after } => retry_after.unwrap_or_default(),
        UpstreamError::Unreachable(_) => 0,
    };
    FAILED_SYNC_WAIT.max(SignedDuration::from_secs(asked.into()))
}

/// Returns the time of the first synchronization after `after`: a fixed point of each interval, which differs between
/// WhatsApp Business Accounts, so that their synchronizations do not coincide.
fn next_sync(key: &WabaKey, after: Timestamp, interval: SignedDuration) -> Timestamp {
    let mut digest = Sha256::new();
    digest.update(key.0.as_bytes());
    digest.update(key.1.as_bytes());
    let fraction = digest.finalize().first_chunk::<4>().map_or(0, |bytes| u32::from_be_bytes(*bytes));
    let interval = interval.as_secs().max(1);
    let offset = (interval.saturating_mul(fraction.into())) >> 32;
    let n_passed = after.as_second().saturating_sub(offset).div_euclid(interval);
    let next = n_passed.saturating_add(1).saturating_mul(interval).saturating_add(offset);
    Timestamp::from_second(next).unwrap_or(Timestamp::MAX)
}

fn with_next_syncs<T>(deps: &Deps, change: impl FnOnce(&mut BTreeMap<WabaKey, Timestamp>) -> T) -> T {
    change(&mut deps.templates.next_syncs.lock().unwrap_or_else(PoisonError::into_inner))
}

fn waba_key(record: &AccountRecord) -> WabaKey {
    (record.account.workspace, record.account.waba_id.clone())
}

#[cfg(test)]
mod tests {
    use domain::id::WorkspaceId;

    use super::*;

    #[test]
    fn synchronizations_are_spread_over_the_interval() {
        let interval = SignedDuration::from_hours(6);
        let after = Timestamp::from_second(1_767_225_600).expect("a time");
        let workspace = WorkspaceId::from_bytes([1; 16]);
        let mut quarters = [0; 4];
        for n in 0..400 {
            let key = (workspace, n.to_string());
            let next = next_sync(&key, after, interval);
            let wait = next.duration_since(after);
            assert!(wait > SignedDuration::ZERO && wait <= interval, "{wait:?}");
            assert_eq!(next_sync(&key, next, interval).duration_since(next), interval);
            quarters[usize::try_from(wait.as_secs() * 4 / (interval.as_secs() + 1)).expect("small")] += 1;
        }
        assert!(quarters.iter().all(|n| (60..=140).contains(n)), "{quarters:?}");
    }
}
