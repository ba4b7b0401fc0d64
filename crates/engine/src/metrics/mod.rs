//! What a process counts of its own work, for Prometheus.
//!
//! [`Metrics`] is handed to whoever counts; nothing here is global. What is counted while the process works is an
//! addition of atomics; what has to be looked up is read when somebody asks for the page, and kept for
//! [`STATS_TTL`].
//!
//! **Invariant:** no message, number, token or free text of anybody is a label.
//!
//! New metric (1 of 2): a line in [`list`].
//! New metric (2 of 2): a field of [`Metrics`] and its line in `Metrics::print`, or a line in `gauges`.

mod gauges;
pub mod list;
mod series;
mod text;

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use domain::id::AccountId;
use domain::messages::outcome::SendOutcome;
use domain::messages::status::{MessageStatus, failure_code_label};
use domain::meta_error::{MetaError, TABLE};
use jiff::{SignedDuration, Timestamp};

use crate::ports::{Clock, Directory, IngestSummary, StoreErrorKind, StoreStats};
use crate::{Deps, chain};

pub use series::{Counters, Gauge, Histograms, Label};
pub use text::{CONTENT_TYPE, Names, Page};

use series::Unit;

/// For how long what was read from the store is good enough.
pub const STATS_TTL: SignedDuration = SignedDuration::from_secs(5);

/// Microseconds: from a tenth of a millisecond to ten seconds.
const SHORT: &[u64] = &[
    100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000,
    2_500_000, 5_000_000, 10_000_000,
];
/// Microseconds: from ten milliseconds to a minute.
const CALL: &[u64] = &[
    10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000, 5_000_000, 10_000_000,
    30_000_000, 60_000_000,
];
/// Microseconds: from a second to six hours.
const LAG: &[u64] = &[
    1_000_000,
    2_000_000,
    5_000_000,
    10_000_000,
    30_000_000,
    60_000_000,
    300_000_000,
    900_000_000,
    3_600_000_000,
    21_600_000_000,
];
const JOBS: &[u64] = &[1, 2, 4, 8, 16, 32, 64, 128, 256];

/// What a process counts.
pub struct Metrics {
    clock: Arc<dyn Clock>,
    /// Messages accepted, by account and mode.
    pub accepted: Counters,
    /// Messages that Meta has taken, by account.
    pub sent: Counters,
    delivered: Counters,
    read: Counters,
    played: Counters,
    failed: Counters,
    unknown: Counters,
    expired: Counters,
    canceled: Counters,
    received: Counters,
    /// Messages refused because the window was closed, by account.
    pub window_refusals: Counters,
    /// Calls of the API, by method, route and class of the answer.
    pub http_requests: Counters,
    /// How long they took, by kind.
    pub http_seconds: Histograms,
    /// Answers that say no, by code.
    pub http_errors: Counters,
    /// Calls without a valid key.
    pub auth_failures: Counters,
    /// Calls refused for their number, by kind.
    pub rate_limit_refusals: Counters,
    /// POSTs to Meta's door, by outcome.
    pub webhook_posts: Counters,
    webhook_changes: Counters,
    webhook_lag: Histograms,
    meta_calls: Counters,
    meta_seconds: Histograms,
    deliveries: Counters,
    delivery_lag: Histograms,
    store_commit_seconds: Histograms,
    store_commit_jobs: Histograms,
    store_lost: Counters,
    /// Changes that wait for the store's writer.
    pub store_waiting: Gauge,
    store_read_seconds: Histograms,
    store_errors: Counters,
    spans: Counters,
    store_up: AtomicBool,
    figures: Mutex<Option<(Timestamp, Arc<StoreStats>)>>,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

/// A step of a message, as far as it is counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    account: AccountId,
    status: MessageStatus,
    /// Our code and Meta's.
    failure: Option<(&'static str, Label)>,
}

impl Step {
    /// A message has come to this status; a customer's comes as `received`.
    pub fn new(
        account: AccountId,
        status: MessageStatus,
        code: Option<&str>,
        error: Option<&MetaError>,
    ) -> Self {
        let failure = (status == MessageStatus::Failed).then(|| {
            let code = match (code, error) {
                (Some(code), _) => failure_code_label(code),
                (None, Some(_)) => "meta_error",
                (None, None) => "other",
            };
            (code, error.map_or(Label::Word(""), meta_code))
        });
        Self { account, status, failure }
    }
}

/// Meta's code, if it is in the table; `other` if not.
fn meta_code(error: &MetaError) -> Label {
    if TABLE.iter().any(|entry| entry.code == error.code) {
        Label::Number(error.code)
    } else if (200..=299).contains(&error.code) {
        Label::Number(200)
    } else {
        Label::Word("other")
    }
}

/// How a delivery to an endpoint of the application ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeliveryOutcome {
    /// The endpoint took it.
    Succeeded,
    /// The endpoint did not; it is tried again.
    Failed,
    /// It is given up.
    Dead,
}

