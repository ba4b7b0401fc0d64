//! The messages that the clients requested, and the answers that they got.

use std::collections::BTreeMap;

/// A message that somebody wants sent, under a reference of its own.
#[derive(Clone, Debug)]
pub(crate) struct PlannedMessage {
    /// The caller's own reference: the same however often it is repeated.
    pub(crate) reference: String,
    /// The key for repetitions, if the client uses one.
    pub(crate) key: Option<String>,
    /// Recipient.
    pub(crate) to: String,
    /// `true` for a template message.
    pub(crate) is_template: bool,
    /// `true` for a queued message.
    pub(crate) is_queued: bool,
    /// `true` if an unknown outcome may be followed by another attempt.
    pub(crate) may_resend: bool,
}

/// Last result that the client got for a planned message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Last {
    /// It was never received: nobody listened, or it was not asked yet.
    NotAsked,
    /// The connection broke: not known. How it broke.
    Cut(String),
    /// An answer that invites to ask again: it was certainly not sent.
    Retryable(u16, String),
    /// An answer that does not.
    Refused(u16, String),
    /// The first request with its key is still running.
    InProgress,
    /// A 2xx.
    Acknowledged,
}

/// A planned and what its client heard of it.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// The planned.
    pub(crate) planned: PlannedMessage,
    /// Id and status of every 2xx.
    pub(crate) acknowledged: Vec<(String, String)>,
    /// `true` if a connection of any of its requests broke.
    pub(crate) was_cut: bool,
    /// The last result.
    pub(crate) last: Last,
}

/// All wishes.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    entries: BTreeMap<String, Entry>,
    /// References of messages that were acknowledged one after the other, to one person each.
    pub(crate) conversations: BTreeMap<String, Vec<String>>,
}

/// Numbers of planned messages by result.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    /// Wishes.
    pub(crate) wishes: usize,
    /// Acknowledged with 2xx.
    pub(crate) acknowledged: usize,
    /// Messages whose last result was a broken connection.
    pub(crate) cut: usize,
    /// Refused for good.
    pub(crate) refused: usize,
    /// Still to be asked again.
    pub(crate) open: usize,
}

impl Ledger {
    /// Notes what was heard of a planned.
    pub(crate) fn note(
        &mut self,
        planned: &PlannedMessage,
        last: Last,
        acknowledged: Option<(String, String)>,
    ) {
        let entry = self.entries.entry(planned.reference.clone()).or_insert_with(|| Entry {
            planned: planned.clone(),
            acknowledged: Vec::new(),
            was_cut: false,
            last: Last::NotAsked,
        });
        entry.was_cut |= matches!(last, Last::Cut(_));
        entry.last = last;
        entry.acknowledged.extend(acknowledged);
    }

    /// All wishes.
    pub(crate) fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries.values()
    }

    /// The planned of a reference.
    pub(crate) fn entry(&self, reference: &str) -> Option<&Entry> {
        self.entries.get(reference)
    }

    /// Counts them.
    pub(crate) fn counts(&self) -> Counts {
        let mut counts = Counts { wishes: self.entries.len(), ..Counts::default() };
        for entry in self.entries.values() {
            let counter = match entry.last {
                Last::Acknowledged => &mut counts.acknowledged,
                Last::Cut(_) => &mut counts.cut,
                Last::Refused(..) => &mut counts.refused,
                Last::NotAsked | Last::Retryable(..) | Last::InProgress => &mut counts.open,
            };
            *counter += 1;
        }
        counts
    }
}
