//! Metrics of a process for Prometheus.
//!
//! [`Metrics`] has the counters and histograms; they are not global. To count is an addition of atomics. Gauges are read
//! when the page is requested; the statistics of the store are cached for [`gather::STATS_TTL`].
//!
//! **Invariant:** no label has text of messages, phone numbers, tokens or other text of callers and customers.
//!
//! New metric (1 of 2): a line in [`list`].
//! New metric (2 of 2): a field of [`Metrics`] and its line in `Metrics::print`, or a line in `gauges`.

pub mod gather;
mod gauges;
mod label;
pub mod list;
mod outcome;
mod series;
mod text;

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use domain::messages::outcome::SendOutcome;
use domain::messages::status::MessageStatus;
use jiff::Timestamp;

use crate::ports::{Clock, IngestSummary, StoreErrorKind, StoreStats};

pub use label::{AccountNames, Label};
pub use outcome::{DeliveryOutcome, MessageTransition, SpanOutcome, UpstreamCallOutcome, send_outcome_label};
pub use series::{Counters, Gauge, Histograms};
pub use text::{CONTENT_TYPE, MetricsPage};

use series::Unit;

/// Bounds for requests and transactions, in microseconds: 0.1 ms to 10 s.
const SHORT: &[u64] = &[
    100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000,
    2_500_000, 5_000_000, 10_000_000,
];
/// Bounds for calls to Meta, in microseconds: 10 ms to 60 s.
const CALL: &[u64] = &[
    10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000, 5_000_000, 10_000_000,
    30_000_000, 60_000_000,
];
/// Bounds for lags, in microseconds: 1 s to 6 h.
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
/// Bounds for the number of writes in a transaction.
const WRITES: &[u64] = &[1, 2, 4, 8, 16, 32, 64, 128, 256];

/// Counters and histograms of a process.
pub struct Metrics {
    clock: Arc<dyn Clock>,
    /// Messages that were accepted and stored, by account and mode.
    pub accepted: Counters,
    /// Messages that Meta accepted, by account.
    pub sent: Counters,
    delivered: Counters,
    read: Counters,
    played: Counters,
    failed: Counters,
    unknown: Counters,
    expired: Counters,
    canceled: Counters,
    received: Counters,
    /// Messages that were refused because the customer service window was closed, by account.
    pub window_refusals: Counters,
    /// Open connections of clients.
    pub connections: Gauge,
    /// Refused connections, by reason.
    pub connections_refused: Counters,
    /// Connections that the gateway closed, by reason.
    pub connections_closed: Counters,
    /// Requests to the API, by method, route and class of the status code.
    pub http_requests: Counters,
    /// Duration of requests to the API, by kind of call.
    pub http_seconds: Histograms,
    /// Error responses of the API, by code and route.
    pub http_errors: Counters,
    /// Requests to the API without a valid API key or session.
    pub auth_failures: Counters,
    /// Requests to the API that were refused by a rate limit, by kind of call.
    pub rate_limit_refusals: Counters,
    /// Memory that bodies of requests use, in bytes.
    pub body_memory: Gauge,
    /// Requests that were refused because the memory for bodies was spent, by part of the memory.
    pub body_refusals: Counters,
    /// Webhook payloads received from Meta, by outcome.
    pub webhook_payloads: Counters,
    webhook_changes: Counters,
    webhook_lag: Histograms,
    meta_calls: Counters,
    meta_seconds: Histograms,
    deliveries: Counters,
    delivery_lag: Histograms,
    store_commit_seconds: Histograms,
    store_commit_writes: Histograms,
    store_lost: Counters,
    /// Writes that wait for the store's writer.
    pub store_waiting: Gauge,
    store_read_seconds: Histograms,
    store_errors: Counters,
    spans: Counters,
    store_up: AtomicBool,
    /// Statistics of the store, and the time at which they were read.
    stats: Mutex<Option<(Timestamp, Arc<StoreStats>)>>,
}

