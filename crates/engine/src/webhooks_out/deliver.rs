//! Events on their way to the application's endpoints.
//!
//! A round hands new events to the endpoints that want them, then claims what is due and posts it. Each queue of one
//! endpoint and one person is posted by a task of its own, one event after the other.
//!
//! **Invariant:** an endpoint has so many posts under way at most; none waits for another endpoint's.
//!
//! **Invariant:** what an attempt brought is written down before the next of its queue begins.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use domain::access::audit::AuditEntry;
use domain::access::rate_limiter::SlidingWindow;
use domain::id::{ReplayId, WebhookId, WorkspaceId};
use domain::webhooks_out::delivery;
use domain::webhooks_out::delivery::{DeliveryAttempt, DeliveryDecision, EndpointResponse, WebhookStatus};
use jiff::{SignedDuration, Timestamp};
use tracing::field::Empty;
use tracing::{Instrument as _, Span};

use crate::metrics::DeliveryOutcome;
use crate::ports::{
    DeliveryAttemptResult, DeliveryLease, DeliveryLeaseRequest, LeasedDelivery, StoreError, WebhookAttempt,
    WebhookEndpoint, WebhookOutcome, WebhookRequest,
};
use crate::spans::SPANS;
use crate::{Deps, chain};

/// How often there is a look for what is due, without a hint.
pub const LOOK_EVERY: SignedDuration = SignedDuration::from_secs(1);
/// Events handed out in one transaction.
const SPREAD_BATCH: u32 = 250;
/// Dead letters made in one transaction.
const END_BATCH: u32 = 250;
/// An endpoint that fails is asked by a few at a time, so that it costs little and is not hit by all when it comes back.
const ROOM_OF_FAILING: u32 = 2;
/// When an attempt that was given up half-way is made again.
const AFTER_A_FAULT: SignedDuration = SignedDuration::from_secs(10);
/// After so many events the queue of one person makes room for those of others.
const IN_A_ROW: u32 = 20;

/// What an operator may set.
#[derive(Clone, Debug)]
pub struct DeliverySettings {
    /// The waits after the first failed attempt, the second, and so on.
    pub schedule: Vec<SignedDuration>,
    /// Posts under way to one endpoint.
    pub concurrency: u32,
    /// Posts to one endpoint that may begin in any second; `None` is no limit.
    pub per_second: Option<u32>,
}

impl Default for DeliverySettings {
    fn default() -> Self {
        let seconds = [10, 60, 300, 1_800, 7_200, 18_000, 36_000, 86_400];
        Self {
            schedule: seconds.into_iter().map(SignedDuration::from_secs).collect(),
            concurrency: 16,
            per_second: None,
        }
    }
}

/// The posts of this process.
#[derive(Default)]
pub(crate) struct Posts {
    endpoints: Mutex<BTreeMap<WebhookId, Endpoint>>,
    /// Attempts that are over and could not be written down.
    unwritten: Mutex<Vec<(DeliveryLease, DeliveryAttemptResult)>>,
    /// When there was a look although nobody listens: what waits for endpoints that are no more is cleared away.
    looked_at: Mutex<Option<Timestamp>>,
}

/// What one endpoint has under way.
#[derive(Default)]
struct Endpoint {
    n_under_way: u32,
    /// Posts that began in the last second, where there is a limit.
    begun: Option<SlidingWindow>,
}

/// What a second is to a limit in posts a second.
const SECOND: SignedDuration = SignedDuration::from_secs(1);

impl Posts {
    /// How many queues of an endpoint may be taken up.
    fn room(&self, deps: &Deps, webhook: &WebhookEndpoint) -> u32 {
        let most = match webhook.status {
            WebhookStatus::Failing => ROOM_OF_FAILING.min(deps.settings.hooks.concurrency),
            WebhookStatus::Active | WebhookStatus::Disabled => deps.settings.hooks.concurrency,
        };
        let mut endpoints = self.endpoints.lock().unwrap_or_else(PoisonError::into_inner);
        let endpoint = endpoints.entry(webhook.id).or_default();
        let room = most.saturating_sub(endpoint.n_under_way);
        match deps.settings.hooks.per_second {
            None => room,
            Some(per_second) => {
                let begun = endpoint.begun.get_or_insert_with(|| SlidingWindow::new(per_second, SECOND));
                room.min(begun.remaining(deps.now()))
            }
        }
    }

    fn take_up(&self, webhook: WebhookId, now: Timestamp) {
        let mut endpoints = self.endpoints.lock().unwrap_or_else(PoisonError::into_inner);
        let endpoint = endpoints.entry(webhook).or_default();
        if let Some(begun) = &mut endpoint.begun {
            begun.record(now);
        }
        endpoint.n_under_way += 1;
    }

    fn keep(&self, lease: DeliveryLease, end: DeliveryAttemptResult) {
        self.unwritten.lock().unwrap_or_else(PoisonError::into_inner).push((lease, end));
    }

