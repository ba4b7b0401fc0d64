//! Suspensions of accounts in the memory of the process.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use domain::accounts::account::Account;
use domain::id::AccountId;

use crate::ports::AccountSuspension;

/// Suspension with its account.
#[derive(Clone)]
pub(super) struct Suspension {
    pub(super) account: Account,
    pub(super) suspension: AccountSuspension,
}

/// Suspensions that the store does not know yet, by account.
#[derive(Default)]
pub(crate) struct UnwrittenSuspensions(Mutex<BTreeMap<AccountId, Suspension>>);

impl UnwrittenSuspensions {
    pub(super) fn lock(&self) -> MutexGuard<'_, BTreeMap<AccountId, Suspension>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