/// Request to the API that is counted.
#[derive(Clone, Copy, Debug)]
pub struct RequestSample<'a> {
    /// HTTP method.
    pub method: &'a str,
    /// Route, such as `/api/messages/{id}`.
    pub route: &'a str,
    /// Kind of call, `send` or `other`.
    pub kind: &'static str,
    /// Status code of the response.
    pub status: u16,
    /// Time at which the request began, from [`Metrics::now`].
    pub start: Timestamp,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

impl Metrics {
    /// Creates the metrics of a new process.
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
            connections: Gauge::default(),
            connections_refused: Counters::new(list::CONNECTIONS_REFUSED),
            connections_closed: Counters::new(list::CONNECTIONS_CLOSED),
            http_requests: Counters::new(list::HTTP_REQUESTS),
            http_seconds: short(list::HTTP_SECONDS),
            http_errors: Counters::new(list::HTTP_ERRORS),
            auth_failures: Counters::new(list::AUTH_FAILURES),
            rate_limit_refusals: Counters::new(list::RATE_LIMIT_REFUSALS),
            body_memory: Gauge::default(),
            body_refusals: Counters::new(list::BODY_REFUSALS),
            webhook_payloads: Counters::new(list::WEBHOOK_PAYLOADS),
            webhook_changes: Counters::new(list::WEBHOOK_CHANGES),
            webhook_lag: Histograms::new(list::WEBHOOK_LAG, Unit::Micros, LAG),
            meta_calls: Counters::new(list::META_CALLS),
            meta_seconds: Histograms::new(list::META_SECONDS, Unit::Micros, CALL),
            deliveries: Counters::new(list::DELIVERIES),
            delivery_lag: Histograms::new(list::DELIVERY_LAG, Unit::Micros, LAG),
            store_commit_seconds: short(list::STORE_COMMIT_SECONDS),
            store_commit_writes: Histograms::new(list::STORE_COMMIT_WRITES, Unit::Count, WRITES),
            store_lost: Counters::new(list::STORE_LOST),
            store_waiting: Gauge::default(),
            store_read_seconds: short(list::STORE_READ_SECONDS),
            store_errors: Counters::new(list::STORE_ERRORS),
            spans: Counters::new(list::SPANS),
            store_up: AtomicBool::new(true),
            stats: Mutex::default(),
        }
    }

    /// Returns the current time, as the start of a measurement.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Returns the microseconds since a time; 0 if the clock was set back.
    fn since(&self, start: Timestamp) -> u64 {
        u64::try_from(self.clock.now().duration_since(start).as_micros()).unwrap_or(0)
    }

    /// Counts the change of a message's status, after the transaction is committed.
    pub fn count_transition(&self, transition: MessageTransition) {
        let account = Label::Account(transition.account);
        match transition.status {
            MessageStatus::Sent => self.sent.increment(&[account]),
            MessageStatus::Delivered => self.delivered.increment(&[account]),
            MessageStatus::Read => self.read.increment(&[account]),
            MessageStatus::Played => self.played.increment(&[account]),
            MessageStatus::Unknown => self.unknown.increment(&[account]),
            MessageStatus::Expired => self.expired.increment(&[account]),
            MessageStatus::Canceled => self.canceled.increment(&[account]),
            MessageStatus::Received => self.received.increment(&[account]),
            MessageStatus::Failed => {
                let (code, meta_code) = transition.failure.unwrap_or(("other", Label::Static("")));
                self.failed.increment(&[account, Label::Static(code), meta_code]);
            }
            // `queued` is counted as accepted, and `sending` is not counted.
            MessageStatus::Queued | MessageStatus::Sending => {}
        }
    }

    /// Counts a request to the API.
    pub fn count_request(&self, request: RequestSample<'_>) {
        let RequestSample { method, route, kind, status, start } = request;
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
        self.http_requests.increment(&[
            Label::Static(method),
            Label::Text(route.into()),
            Label::Static(class),
        ]);
        self.http_seconds.observe(&[Label::Static(kind)], self.since(start));
    }

    /// Counts the changes of a webhook payload. `newest` is Meta's time of its newest change.
    pub fn count_payload(&self, summary: &IngestSummary, newest: Option<Timestamp>) {
        let IngestSummary { applied, duplicates, pending_statuses, unrouted, undecodable, .. } = summary;
        for (outcome, n) in [
            ("applied", *applied),
            ("duplicate", *duplicates),
            ("pending_status", *pending_statuses),
            ("unrouted", *unrouted),
            ("undecodable", *undecodable),
        ] {
            self.webhook_changes.add(&[Label::Static(outcome)], n.into());
        }
        if let Some(newest) = newest
            && *applied + *pending_statuses > 0
        {
            self.webhook_lag.observe(&[], self.since(newest));
        }
    }

    /// Counts an attempt to send a message to Meta.
    pub fn count_send(&self, outcome: &SendOutcome, start: Timestamp) {
        self.count_call("send", send_outcome_label(outcome), start);
    }

    /// Counts a call to Meta that sends no message. `call` is from a closed list.
    pub fn count_upstream_call(&self, call: &'static str, outcome: UpstreamCallOutcome, start: Timestamp) {
        self.count_call(call, outcome.as_str(), start);
    }

    fn count_call(&self, call: &'static str, outcome: &'static str, start: Timestamp) {
        self.meta_calls.increment(&[Label::Static(call), Label::Static(outcome)]);
        self.meta_seconds.observe(&[Label::Static(call)], self.since(start));
    }

    /// Counts an attempt to deliver an event. `event_at` is the time of the event; it is used if the attempt succeeded.
    pub fn count_delivery(&self, outcome: DeliveryOutcome, event_at: Option<Timestamp>) {
        self.deliveries.increment(&[Label::Static(outcome.as_str())]);
        if let Some(event_at) = event_at.filter(|_| outcome == DeliveryOutcome::Succeeded) {
            self.delivery_lag.observe(&[], self.since(event_at));
        }
    }

    /// Counts a committed transaction of the store.
    pub fn observe_commit(&self, n_writes: u64, start: Timestamp) {
        self.store_commit_writes.observe(&[], n_writes);
        self.store_commit_seconds.observe(&[], self.since(start));
    }

    /// Counts a transaction that could not be committed.
    pub fn count_lost_commit(&self) {
        self.store_lost.increment(&[]);
    }

    /// Counts trace spans by outcome.
    pub fn count_spans(&self, outcome: SpanOutcome, n: u64) {
        self.spans.add(&[Label::Static(outcome.as_str())], n);
    }

    /// Counts a read of the store.
    pub fn observe_store_read(&self, start: Timestamp) {
        self.store_read_seconds.observe(&[], self.since(start));
    }

    /// Counts a failed call of the store.
    pub fn count_store_error(&self, kind: StoreErrorKind) {
        let kind = match kind {
            StoreErrorKind::Unavailable => "unavailable",
            StoreErrorKind::TooExpensive => "too_expensive",
            StoreErrorKind::Conflict => "conflict",
            StoreErrorKind::Corrupt => "corrupt",
            StoreErrorKind::Bug => "bug",
        };
        self.store_errors.increment(&[Label::Static(kind)]);
    }

    fn print(&self, page: &mut MetricsPage, names: &AccountNames) {
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
            &self.connections_refused,
            &self.connections_closed,
            &self.http_requests,
            &self.http_errors,
            &self.auth_failures,
            &self.rate_limit_refusals,
            &self.body_refusals,
            &self.webhook_payloads,
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
            &self.store_commit_writes,
            &self.store_read_seconds,
        ] {
            histograms.print(page, names);
        }
        page.add_sample(list::CONNECTIONS, NO_LABELS, self.connections.get());
        page.add_sample(list::BODY_MEMORY, NO_LABELS, self.body_memory.get());
        page.add_sample(list::STORE_WAITING, NO_LABELS, self.store_waiting.get());
        page.add_sample(list::STORE_UP, NO_LABELS, u8::from(self.store_up.load(Ordering::Relaxed)));
    }
}

/// Labels of a metric without labels.
pub const NO_LABELS: &[&str] = &[];
