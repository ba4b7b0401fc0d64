//! Gauges whose values are read when the page is requested.

use domain::accounts::account::AccountStatus;
use domain::messages::messaging_limit::MessagingLimit;
use jiff::Timestamp;

use super::label::{AccountNames, Label};
use super::list;
use super::series::seconds;
use super::text::MetricsPage;
use crate::ports::{Directory, StoreStats};

/// Adds the gauges of the accounts in the directory.
pub(super) fn add_accounts(page: &mut MetricsPage, directory: &Directory, names: &AccountNames) {
    for record in &directory.accounts {
        let account = &record.account;
        if let Some(labels) = names.resolve(&[Label::Account(account.id)]) {
            let is_suspended = account.status != AccountStatus::Connected;
            page.add_sample(list::ACCOUNT_SUSPENDED, &labels, u8::from(is_suspended));
        }
    }
}

/// Adds the gauges of the message queues.
pub(super) fn add_queues(page: &mut MetricsPage, names: &AccountNames, stats: &StoreStats, now: Timestamp) {
    for account in names.accounts() {
        let Some(labels) = names.resolve(&[Label::Account(account)]) else { continue };
        let queue = stats.queues.get(&account).copied().unwrap_or_default();
        let overdue = queue.due_since.map_or(0, |since| now.duration_since(since).as_micros());
        let n_unknown = stats.unknown.get(&account).copied().unwrap_or(0);
        page.add_sample(list::QUEUE_MESSAGES, &labels, queue.n_messages);
        page.add_sample(list::QUEUE_DEFERRED, &labels, queue.n_deferred);
        page.add_sample(list::QUEUE_OVERDUE, &labels, seconds(u64::try_from(overdue).unwrap_or(0)));
        page.add_sample(list::MESSAGES_UNKNOWN, &labels, n_unknown);
    }
}

/// Adds the gauges of the workspaces: waiting deliveries, and the messaging limit of each WhatsApp Business Account.
pub(super) fn add_workspaces(page: &mut MetricsPage, directory: &Directory, stats: &StoreStats) {
    for (workspace, name) in &directory.workspaces {
        let n_waiting = stats.deliveries_waiting.get(workspace).copied().unwrap_or(0);
        page.add_sample(list::DELIVERIES_WAITING, &[name], n_waiting);
        let mut waba_ids: Vec<_> =
            directory.accounts_of(*workspace).map(|record| &record.account.waba_id).collect();
        waba_ids.sort_unstable();
        waba_ids.dedup();
        for waba_id in waba_ids {
            let labels = [name, waba_id];
            let n_used =
                stats.messaging_limit_usage.get(&(*workspace, waba_id.clone())).copied().unwrap_or(0);
            page.add_sample(list::MESSAGING_LIMIT_USED, &labels, n_used);
            let tiers = directory
                .accounts_of(*workspace)
                .filter(|record| record.account.waba_id == *waba_id)
                .filter_map(|record| record.account.messaging_limit_tier.as_deref());
            match tiers.filter_map(MessagingLimit::from_tier).min() {
                Some(MessagingLimit::Recipients(n)) => page.add_sample(list::MESSAGING_LIMIT, &labels, n),
                Some(MessagingLimit::Unlimited) => page.add_sample(list::MESSAGING_LIMIT, &labels, "+Inf"),
                None => {}
            }
        }
    }
}

/// Adds the gauges of the database files.
pub(super) fn add_database(page: &mut MetricsPage, stats: &StoreStats) {
    for (file, n_bytes) in [("main", stats.database_bytes), ("wal", stats.wal_bytes)] {
        page.add_sample(list::STORE_SIZE, &[file], n_bytes);
    }
}
