//! The pace towards Meta, shared by all that sends.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use domain::id::AccountId;
use domain::messages::pacing::Pacers;
use domain::messages::retry::ThrottleScope;
use jiff::Timestamp;

use crate::ports::{RecentSend, Recipient};

/// How a recipient is named where paces are kept.
pub(crate) fn key_of(recipient: &Recipient) -> &str {
    match recipient {
        Recipient::Phone(number) => number.digits(),
        Recipient::Bsuid(user) => user.as_str(),
    }
}

/// The paces of all accounts of this process.
pub(crate) struct Pacer {
    paces: Mutex<Pacers>,
}

impl Pacer {
    /// Nothing sent yet.
    pub(crate) fn new(paces: Pacers) -> Self {
        Self { paces: Mutex::new(paces) }
    }

    fn paces(&self) -> MutexGuard<'_, Pacers> {
        self.paces.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes up for a restart: counts what left before it.
    pub(crate) fn seed(&self, departures: Vec<RecentSend>) {
        let mut by_account: BTreeMap<AccountId, Vec<(String, Timestamp)>> = BTreeMap::new();
        for RecentSend { account, recipient, at } in departures {
            by_account.entry(account).or_default().push((recipient, at));
        }
        let mut paces = self.paces();
        for (account, departures) in by_account {
            paces.of(account).seed(departures);
        }
    }

    /// When a message could leave.
    pub(crate) fn next_slot(&self, account: AccountId, recipient: &Recipient, now: Timestamp) -> Timestamp {
        self.paces().of(account).next_slot(key_of(recipient), now)
    }

    /// Books that turn.
    pub(crate) fn book(&self, account: AccountId, recipient: &Recipient, now: Timestamp) -> Timestamp {
        self.paces().of(account).reserve(key_of(recipient), now)
    }

    /// Gives back a turn whose message never left.
    pub(crate) fn release(
        &self,
        account: AccountId,
        recipient: &Recipient,
        slot_at: Timestamp,
        now: Timestamp,
    ) {
        self.paces().of(account).release(key_of(recipient), slot_at, now);
    }

    /// How many messages may leave at this moment, and which recipients must wait longer.
    pub(crate) fn room(&self, account: AccountId, now: Timestamp) -> (u32, BTreeMap<String, Timestamp>) {
        let mut paces = self.paces();
        let pace = paces.of(account);
        (pace.capacity(now), pace.throttled_recipients(now))
    }

    /// Meta refused a message for its speed. Returns when the next may leave.
    pub(crate) fn refused(
        &self,
        account: AccountId,
        recipient: &Recipient,
        slow: Option<ThrottleScope>,
        now: Timestamp,
    ) -> Timestamp {
        let mut paces = self.paces();
        let pace = paces.of(account);
        if let Some(slow) = slow {
            pace.record_throttled(key_of(recipient), slow, now);
        }
        pace.next_slot(key_of(recipient), now)
    }

    /// Meta took a message.
    pub(crate) fn accepted(&self, account: AccountId, recipient: &Recipient, now: Timestamp) {
        self.paces().of(account).record_accepted(key_of(recipient), now);
    }
}
