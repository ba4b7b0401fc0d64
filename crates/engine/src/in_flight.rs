//! Number of tasks in flight for each account.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use domain::id::AccountId;

/// Counters of tasks in flight, by account.
#[derive(Clone, Default)]
pub(crate) struct InFlight {
    counts: Arc<Mutex<BTreeMap<AccountId, u32>>>,
}

impl InFlight {
    /// Counts a task until the guard is dropped.
    pub(crate) fn enter(&self, account: AccountId) -> InFlightGuard {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(account).or_default();
        *count = count.saturating_add(1);
        InFlightGuard { in_flight: self.clone(), account }
    }

    /// Returns the number of tasks in flight for an account.
    pub(crate) fn count(&self, account: AccountId) -> u32 {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner).get(&account).copied().unwrap_or(0)
    }
}

/// One task in flight.
pub(crate) struct InFlightGuard {
    in_flight: InFlight,
    account: AccountId,
}

impl Drop for InFlightGuard {
    fn drop(&mut self) {
        let mut counts = self.in_flight.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.account) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                counts.remove(&self.account);
            }
        }
    }
}