    /// Whether it is long enough since the last look; then this is one.
    fn is_time_to_look(&self, now: Timestamp) -> bool {
        let mut looked_at = self.looked_at.lock().unwrap_or_else(PoisonError::into_inner);
        let is_time = looked_at.is_none_or(|at| now.duration_since(at).abs() >= LOOK_EVERY);
        if is_time {
            *looked_at = Some(now);
        }
        is_time
    }

    fn unwritten(&self) -> Vec<(DeliveryLease, DeliveryAttemptResult)> {
        std::mem::take(&mut *self.unwritten.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn put_down(&self, webhook: WebhookId) {
        let mut endpoints = self.endpoints.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(endpoint) = endpoints.get_mut(&webhook) {
            endpoint.n_under_way = endpoint.n_under_way.saturating_sub(1);
        }
    }

    /// Forgets endpoints that are no more.
    fn retain(&self, is_there: impl Fn(WebhookId) -> bool) {
        let mut endpoints = self.endpoints.lock().unwrap_or_else(PoisonError::into_inner);
        endpoints.retain(|id, endpoint| endpoint.n_under_way > 0 || is_there(*id));
    }
}

/// One round: hands out some events, ends some of what is over, posts what is due, so that much of the one does not keep
/// the other waiting. Returns how much was done; 0 when nothing is left to do now.
///
/// # Errors
/// When the store cannot be read or written; the next round tries again.
pub async fn tick(deps: &Arc<Deps>) -> Result<usize, StoreError> {
    write_down_late(deps).await?;
    if deps.directory.current().webhooks.is_empty() && !deps.posts.is_time_to_look(deps.now()) {
        // Nobody listens: then a commit is no reason to look.
        return Ok(0);
    }
    let mut work = deps.deliveries.get_pending_deliveries(deps.now()).await?;
    let mut n_done = 0;
    if work.has_events {
        n_done += usize::from(deps.deliveries.fan_out_events(deps.now(), SPREAD_BATCH).await?);
        work = deps.deliveries.get_pending_deliveries(deps.now()).await?;
    }
    if work.has_ended {
        let n_ended = deps.deliveries.expire_deliveries(deps.now(), END_BATCH).await?;
        n_done += usize::try_from(n_ended).unwrap_or(usize::MAX);
    }
    if work.due.is_empty() || deps.stopping.is_cancelled() {
        return Ok(n_done);
    }
    let directory = deps.directory.current();
    deps.posts.retain(|id| directory.webhooks.iter().any(|webhook| webhook.id == id));
    let room: Vec<(WorkspaceId, WebhookId, u32)> = work
        .due
        .into_iter()
        .filter_map(|(workspace, id)| {
            Some((workspace, id, deps.posts.room(deps, directory.webhook(workspace, id)?)))
        })
        .filter(|(_, _, room)| *room > 0)
        .collect();
    if room.is_empty() {
        return Ok(n_done);
    }
    let request =
        DeliveryLeaseRequest { worker: deps.worker, token: deps.new_token(), room, now: deps.now() };
    let leased = deps.deliveries.lease_deliveries(&request).await?;
    n_done += leased.len();
    for delivery in leased {
        deps.posts.take_up(delivery.lease.webhook, deps.now());
        let task = Task { deps: deps.clone(), webhook: delivery.lease.webhook, held: Some(delivery) };
        deps.tasks.spawn(task.run());
    }
    Ok(n_done)
}

/// A queue that is being posted; it counts as under way until it is dropped, also by a panic.
struct Task {
    deps: Arc<Deps>,
    webhook: WebhookId,
    /// What is being posted.
    held: Option<LeasedDelivery>,
}

impl Drop for Task {
    fn drop(&mut self) {
        if let Some(delivery) = self.held.take() {
            tracing::error!("a delivery was given up half-way; it is attempted again");
            let now = self.deps.now();
            let at = now.saturating_add(AFTER_A_FAULT).unwrap_or(now);
            let end = not_posted(DeliveryDecision::Retry { at }, "the attempt was given up half-way", now);
            self.deps.posts.keep(delivery.lease, end);
        }
        self.deps.posts.put_down(self.webhook);
        // There is room again.
        self.deps.committed.notify_waiters();
    }
}

impl Task {
    async fn run(mut self) {
        let mut n_done = 0;
        while let Some(delivery) = &self.held {
            n_done += 1;
            let span = span(delivery);
            let end = post(&self.deps, delivery, n_done < IN_A_ROW).instrument(span.clone()).await;
            if let Some(status) = end.http_status {
                span.record("http.response.status_code", status);
            }
            let (outcome, word) = match end.verdict {
                DeliveryDecision::Succeeded => (DeliveryOutcome::Succeeded, "succeeded"),
                DeliveryDecision::Retry { .. } => (DeliveryOutcome::Failed, "failed"),
                DeliveryDecision::Dead | DeliveryDecision::Gone => (DeliveryOutcome::Dead, "dead"),
            };
            span.record("delivery.outcome", word);
            // How late an event is says something of this process only where nobody asked for it again.
            let since = (!delivery.is_redelivery).then_some(delivery.event.at);
            self.deps.metrics.delivered(outcome, since);
            match self.deps.deliveries.finish_delivery_attempt(&delivery.lease, &end).await {
                Ok(next) => self.held = next,
                Err(error) => {
                    tracing::error!(error = %chain(&error), "how a delivery went could not be written down yet");
                    self.deps
                        .posts
                        .keep(delivery.lease.clone(), DeliveryAttemptResult { goes_on: false, ..end });
                    self.held = None;
                }
            }
        }
    }
}

/// The span of an attempt.
fn span(delivery: &LeasedDelivery) -> Span {
    tracing::info_span!(
        target: SPANS,
        "delivery",
        otel.kind = "client",
        webhook.id = %delivery.lease.webhook,
        event.id = %delivery.event.id,
        event.kind = delivery.event.kind.as_str(),
        is_redelivery = delivery.is_redelivery,
        delivery.outcome = Empty,
        http.response.status_code = Empty,
    )
}

/// Writes down what could not be written down when it happened.
async fn write_down_late(deps: &Deps) -> Result<(), StoreError> {
    let mut unwritten = deps.posts.unwritten().into_iter();
    while let Some((lease, end)) = unwritten.next() {
        if let Err(error) = deps.deliveries.finish_delivery_attempt(&lease, &end).await {
            deps.posts.keep(lease, end);
            unwritten.for_each(|(lease, end)| deps.posts.keep(lease, end));
            return Err(error);
        }
    }
    Ok(())
}

/// Posts the test event of an endpoint, and writes down how it went.
/// Returns the delivery's place in the list of the workspace; `None`: there is no such endpoint.
///
/// # Errors
/// When the store cannot be written.
pub(crate) async fn test(
    deps: &Arc<Deps>,
    record: &WebhookEndpoint,
    entry: AuditEntry,
) -> Result<Option<i64>, StoreError> {
    let webhook = record.id;
    let audit = (deps.worker, deps.new_token(), deps.new_id(ReplayId::from_parts));
    let Some(delivery) =
        deps.deliveries.insert_test_delivery(record.workspace, webhook, audit, entry).await?
    else {
        return Ok(None);
    };
    let position = delivery.lease.position;
    deps.posts.take_up(webhook, deps.now());
    let task = Task { deps: deps.clone(), webhook, held: Some(delivery) };
    // In a task of its own: whoever asked may go away, the attempt does not.
    if deps.tasks.spawn(task.run()).await.is_err() {
        tracing::error!("the test of an endpoint panicked");
    }
    Ok(Some(position))
}

/// Posts one delivery.
async fn post(deps: &Deps, delivery: &LeasedDelivery, goes_on: bool) -> DeliveryAttemptResult {
    let LeasedDelivery { lease, event, .. } = delivery;
    let directory = deps.directory.current();
    let Some(webhook) = directory.webhook(lease.workspace, lease.webhook) else {
        // Removed a moment ago: nothing more goes there.
        return not_posted(DeliveryDecision::Dead, "the endpoint is no longer there", deps.now());
    };
    let call = WebhookRequest {
        url: webhook.url.clone(),
        headers: webhook.headers.clone(),
        secrets: webhook.secrets(deps.now()),
        event_id: event.id.to_string(),
        at: deps.now(),
        body: event.body().into(),
        is_redelivery: delivery.is_redelivery,
    };
    let WebhookAttempt { outcome, latency } = deps.webhook_sender.send_event(call).await;
    let now = deps.now();
    let (reply, http_status, response) = read(outcome);
    let mut random = [0; 8];
    deps.random.fill(&mut random);
    let attempted = DeliveryAttempt {
        response: reply,
        n_failures: delivery.n_failures,
        ends_at: delivery.ends_at,
        now,
        random: u64::from_le_bytes(random),
    };
    // A test is made once: whoever asked for it hears how it went.
    let is_test = event.kind == domain::events::EventKind::WebhookTest && !delivery.is_redelivery;
    let schedule = if is_test { &[] } else { deps.settings.hooks.schedule.as_slice() };
    let may_go_on = goes_on && !deps.stopping.is_cancelled() && deps.settings.hooks.per_second.is_none();
    DeliveryAttemptResult {
        verdict: delivery::decide(schedule, &attempted),
        http_status,
        latency_ms: u32::try_from(latency.as_millis()).unwrap_or(u32::MAX),
        response,
        goes_on: may_go_on,
        now,
    }
}

fn not_posted(verdict: DeliveryDecision, reason: &str, now: Timestamp) -> DeliveryAttemptResult {
    DeliveryAttemptResult {
        verdict,
        http_status: None,
        latency_ms: 0,
        response: reason.to_owned(),
        goes_on: false,
        now,
    }
}

fn read(outcome: WebhookOutcome) -> (EndpointResponse, Option<u16>, String) {
    match outcome {
        WebhookOutcome::Responded { status, body, retry_after } => {
            let reply = match status {
                200..=299 => EndpointResponse::Succeeded,
                410 => EndpointResponse::Gone,
                _ => EndpointResponse::Failed { retry_after },
            };
            (reply, Some(status), body)
        }
        WebhookOutcome::Failed { reason } => (EndpointResponse::Failed { retry_after: None }, None, reason),
    }
}