/// What became of spans.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpanOutcome {
    /// The collector has them.
    Exported,
    /// The collector did not take them.
    Lost,
    /// They came faster than the collector takes them.
    Dropped,
}

/// How a call to Meta ended that was not a send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// Meta answered.
    Answered,
    /// Meta said no.
    Refused,
    /// Meta could not be reached, or not understood.
    Unreachable,
}

impl Asked {
    /// The word of the label.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Refused => "refused",
            Self::Unreachable => "unreachable",
        }
    }
}

/// The word for how a handing-over ended.
#[must_use]
pub fn outcome_word(outcome: &SendOutcome) -> &'static str {
    match outcome {
        SendOutcome::Accepted(_) => "accepted",
        SendOutcome::Refused(_) => "refused",
        SendOutcome::Stopped { .. } => "stopped",
        SendOutcome::NotSent { .. } => "not_sent",
        SendOutcome::Unknown { .. } => "unknown",
    }
}

impl Metrics {
    /// Nothing counted yet.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        let short = |metric| Histograms::new(metric, Unit::Micros, SHORT);
        Self {
            clock,
            accepted: Counters::new(list::MESSAGES_ACCEPTED),
            sent: Counters::new(list::MESSAGES_SENT),
            delivered: Counters::new(list::MESSAGES_DELIVERED),
            read: Counters::new(list::MESSAGES_READ),
            played: Counters::new(list::MESSAGES_PLAYED),
            failed: Counters::new(list::MESSAGES_FAILED),
            unknown: Counters::new(list::MESSAGES_UNKNOWN_TOTAL),
            expired: Counters::new(list::MESSAGES_EXPIRED),
            canceled: Counters::new(list::MESSAGES_CANCELED),
            received: Counters::new(list::MESSAGES_RECEIVED),
            window_refusals: Counters::new(list::WINDOW_REFUSALS),
            http_requests: Counters::new(list::HTTP_REQUESTS),
            http_seconds: short(list::HTTP_SECONDS),
            http_errors: Counters::new(list::HTTP_ERRORS),
            auth_failures: Counters::new(list::AUTH_FAILURES),
            rate_limit_refusals: Counters::new(list::RATE_LIMIT_REFUSALS),
            webhook_posts: Counters::new(list::WEBHOOK_POSTS),
            webhook_changes: Counters::new(list::WEBHOOK_CHANGES),
            webhook_lag: Histograms::new(list::WEBHOOK_LAG, Unit::Micros, LAG),
            meta_calls: Counters::new(list::META_CALLS),
            meta_seconds: Histograms::new(list::META_SECONDS, Unit::Micros, CALL),
            deliveries: Counters::new(list::DELIVERIES),
            delivery_lag: Histograms::new(list::DELIVERY_LAG, Unit::Micros, LAG),
            store_commit_seconds: short(list::STORE_COMMIT_SECONDS),
            store_commit_jobs: Histograms::new(list::STORE_COMMIT_JOBS, Unit::Things, JOBS),
            store_lost: Counters::new(list::STORE_LOST),
            store_waiting: Gauge::default(),
            store_read_seconds: short(list::STORE_READ_SECONDS),
            store_errors: Counters::new(list::STORE_ERRORS),
            spans: Counters::new(list::SPANS),
            store_up: AtomicBool::new(true),
            figures: Mutex::default(),
        }
    }

    /// The time, to measure from.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Microseconds since a time: 0 if the clock was set back.
    fn since(&self, start: Timestamp) -> u64 {
        u64::try_from(self.clock.now().duration_since(start).as_micros()).unwrap_or(0)
    }

    /// Counts a step of a message, which is on disk.
    pub fn step(&self, step: Step) {
        let account = Label::Account(step.account);
        match step.status {
            MessageStatus::Sent => self.sent.count(&[account]),
            MessageStatus::Delivered => self.delivered.count(&[account]),
            MessageStatus::Read => self.read.count(&[account]),
            MessageStatus::Played => self.played.count(&[account]),
            MessageStatus::Unknown => self.unknown.count(&[account]),
            MessageStatus::Expired => self.expired.count(&[account]),
            MessageStatus::Canceled => self.canceled.count(&[account]),
            MessageStatus::Received => self.received.count(&[account]),
            MessageStatus::Failed => {
                let (code, meta_code) = step.failure.unwrap_or(("other", Label::Word("")));
                self.failed.count(&[account, Label::Word(code), meta_code]);
            }
            // Counted where it is accepted; and a step that is none.
            MessageStatus::Queued | MessageStatus::Sending => {}
        }
    }

    /// Counts one call of the API.
    pub fn http(&self, method: &str, route: &str, (kind, status): (&'static str, u16), start: Timestamp) {
        let method = ["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"]
            .into_iter()
            .find(|known| *known == method)
            .unwrap_or("other");
        let class = match status {
            100..200 => "1xx",
            200..300 => "2xx",
            300..400 => "3xx",
            400..500 => "4xx",
            _ => "5xx",
        };
        self.http_requests.count(&[Label::Word(method), Label::Text(route.into()), Label::Word(class)]);
        self.http_seconds.observe(&[Label::Word(kind)], self.since(start));
    }

    /// Counts what a POST of Meta's did. `newest`: Meta's time of its newest part.
    pub fn ingested(&self, ingested: &IngestSummary, newest: Option<Timestamp>) {
        let IngestSummary { applied, duplicates, pending_statuses, unrouted, undecodable, .. } = ingested;
        for (outcome, n) in [
            ("applied", *applied),
            ("duplicate", *duplicates),
            ("pending_status", *pending_statuses),
            ("unrouted", *unrouted),
            ("undecodable", *undecodable),
        ] {
            self.webhook_changes.add(&[Label::Word(outcome)], n.into());
        }
        if let Some(newest) = newest
            && *applied + *pending_statuses > 0
        {
            self.webhook_lag.observe(&[], self.since(newest));
        }
    }

    /// Counts one handing-over of a message to Meta.
    pub fn handed_over(&self, outcome: &SendOutcome, start: Timestamp) {
        self.called("send", outcome_word(outcome), start);
    }

    /// Counts another call to Meta; `call` is one of a closed list.
    pub fn asked(&self, call: &'static str, end: Asked, start: Timestamp) {
        self.called(call, end.as_str(), start);
    }

    fn called(&self, call: &'static str, outcome: &'static str, start: Timestamp) {
        self.meta_calls.count(&[Label::Word(call), Label::Word(outcome)]);
        self.meta_seconds.observe(&[Label::Word(call)], self.since(start));
    }

    /// Counts an attempt to deliver an event. `created_at` is the event's time; it matters for a success that is the
    /// delivery's first.
    pub fn delivered(&self, outcome: DeliveryOutcome, created_at: Option<Timestamp>) {
        let word = match outcome {
            DeliveryOutcome::Succeeded => "succeeded",
            DeliveryOutcome::Failed => "failed",
            DeliveryOutcome::Dead => "dead",
        };
        self.deliveries.count(&[Label::Word(word)]);
        if let Some(created_at) = created_at.filter(|_| outcome == DeliveryOutcome::Succeeded) {
            self.delivery_lag.observe(&[], self.since(created_at));
        }
    }

    /// Counts a transaction of the store.
    pub fn committed(&self, n_jobs: u64, start: Timestamp) {
        self.store_commit_jobs.observe(&[], n_jobs);
        self.store_commit_seconds.observe(&[], self.since(start));
    }

    /// Counts a transaction that did not reach the disk.
    pub fn commit_lost(&self) {
        self.store_lost.count(&[]);
    }

    /// Counts spans, by what became of them.
    pub fn spans(&self, outcome: SpanOutcome, n: u64) {
        let outcome = match outcome {
            SpanOutcome::Exported => "exported",
            SpanOutcome::Lost => "lost",
            SpanOutcome::Dropped => "dropped",
        };
        self.spans.add(&[Label::Word(outcome)], n);
    }

    /// Counts a read of the store.
    pub fn store_read(&self, start: Timestamp) {
        self.store_read_seconds.observe(&[], self.since(start));
    }

    /// Counts a call of the store that failed.
    pub fn store_failed(&self, kind: StoreErrorKind) {
        let kind = match kind {
            StoreErrorKind::Unavailable => "unavailable",
            StoreErrorKind::Conflict => "conflict",
            StoreErrorKind::Corrupt => "corrupt",
            StoreErrorKind::Bug => "bug",
        };
        self.store_errors.count(&[Label::Word(kind)]);
    }

    fn print(&self, page: &mut Page, names: &Names) {
        for counters in [
            &self.accepted,
            &self.sent,
            &self.delivered,
            &self.read,
            &self.played,
            &self.failed,
            &self.unknown,
            &self.expired,
            &self.canceled,
            &self.received,
            &self.window_refusals,
            &self.http_requests,
            &self.http_errors,
            &self.auth_failures,
            &self.rate_limit_refusals,
            &self.webhook_posts,
            &self.webhook_changes,
            &self.meta_calls,
            &self.deliveries,
            &self.store_lost,
            &self.store_errors,
            &self.spans,
        ] {
            counters.print(page, names);
        }
        for histograms in [
            &self.http_seconds,
            &self.webhook_lag,
            &self.meta_seconds,
            &self.delivery_lag,
            &self.store_commit_seconds,
            &self.store_commit_jobs,
            &self.store_read_seconds,
        ] {
            histograms.print(page, names);
        }
        page.put(list::STORE_WAITING, NO_LABELS, self.store_waiting.get());
        page.put(list::STORE_UP, NO_LABELS, u8::from(self.store_up.load(Ordering::Relaxed)));
    }
}

