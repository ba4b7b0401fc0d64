//! Running delivery tasks of the process, and results that could not be stored.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use domain::access::rate_limiter::SlidingWindow;
use domain::id::WebhookId;
use domain::webhooks_out::delivery::WebhookStatus;
use jiff::{SignedDuration, Timestamp};

use super::settings::DeliverySettings;
use crate::ports::{DeliveryAttemptResult, DeliveryLease, WebhookEndpoint};

/// Maximum time between two rounds.
pub const POLL_INTERVAL: SignedDuration = SignedDuration::from_secs(1);
/// Maximum number of concurrent attempts of a failing endpoint. A low number saves resources, and protects the endpoint
/// from a burst when it recovers.
const FAILING_CONCURRENCY: u32 = 2;

/// Running delivery tasks of this process.
#[derive(Default)]
pub(crate) struct DeliveryTasks {
    endpoints: Mutex<BTreeMap<WebhookId, EndpointTasks>>,
    /// Results of attempts that could not be stored yet.
    unwritten: Mutex<Vec<(DeliveryLease, DeliveryAttemptResult)>>,
    /// Time of the last round in which the directory had no endpoints. Such rounds finish deliveries to deleted endpoints.
    polled_at: Mutex<Option<Timestamp>>,
}

/// Running delivery tasks of one endpoint.
#[derive(Default)]
struct EndpointTasks {
    n_running: u32,
    /// Attempts that began in the last second; `None` without a limit.
    started: Option<SlidingWindow>,
}

/// Window of the limit of attempts per second.
const SECOND: SignedDuration = SignedDuration::from_secs(1);

impl DeliveryTasks {
    /// Returns the number of tasks that can be started for an endpoint.
    pub(super) fn capacity(
        &self,
        settings: &DeliverySettings,
        webhook: &WebhookEndpoint,
        now: Timestamp,
    ) -> u32 {
        let concurrency = match webhook.status {
            WebhookStatus::Failing => FAILING_CONCURRENCY.min(settings.concurrency),
            WebhookStatus::Active | WebhookStatus::Disabled => settings.concurrency,
        };
        let mut endpoints = self.endpoints.lock().unwrap_or_else(PoisonError::into_inner);
        let endpoint = endpoints.entry(webhook.id).or_default();
        let capacity = concurrency.saturating_sub(endpoint.n_running);
        match settings.per_second {
            None => capacity,
            Some(per_second) => {
                let started = endpoint.started.get_or_insert_with(|| SlidingWindow::new(per_second, SECOND));
                capacity.min(started.remaining(now))
            }
        }
    }

    /// Counts a task that starts.
    pub(super) fn start(&self, webhook: WebhookId, now: Timestamp) {
        let mut endpoints = self.endpoints.lock().unwrap_or_else(PoisonError::into_inner);
        let endpoint = endpoints.entry(webhook).or_default();
        if let Some(started) = &mut endpoint.started {
            started.record(now);
        }
        endpoint.n_running += 1;
    }

    /// Counts a task that ended.
    pub(super) fn finish(&self, webhook: WebhookId) {
        let mut endpoints = self.endpoints.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(endpoint) = endpoints.get_mut(&webhook) {
            endpoint.n_running = endpoint.n_running.saturating_sub(1);
        }
    }

    /// Removes the counts of endpoints that do not exist.
    pub(super) fn retain(&self, exists: impl Fn(WebhookId) -> bool) {
        let mut endpoints = self.endpoints.lock().unwrap_or_else(PoisonError::into_inner);
        endpoints.retain(|id, endpoint| endpoint.n_running > 0 || exists(*id));
    }

    /// Adds a result that could not be stored.
    pub(super) fn push_unwritten(&self, lease: DeliveryLease, result: DeliveryAttemptResult) {
        self.unwritten.lock().unwrap_or_else(PoisonError::into_inner).push((lease, result));
    }

    /// Removes and returns all results that could not be stored.
    pub(super) fn take_unwritten(&self) -> Vec<(DeliveryLease, DeliveryAttemptResult)> {
        std::mem::take(&mut *self.unwritten.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Returns `true` if a round without endpoints is due, and records the round.
    pub(super) fn is_poll_due(&self, now: Timestamp) -> bool {
        let mut polled_at = self.polled_at.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = polled_at.is_none_or(|at| now.duration_since(at).abs() >= POLL_INTERVAL);
        if is_due {
            *polled_at = Some(now);
        }
        is_due
    }
}
