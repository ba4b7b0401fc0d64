//! The page of metrics: counters of the process, and statistics of the store.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use jiff::SignedDuration;

use super::gauges;
use super::label::AccountNames;
use super::text::MetricsPage;
use crate::ports::{Directory, StoreStats};
use crate::{Deps, chain};

/// Time for which statistics of the store are cached.
pub const STATS_TTL: SignedDuration = SignedDuration::from_secs(5);

/// Collects all metrics of the process and the store. The caller may add samples, and finishes the page.
///
/// If the store cannot be read, the metrics of the store are missing.
pub async fn gather(deps: &Deps) -> MetricsPage {
    let mut page = MetricsPage::default();
    let directory = deps.directory.current();
    let names = account_names(&directory);
    let stats = store_stats(deps).await;
    deps.metrics.print(&mut page, &names);
    gauges::add_accounts(&mut page, &directory, &names);
    if let Some(stats) = stats {
        gauges::add_queues(&mut page, &names, &stats, deps.now());
        gauges::add_workspaces(&mut page, &directory, &stats);
        gauges::add_database(&mut page, &stats);
    }
    page
}

fn account_names(directory: &Directory) -> AccountNames {
    let accounts = directory.accounts.iter().filter_map(|record| {
        let account = &record.account;
        let workspace = directory.workspaces.get(&account.workspace)?;
        Some((account.id, (workspace.clone(), account.name.clone())))
    });
    AccountNames(accounts.collect())
}

/// Returns the statistics of the store, not older than [`STATS_TTL`]; `None` if the store cannot be read.
async fn store_stats(deps: &Deps) -> Option<Arc<StoreStats>> {
    let now = deps.now();
    let cached = deps.metrics.stats.lock().unwrap_or_else(PoisonError::into_inner).clone();
    if let Some((read_at, stats)) = cached
        && now.duration_since(read_at).abs() < STATS_TTL
    {
        return Some(stats);
    }
    let result = deps.workers.get_stats(now).await;
    deps.metrics.store_up.store(result.is_ok(), Ordering::Relaxed);
    match result {
        Ok(stats) => {
            let stats = Arc::new(stats);
            let mut cached = deps.metrics.stats.lock().unwrap_or_else(PoisonError::into_inner);
            *cached = Some((now, stats.clone()));
            Some(stats)
        }
        Err(error) => {
            if let Some(n_skipped) = deps.sampled_log.admit("store_statistics", now) {
                tracing::warn!(error = %chain(&error), n_skipped, "could not read the statistics of the store");
            }
            None
        }
    }
}
