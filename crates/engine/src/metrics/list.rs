//! The list of metrics: each name and its help stand here and nowhere else. `docs/metrics.md` is printed from it.
//!
//! **Invariant:** what a label can be is bounded: by the accounts that are here, by our routes, by closed lists.
//! Nothing that a caller or a customer chooses is a label.

/// One metric.
#[derive(Debug)]
pub struct Metric {
    /// Its name.
    pub name: &'static str,
    /// Its kind.
    pub kind: Kind,
    /// The names of its labels, in order.
    pub labels: &'static [&'static str],
    /// What it says.
    pub help: &'static str,
}

/// The kinds of metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only grows, until the process ends.
    Counter,
    /// Goes up and down.
    Gauge,
    /// How often something was how large.
    Histogram,
}

impl Kind {
    /// The word in the text format.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

macro_rules! metrics {
    ($($(#[doc = $help:literal])+ $kind:ident $id:ident = $name:literal [$($label:literal)*];)*) => {
        $(
            $(#[doc = $help])+
            pub const $id: &Metric = &Metric {
                name: $name,
                kind: Kind::$kind,
                labels: &[$($label),*],
                help: concat!($($help),+),
            };
        )*

        /// Every metric, in the order in which they are printed.
        pub const ALL: &[&Metric] = &[$($id),*];
    };
}

metrics! {
    /// Messages that were accepted: they are on disk. `mode` is `sync` or `queue`.
    Counter MESSAGES_ACCEPTED = "waypost_messages_accepted_total" ["workspace" "account" "mode"];
    /// Messages that Meta has taken.
    Counter MESSAGES_SENT = "waypost_messages_sent_total" ["workspace" "account"];
    /// Messages that have come to the customer's phone.
    Counter MESSAGES_DELIVERED = "waypost_messages_delivered_total" ["workspace" "account"];
    /// Messages that the customer has read.
    Counter MESSAGES_READ = "waypost_messages_read_total" ["workspace" "account"];
    /// Voice messages that the customer has played.
    Counter MESSAGES_PLAYED = "waypost_messages_played_total" ["workspace" "account"];
    /// Messages that failed. `code` is ours, `meta_code` is Meta's: those of `docs/errors.md`, `other`, or empty.
    Counter MESSAGES_FAILED = "waypost_messages_failed_total" ["workspace" "account" "code" "meta_code"];
    /// Messages whose outcome was not known when their attempt ended.
    Counter MESSAGES_UNKNOWN_TOTAL = "waypost_messages_unknown_total" ["workspace" "account"];
    /// Messages whose time ran out before they were sent.
    Counter MESSAGES_EXPIRED = "waypost_messages_expired_total" ["workspace" "account"];
    /// Messages that were taken back before they were sent.
    Counter MESSAGES_CANCELED = "waypost_messages_canceled_total" ["workspace" "account"];
    /// Messages of customers.
    Counter MESSAGES_RECEIVED = "waypost_messages_received_total" ["workspace" "account"];
    /// Messages whose outcome is not known.
    Gauge MESSAGES_UNKNOWN = "waypost_messages_unknown" ["workspace" "account"];
    /// Messages refused at the door because the window was closed.
    Counter WINDOW_REFUSALS = "waypost_window_refusals_total" ["workspace" "account"];

    /// Messages that wait in the queue.
    Gauge QUEUE_MESSAGES = "waypost_queue_messages" ["workspace" "account"];
    /// Messages of the queue that wait for the messaging limit; they are among `waypost_queue_messages`.
    Gauge QUEUE_HELD_BACK = "waypost_queue_held_back_messages" ["workspace" "account"];
    /// For how long the oldest message of the queue that is due has been due. What is scheduled for later or waits for
    /// the messaging limit is not due.
    Gauge QUEUE_OVERDUE = "waypost_queue_overdue_seconds" ["workspace" "account"];

    /// Whether nothing leaves through the account until somebody acts: 1, else 0.
    Gauge ACCOUNT_HELD = "waypost_account_held" ["workspace" "account"];
    /// People whom templates may reach outside their window in 24 hours; `+Inf` without a limit.
    Gauge LIMIT_PEOPLE = "waypost_messaging_limit_people" ["workspace" "waba_id"];
    /// People whom templates have reached outside their window in 24 hours.
    Gauge LIMIT_USED = "waypost_messaging_limit_used_people" ["workspace" "waba_id"];

    /// Calls of the API, by route template; `status` is the class of the answer, such as `2xx`.
    Counter HTTP_REQUESTS = "waypost_http_requests_total" ["method" "route" "status"];
    /// How long a call of the API took. `kind` is `send` for messages and batches, else `other`.
    Histogram HTTP_SECONDS = "waypost_http_request_seconds" ["kind"];
    /// Answers of the API that say no, by their code (`docs/errors.md`).
    Counter HTTP_ERRORS = "waypost_http_errors_total" ["code"];
    /// Calls of the API without a valid key.
    Counter AUTH_FAILURES = "waypost_auth_failures_total" [];
    /// Calls of the API that were refused because their key had used up its time. `kind` is `send` or `other`.
    Counter RATE_LIMIT_REFUSALS = "waypost_rate_limit_refusals_total" ["kind"];

    /// POSTs to Meta's door: `taken`, `unsigned`, `not_json`, `too_large`, `too_late`, `store_unavailable`.
    Counter WEBHOOK_POSTS = "waypost_webhook_posts_total" ["outcome"];
    /// Parts of Meta's POSTs: `applied`, `repeated`, `early` (of a message that is not known yet), `unrouted` (of nobody
    /// here), `undecodable`.
    Counter WEBHOOK_CHANGES = "waypost_webhook_changes_total" ["outcome"];
    /// From Meta's time of the newest part of a POST that told something new, to its commit. Meta's time has whole seconds.
    Histogram WEBHOOK_LAG = "waypost_webhook_lag_seconds" [];

    /// Calls to Meta. `outcome` is `accepted`, `refused`, `stopped` (refused on the way), `not_sent` or `unknown` for a
    /// message, and `answered`, `refused` or `unreachable` for anything else.
    Counter META_CALLS = "waypost_meta_calls_total" ["call" "outcome"];
    /// How long a call to Meta took.
    Histogram META_SECONDS = "waypost_meta_call_seconds" ["call"];

    /// Deliveries to the application's endpoints, each attempt: `succeeded`, `failed`, or `dead` (given up).
    Counter DELIVERIES = "waypost_deliveries_total" ["outcome"];
    /// From an event to its first success at an endpoint.
    Histogram DELIVERY_LAG = "waypost_delivery_lag_seconds" [];
    /// Deliveries that wait for their first or next attempt.
    Gauge DELIVERIES_WAITING = "waypost_deliveries_waiting" ["workspace"];

    /// How long a transaction of the store took, from its first change until it was on disk.
    Histogram STORE_COMMIT_SECONDS = "waypost_store_commit_seconds" [];
    /// Changes that shared a transaction.
    Histogram STORE_COMMIT_JOBS = "waypost_store_commit_jobs" [];
    /// Transactions that did not reach the disk.
    Counter STORE_LOST = "waypost_store_lost_commits_total" [];
    /// Changes that wait for the store's writer.
    Gauge STORE_WAITING = "waypost_store_waiting_writes" [];
    /// How long a read of the store took, with the wait for a reader.
    Histogram STORE_READ_SECONDS = "waypost_store_read_seconds" [];
    /// Calls of the store that failed: `unavailable`, `conflict`, `corrupt`, `bug`.
    Counter STORE_ERRORS = "waypost_store_errors_total" ["kind"];
    /// Whether the store could be read for this page: 1, else 0. Without it what comes from the store is missing here.
    Gauge STORE_UP = "waypost_store_up" [];
    /// Size of the database: its `main` file and its `wal`.
    Gauge STORE_SIZE = "waypost_store_size_bytes" ["file"];

    /// Spans for the collector (`log.otlp_endpoint`): `exported`, `lost` (it did not take them), or `dropped` (they came
    /// faster than it takes them).
    Counter SPANS = "waypost_spans_total" ["outcome"];

    /// Always 1; the label is the version of this program.
    Gauge BUILD_INFO = "waypost_build_info" ["version"];
    /// When the process started, in Unix seconds.
    Gauge PROCESS_START = "process_start_time_seconds" [];
    /// CPU time of the process, user and system.
    Counter PROCESS_CPU = "process_cpu_seconds_total" [];
    /// Resident memory of the process.
    Gauge PROCESS_MEMORY = "process_resident_memory_bytes" [];
    /// File descriptors that are open.
    Gauge PROCESS_FDS = "process_open_fds" [];
    /// File descriptors that may be open.
    Gauge PROCESS_MAX_FDS = "process_max_fds" [];
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_and_labels_are_those_that_prometheus_takes_and_say_their_unit() {
        let is_name = |text: &str| {
            text.starts_with(|first: char| first.is_ascii_lowercase())
                && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
        };
        let mut names = BTreeSet::new();
        for metric in ALL {
            assert!(is_name(metric.name) && names.insert(metric.name), "{}", metric.name);
            assert!(metric.labels.iter().all(|label| is_name(label) && *label != "le"), "{}", metric.name);
            assert_eq!(metric.name.ends_with("_total"), metric.kind == Kind::Counter, "{}", metric.name);
            assert!(metric.help.trim().ends_with('.'), "{}", metric.name);
        }
    }
}
