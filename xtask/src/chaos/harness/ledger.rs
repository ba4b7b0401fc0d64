//! The messages that the clients requested, and the responses that they received.

use std::collections::BTreeMap;

/// A planned message, with its own reference.
#[derive(Clone, Debug)]
pub(crate) struct PlannedMessage {
    /// Reference of the caller: the same for all repetitions.
    pub(crate) reference: String,
    /// Idempotency key, if the client uses one.
    pub(crate) key: Option<String>,
    /// Recipient.
    pub(crate) to: String,
    /// `true` for a template message.
    pub(crate) is_template: bool,
    /// `true` for a queued message.
    pub(crate) is_queued: bool,
    /// `true` if the message may be sent again after an unknown outcome.
    pub(crate) may_resend: bool,
}

/// Last result of a planned message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum LastResult {
    /// The request was never received, or not sent yet.
    NotReceived,
    /// The connection was interrupted: the outcome is unknown. The reason.
    Interrupted(String),
    /// A response that invites a retry: the message was not sent.
    Retryable(u16, String),
    /// A response that does not invite a retry.
    Rejected(u16, String),
    /// The first request with the key is still in progress.
    InProgress,
    /// A response with a status 2xx.
    Acknowledged,
}

/// A planned message and the results that its client received.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// The planned message.
    pub(crate) planned: PlannedMessage,
    /// Id and status of every response with a status 2xx.
    pub(crate) acknowledged: Vec<(String, String)>,
    /// `true` if the connection of any of its requests was interrupted.
    pub(crate) was_interrupted: bool,
    /// Last result.
    pub(crate) last: LastResult,
}

/// All planned messages and their results.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    entries: BTreeMap<String, Entry>,
    /// References of messages that were acknowledged one after the other, by recipient.
    pub(crate) conversations: BTreeMap<String, Vec<String>>,
}

/// Numbers of planned messages by result.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    /// Number of planned messages.
    pub(crate) planned: usize,
    /// Number of messages that were acknowledged with a status 2xx.
    pub(crate) acknowledged: usize,
    /// Number of messages whose last result was an interrupted connection.
    pub(crate) interrupted: usize,
    /// Number of messages that were rejected.
    pub(crate) rejected: usize,
    /// Number of messages that must be retried.
    pub(crate) open: usize,
}

impl Ledger {
    /// Records the result of a request.
    pub(crate) fn record(
        &mut self,
        planned: &PlannedMessage,
        last: LastResult,
        acknowledged: Option<(String, String)>,
    ) {
        let entry = self.entries.entry(planned.reference.clone()).or_insert_with(|| Entry {
            planned: planned.clone(),
            acknowledged: Vec::new(),
            was_interrupted: false,
            last: LastResult::NotReceived,
        });
        entry.was_interrupted |= matches!(last, LastResult::Interrupted(_));
        entry.last = last;
        entry.acknowledged.extend(acknowledged);
    }

    /// Returns all entries.
    pub(crate) fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries.values()
    }

    /// Returns the entry of a reference.
    pub(crate) fn entry(&self, reference: &str) -> Option<&Entry> {
        self.entries.get(reference)
    }

    /// Counts the entries by result.
    pub(crate) fn counts(&self) -> Counts {
        let mut counts = Counts { planned: self.entries.len(), ..Counts::default() };
        for entry in self.entries.values() {
            let counter = match entry.last {
                LastResult::Acknowledged => &mut counts.acknowledged,
                LastResult::Interrupted(_) => &mut counts.interrupted,
                LastResult::Rejected(..) => &mut counts.rejected,
                LastResult::NotReceived | LastResult::Retryable(..) | LastResult::InProgress => {
                    &mut counts.open
                }
            };
            *counter += 1;
        }
        counts
    }
}
