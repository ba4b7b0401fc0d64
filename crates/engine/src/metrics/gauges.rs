//! What is looked up when somebody asks for the page.

use domain::accounts::account::AccountStatus;
use domain::messages::messaging_limit::MessagingLimit;
use jiff::Timestamp;

use super::list;
use super::series::{Label, seconds};
use super::text::{Names, Page};
use crate::ports::{Directory, StoreStats};

/// What memory knows of the accounts.
pub(super) fn accounts(page: &mut Page, directory: &Directory, names: &Names) {
    for record in &directory.accounts {
        let account = &record.account;
        if let Some(labels) = names.resolve(&[Label::Account(account.id)]) {
            let is_held = account.status != AccountStatus::Connected;
            page.put(list::ACCOUNT_HELD, &labels, u8::from(is_held));
        }
    }
}

/// What the store tells.
pub(super) fn figures(
    page: &mut Page,
    (directory, names): (&Directory, &Names),
    figures: &StoreStats,
    now: Timestamp,
) {
    for account in names.accounts() {
        let Some(labels) = names.resolve(&[Label::Account(account)]) else { continue };
        let queue = figures.queues.get(&account).copied().unwrap_or_default();
        let overdue = queue.due_since.map_or(0, |since| now.duration_since(since).as_micros());
        page.put(list::QUEUE_MESSAGES, &labels, queue.n_messages);
        page.put(list::QUEUE_HELD_BACK, &labels, queue.n_held_back);
        page.put(list::QUEUE_OVERDUE, &labels, seconds(u64::try_from(overdue).unwrap_or(0)));
        page.put(list::MESSAGES_UNKNOWN, &labels, figures.unknown.get(&account).copied().unwrap_or(0));
    }
    for (workspace, name) in &directory.workspaces {
        let n_waiting = figures.deliveries_waiting.get(workspace).copied().unwrap_or(0);
        page.put(list::DELIVERIES_WAITING, &[name], n_waiting);
        let mut waba_ids: Vec<_> =
            directory.accounts_of(*workspace).map(|record| &record.account.waba_id).collect();
        waba_ids.sort_unstable();
        waba_ids.dedup();
        for waba_id in waba_ids {
            let labels = [name, waba_id];
            let n_reached = figures.reached.get(&(*workspace, waba_id.clone())).copied().unwrap_or(0);
            page.put(list::LIMIT_USED, &labels, n_reached);
            let tiers = directory
                .accounts_of(*workspace)
                .filter(|record| record.account.waba_id == *waba_id)
                .filter_map(|record| record.account.messaging_limit_tier.as_deref());
            match tiers.filter_map(MessagingLimit::from_tier).min() {
                Some(MessagingLimit::Recipients(people)) => page.put(list::LIMIT_PEOPLE, &labels, people),
                Some(MessagingLimit::Unlimited) => page.put(list::LIMIT_PEOPLE, &labels, "+Inf"),
                None => {}
            }
        }
    }
    for (file, n_bytes) in [("main", figures.database_bytes), ("wal", figures.wal_bytes)] {
        page.put(list::STORE_SIZE, &[file], n_bytes);
    }
}