/// The labels of a metric that has none.
pub const NO_LABELS: &[&str] = &[];

/// Everything that this process counts and the store tells. The page is the caller's to finish.
///
/// A store that cannot be read leaves out what comes from it.
pub async fn gather(deps: &Deps) -> Page {
    let mut page = Page::default();
    let directory = deps.directory.current();
    let names = names(&directory);
    let figures = figures(deps).await;
    deps.metrics.print(&mut page, &names);
    gauges::accounts(&mut page, &directory, &names);
    if let Some(figures) = figures {
        gauges::figures(&mut page, (&directory, &names), &figures, deps.now());
    }
    page
}

/// What the accounts are called.
fn names(directory: &Directory) -> Names {
    let accounts = directory.accounts.iter().filter_map(|record| {
        let account = &record.account;
        let workspace = directory.workspaces.get(&account.workspace)?;
        Some((account.id, (workspace.clone(), account.name.clone())))
    });
    Names(accounts.collect())
}

/// What the store tells, not older than [`STATS_TTL`].
async fn figures(deps: &Deps) -> Option<Arc<StoreStats>> {
    let now = deps.now();
    let kept = deps.metrics.figures.lock().unwrap_or_else(PoisonError::into_inner).clone();
    if let Some((at, figures)) = kept
        && now.duration_since(at).abs() < STATS_TTL
    {
        return Some(figures);
    }
    let read = deps.workers.get_stats(now).await;
    deps.metrics.store_up.store(read.is_ok(), Ordering::Relaxed);
    match read {
        Ok(figures) => {
            let figures = Arc::new(figures);
            let mut kept = deps.metrics.figures.lock().unwrap_or_else(PoisonError::into_inner);
            *kept = Some((now, figures.clone()));
            Some(figures)
        }
        Err(error) => {
            tracing::warn!(error = %chain(&error), "the figures of the store cannot be read");
            None
        }
    }
}
