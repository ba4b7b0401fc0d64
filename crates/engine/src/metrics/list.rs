//! List of the metrics, with their names and help texts. `docs/metrics.md` is printed from the list.
//!
//! **Invariant:** the number of values of a label is bounded: by the number of accounts, by the routes of the API, or by a
//! closed list. Callers and customers do not choose values of labels.

/// Metric.
#[derive(Debug)]
pub struct Metric {
    /// Name.
    pub name: &'static str,
    /// Kind.
    pub kind: MetricKind,
    /// Names of the labels, in order.
    pub labels: &'static [&'static str],
    /// Help text.
    pub help: &'static str,
}

domain::text_enum! {
    /// Kinds of metrics.
    pub enum MetricKind {
        /// Number that only increases while the process runs.
        Counter = "counter",
        /// Number that increases and decreases.
        Gauge = "gauge",
        /// Distribution of values in buckets.
        Histogram = "histogram",
    }
}

macro_rules! metrics {
    ($($(#[doc = $help:literal])+ $kind:ident $id:ident = $name:literal [$($label:literal)*];)*) => {
        $(
            $(#[doc = $help])+
            pub const $id: &Metric = &Metric {
                name: $name,
                kind: MetricKind::$kind,
                labels: &[$($label),*],
                help: concat!($($help),+),
            };
        )*

        /// All metrics, in the order of the page.
        pub const ALL: &[&Metric] = &[$($id),*];
    };
}

metrics! {
    /// Messages that were accepted and stored. `mode` is `sync` or `queue`.
    Counter MESSAGES_ACCEPTED = "waypost_messages_accepted_total" ["workspace" "account" "mode"];
    /// Messages that Meta accepted.
    Counter MESSAGES_SENT = "waypost_messages_sent_total" ["workspace" "account"];
    /// Messages that were delivered to the recipient's device.
    Counter MESSAGES_DELIVERED = "waypost_messages_delivered_total" ["workspace" "account"];
    /// Messages that the recipient has read.
    Counter MESSAGES_READ = "waypost_messages_read_total" ["workspace" "account"];
    /// Voice messages that the recipient has played.
    Counter MESSAGES_PLAYED = "waypost_messages_played_total" ["workspace" "account"];
    /// Messages that failed. `code` is an error code of `docs/errors.md` or `other`; `meta_code` is Meta's error code,
    /// `other`, or empty.
    Counter MESSAGES_FAILED = "waypost_messages_failed_total" ["workspace" "account" "code" "meta_code"];
    /// Messages whose outcome was unknown when the attempt ended.
    Counter MESSAGES_UNKNOWN_TOTAL = "waypost_messages_unknown_total" ["workspace" "account"];
    /// Messages that expired before they were sent.
    Counter MESSAGES_EXPIRED = "waypost_messages_expired_total" ["workspace" "account"];
    /// Messages that were canceled before they were sent.
    Counter MESSAGES_CANCELED = "waypost_messages_canceled_total" ["workspace" "account"];
    /// Messages received from customers.
    Counter MESSAGES_RECEIVED = "waypost_messages_received_total" ["workspace" "account"];
    /// Messages whose outcome is unknown now.
    Gauge MESSAGES_UNKNOWN = "waypost_messages_unknown" ["workspace" "account"];
    /// Messages that were refused because the customer service window was closed.
    Counter WINDOW_REFUSALS = "waypost_window_refusals_total" ["workspace" "account"];

    /// Messages in the queue.
    Gauge QUEUE_MESSAGES = "waypost_queue_messages" ["workspace" "account"];
    /// Messages in the queue that are deferred because of the messaging limit. They are included in
    /// `waypost_queue_messages`.
    Gauge QUEUE_DEFERRED = "waypost_queue_deferred_messages" ["workspace" "account"];
    /// Time since the oldest due message in the queue became due. Messages that are scheduled for later, or deferred
    /// because of the messaging limit, are not due.
    Gauge QUEUE_OVERDUE = "waypost_queue_overdue_seconds" ["workspace" "account"];

    /// 1 if the account is suspended (status `held`) or disconnected, else 0.
    Gauge ACCOUNT_SUSPENDED = "waypost_account_held" ["workspace" "account"];
    /// Messaging limit: maximum number of recipients of templates outside the customer service window in 24 hours;
    /// `+Inf` without a limit.
    Gauge MESSAGING_LIMIT = "waypost_messaging_limit_recipients" ["workspace" "waba_id"];
    /// Recipients of templates outside the customer service window in the last 24 hours.
    Gauge MESSAGING_LIMIT_USED = "waypost_messaging_limit_used_recipients" ["workspace" "waba_id"];

    /// Connections of clients that are open.
    Gauge CONNECTIONS = "waypost_connections" [];
    /// Connections that were refused: `address` (the client address has too many), or `total` (the gateway works on a
    /// request of each connection).
    Counter CONNECTIONS_REFUSED = "waypost_connections_refused_total" ["reason"];
    /// Connections that the gateway closed: `first_bytes` (the first bytes did not come in time), `head` (the head of a
    /// request was not complete in time), `idle`, `write` (the client did not take the response), or `replaced` (a new
    /// connection got the place of one that waited for its client).
    Counter CONNECTIONS_CLOSED = "waypost_connections_closed_total" ["reason"];

    /// Requests to the API, by route; `status` is the class of the status code, such as `2xx`.
    Counter HTTP_REQUESTS = "waypost_http_requests_total" ["method" "route" "status"];
    /// Duration of requests to the API. `kind` is `send` for messages and batches, else `other`.
    Histogram HTTP_SECONDS = "waypost_http_request_duration_seconds" ["kind"];
    /// Error responses of the API, by error code (`docs/errors.md`) and route.
    Counter HTTP_ERRORS = "waypost_http_errors_total" ["code" "route"];
    /// Requests to the API without a valid API key or session.
    Counter AUTH_FAILURES = "waypost_auth_failures_total" [];
    /// Requests to the API that were refused by the rate limit of the API key. `kind` is `send` or `other`.
    Counter RATE_LIMIT_REFUSALS = "waypost_rate_limit_refusals_total" ["kind"];
    /// Memory that bodies of requests use; `max_body_memory_mb` is its limit.
    Gauge BODY_MEMORY = "waypost_body_memory_bytes" [];
    /// Requests that were refused because the memory for bodies was spent. `part` is `workspace` (the part of the caller's
    /// workspace, or the whole) or `unauthenticated`.
    Counter BODY_REFUSALS = "waypost_body_refusals_total" ["part"];

    /// Webhook payloads received from Meta: `accepted`, `unsigned`, `not_json`, `too_large`, `timeout` (not read in time),
    /// `incomplete`, `overloaded` (the memory for bodies was spent), `store_unavailable`.
    Counter WEBHOOK_PAYLOADS = "waypost_webhook_payloads_total" ["outcome"];
    /// Changes in webhook payloads from Meta: `applied`, `duplicate`, `pending_status` (the status of an unknown message),
    /// `unrouted` (no matching account), `undecodable`.
    Counter WEBHOOK_CHANGES = "waypost_webhook_changes_total" ["outcome"];
    /// Time from Meta's time of the newest change in a payload to its commit. Meta's times have whole seconds. Payloads
    /// without new changes are not counted.
    Histogram WEBHOOK_LAG = "waypost_webhook_lag_seconds" [];

    /// Calls to Meta. For a message, `outcome` is `accepted`, `refused`, `stopped` (refused by a proxy), `not_sent` or
    /// `unknown`; for other calls `answered`, `refused` or `unreachable`.
    Counter META_CALLS = "waypost_meta_calls_total" ["call" "outcome"];
    /// Duration of calls to Meta.
    Histogram META_SECONDS = "waypost_meta_call_duration_seconds" ["call"];

    /// Attempts to deliver an event to a webhook endpoint: `succeeded`, `failed`, or `dead` (no further attempt).
    Counter DELIVERIES = "waypost_deliveries_total" ["outcome"];
    /// Time from an event to its first successful delivery to a webhook endpoint.
    Histogram DELIVERY_LAG = "waypost_delivery_lag_seconds" [];
    /// Deliveries that wait for their first or next attempt.
    Gauge DELIVERIES_WAITING = "waypost_deliveries_waiting" ["workspace"];

    /// Duration of the store's transactions, from the first write to the commit on disk.
    Histogram STORE_COMMIT_SECONDS = "waypost_store_commit_duration_seconds" [];
    /// Writes that shared a transaction.
    Histogram STORE_COMMIT_WRITES = "waypost_store_commit_writes" [];
    /// Transactions that could not be committed.
    Counter STORE_LOST = "waypost_store_lost_commits_total" [];
    /// Writes that wait for the store's writer.
    Gauge STORE_WAITING = "waypost_store_waiting_writes" [];
    /// Duration of reads of the store, including the wait for a connection.
    Histogram STORE_READ_SECONDS = "waypost_store_read_duration_seconds" [];
    /// Failed calls of the store: `unavailable`, `too_expensive`, `conflict`, `corrupt`, `bug`.
    Counter STORE_ERRORS = "waypost_store_errors_total" ["kind"];
    /// 1 if the store could be read for this page, else 0. If 0, the metrics of the store are missing from this page.
    Gauge STORE_UP = "waypost_store_up" [];
    /// Size of the database: the `main` file and the `wal` file.
    Gauge STORE_SIZE = "waypost_store_size_bytes" ["file"];

    /// Trace spans for the collector (`log.otlp_endpoint`): `exported`, `lost` (not accepted by the collector), or
    /// `dropped` (created faster than the collector accepts them).
    Counter SPANS = "waypost_spans_total" ["outcome"];

    /// Always 1; the label is the version of this program.
    Gauge BUILD_INFO = "waypost_build_info" ["version"];
    /// Time at which the process started, in Unix seconds.
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
    fn names_and_labels_are_valid_for_prometheus() {
        let is_name = |text: &str| {
            text.starts_with(|first: char| first.is_ascii_lowercase())
                && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
        };
        let mut names = BTreeSet::new();
        for metric in ALL {
            assert!(is_name(metric.name) && names.insert(metric.name), "{}", metric.name);
            assert!(metric.labels.iter().all(|label| is_name(label) && *label != "le"), "{}", metric.name);
            assert_eq!(
                metric.name.ends_with("_total"),
                metric.kind == MetricKind::Counter,
                "{}",
                metric.name
            );
            assert!(metric.help.trim().ends_with('.'), "{}", metric.name);
        }
    }
}
