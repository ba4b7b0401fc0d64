//! How many sends each account has under way.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use domain::id::AccountId;

/// Counts sends under way.
#[derive(Clone, Default)]
pub(crate) struct InFlight {
    counts: Arc<Mutex<BTreeMap<AccountId, u32>>>,
}

impl InFlight {
    /// Counts one more, until the guard is dropped.
    pub(crate) fn enter(&self, account: AccountId) -> Guard {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(account).or_default();
        *count = count.saturating_add(1);
        Guard { in_flight: self.clone(), account }
    }

    /// How many are under way.
    pub(crate) fn of(&self, account: AccountId) -> u32 {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner).get(&account).copied().unwrap_or(0)
    }
}

/// One send under way.
pub(crate) struct Guard {
    in_flight: InFlight,
    account: AccountId,
}

impl Drop for Guard {
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
