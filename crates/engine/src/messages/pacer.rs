//! Pacing of messages to Meta, shared by all sends of the process.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use domain::id::AccountId;
use domain::messages::pacing::Pacers;
use domain::messages::retry::ThrottleScope;
use jiff::Timestamp;

use crate::ports::{RecentSend, Recipient};

/// Pacing of all accounts.
pub(crate) struct Pacer {
    pacers: Mutex<Pacers>,
}

/// Number of messages that an account may send at a time.
pub(crate) struct SendCapacity {
    /// Maximum number of messages.
    pub(crate) n_messages: u32,
    /// Recipients that must wait longer, by [`Recipient::key`], each with the end of its wait.
    pub(crate) throttled_recipients: BTreeMap<String, Timestamp>,
}

impl Pacer {
    /// Creates a pacer of a process that has sent nothing yet.
    pub(crate) fn new(pacers: Pacers) -> Self {
        Self { pacers: Mutex::new(pacers) }
    }

    fn lock(&self) -> MutexGuard<'_, Pacers> {
        self.pacers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Removes all slots and waits.
    pub(crate) fn clear(&self) {
        self.lock().clear();
    }

    /// Adds the messages that were sent before a restart.
    pub(crate) fn seed(&self, recent_sends: Vec<RecentSend>) {
        let mut by_account: BTreeMap<AccountId, Vec<(String, Timestamp)>> = BTreeMap::new();
        for RecentSend { account, recipient, at } in recent_sends {
            by_account.entry(account).or_default().push((recipient, at));
        }
        let mut pacers = self.lock();
        for (account, recent_sends) in by_account {
            pacers.of(account).seed(recent_sends);
        }
    }

    /// Returns the next send slot for a message, without a reservation.
    pub(crate) fn next_slot(&self, account: AccountId, recipient: &Recipient, now: Timestamp) -> Timestamp {
        self.lock().of(account).next_slot(recipient.key(), now)
    }

    /// Reserves the next send slot for a message.
    pub(crate) fn reserve(&self, account: AccountId, recipient: &Recipient, now: Timestamp) -> Timestamp {
        self.lock().of(account).reserve(recipient.key(), now)
    }

    /// Releases a reserved slot whose message was not sent.
    pub(crate) fn release(
        &self,
        account: AccountId,
        recipient: &Recipient,
        slot_at: Timestamp,
        now: Timestamp,
    ) {
        self.lock().of(account).release(recipient.key(), slot_at, now);
    }

    /// Returns the number of messages that an account may send now.
    pub(crate) fn capacity(&self, account: AccountId, now: Timestamp) -> SendCapacity {
        let mut pacers = self.lock();
        let pacer = pacers.of(account);
        SendCapacity {
            n_messages: pacer.capacity(now),
            throttled_recipients: pacer.throttled_recipients(now),
        }
    }

    /// Returns the time at which the number of an account may send a message, now or later.
    pub(crate) fn free_at(&self, account: AccountId, now: Timestamp) -> Timestamp {
        self.lock().of(account).number().next_slot(now)
    }

    /// Slows the scope that Meta throttled, if there is one. Returns the next send slot.
    pub(crate) fn next_slot_after_attempt(
        &self,
        account: AccountId,
        recipient: &Recipient,
        throttled: Option<ThrottleScope>,
        now: Timestamp,
    ) -> Timestamp {
        let mut pacers = self.lock();
        let pacer = pacers.of(account);
        if let Some(scope) = throttled {
            pacer.record_throttled(recipient.key(), scope, now);
        }
        pacer.next_slot(recipient.key(), now)
    }

    /// Slows an account after Meta failed a message because of spam.
    pub(crate) fn record_spam(&self, account: AccountId, now: Timestamp) {
        self.lock().of(account).record_spam(now);
    }

    /// Records that Meta accepted a message.
    pub(crate) fn record_accepted(&self, account: AccountId, recipient: &Recipient, now: Timestamp) {
        self.lock().of(account).record_accepted(recipient.key(), now);
    }
}
