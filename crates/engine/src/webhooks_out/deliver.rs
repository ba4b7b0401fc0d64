//! Delivery of events to webhook endpoints.
//!
//! A round fans out new events to the endpoints whose filter matches, leases due deliveries, and starts a task for each
//! leased queue. A task delivers the events of one queue (one endpoint and one contact) one after the other.
//!
//! **Invariant:** the number of concurrent attempts of an endpoint is limited, and no endpoint waits for another.
//!
//! **Invariant:** the result of an attempt is stored before the next attempt of the queue begins.

use std::sync::Arc;

use domain::access::audit::AuditEntry;
use domain::events::EventExample;
use domain::id::{ReplayId, WebhookId};
use domain::webhooks_out::delivery;
use domain::webhooks_out::delivery::{DeliveryAttempt, DeliveryDecision, EndpointResponse};
use domain::webhooks_out::failure_reason::failure_reason;
use jiff::{SignedDuration, Timestamp};
use tracing::field::Empty;
use tracing::{Instrument as _, Span};

use crate::metrics::DeliveryOutcome;
use crate::ports::{
    DeliveryAttemptResult, DeliveryLeaseRequest, EndpointCapacity, LeasedDelivery, NewTestDelivery,
    StoreError, WebhookAttempt, WebhookEndpoint, WebhookOutcome, WebhookRequest,
};
use crate::spans::SPANS;
use crate::{Deps, chain};

/// Maximum number of events that are fanned out in one transaction.
const FAN_OUT_BATCH: u32 = 250;
/// Maximum number of blocked queues that are changed in one transaction.
const UNBLOCK_BATCH: u32 = 250;
/// Maximum number of dead letters that are made in one transaction.
const EXPIRE_BATCH: u32 = 250;
/// Time until the next attempt after a task ended without a result.
const ABORTED_RETRY_DELAY: SignedDuration = SignedDuration::from_secs(10);
/// Maximum number of consecutive deliveries of a queue. Other queues of the endpoint follow.
const MAX_IN_A_ROW: u32 = 20;

/// Runs one round: fans out a batch of events, unblocks a batch of queues, expires a batch of deliveries, and starts tasks
/// for due deliveries. The batches are small so that the kinds of work do not wait for each other. Returns the amount of work that was done;
/// 0 if nothing is pending.
///
/// # Errors
/// The store cannot be read or written. The next round tries again.
pub async fn tick(deps: &Arc<Deps>) -> Result<usize, StoreError> {
    write_unwritten(deps).await?;
    if deps.directory.current().webhooks.is_empty() && !deps.delivery_tasks.is_poll_due(deps.now()) {
        // Without endpoints, not each commit starts a read of the store.
        return Ok(0);
    }
    let mut pending = deps.deliveries.get_pending_deliveries(deps.now()).await?;
    let mut n_done = 0;
    if pending.has_events {
        n_done += usize::from(deps.deliveries.fan_out_events(deps.now(), FAN_OUT_BATCH).await?);
        pending = deps.deliveries.get_pending_deliveries(deps.now()).await?;
    }
    if pending.has_blocked {
        let n_unblocked = deps.deliveries.update_blocked_queues(deps.now(), UNBLOCK_BATCH).await?;
        n_done += usize::try_from(n_unblocked).unwrap_or(usize::MAX);
        pending = deps.deliveries.get_pending_deliveries(deps.now()).await?;
    }
    if pending.has_expired {
        let n_expired = deps.deliveries.expire_deliveries(deps.now(), EXPIRE_BATCH).await?;
        n_done += usize::try_from(n_expired).unwrap_or(usize::MAX);
    }
    if pending.due.is_empty() || deps.stopping.is_cancelled() {
        return Ok(n_done);
    }
    let directory = deps.directory.current();
    deps.delivery_tasks.retain(|id| directory.webhooks.iter().any(|webhook| webhook.id == id));
    let capacities: Vec<EndpointCapacity> = pending
        .due
        .into_iter()
        .filter_map(|(workspace, webhook)| {
            let limit = deps.delivery_tasks.capacity(
                &deps.settings.deliveries,
                directory.webhook(workspace, webhook)?,
                deps.now(),
            );
            (limit > 0).then_some(EndpointCapacity { workspace, webhook, limit })
        })
        .collect();
    if capacities.is_empty() {
        return Ok(n_done);
    }
    let request =
        DeliveryLeaseRequest { worker: deps.worker, token: deps.new_token(), capacities, now: deps.now() };
    let leased = deps.deliveries.lease_deliveries(&request).await?;
    n_done += leased.len();
    for delivery in leased {
        let task = Task::start(deps, delivery);
        deps.tasks.spawn(task.run());
    }
    Ok(n_done)
}

/// Task that delivers the events of a leased queue. The task counts as running until it is dropped, also after a panic.
struct Task {
    deps: Arc<Deps>,
    webhook: WebhookId,
    /// Delivery in progress.
    delivery: Option<LeasedDelivery>,
}

impl Drop for Task {
    fn drop(&mut self) {
        if let Some(delivery) = self.delivery.take() {
            tracing::error!("a delivery task ended without a result; the delivery is attempted again");
            let now = self.deps.now();
            let at = now.saturating_add(ABORTED_RETRY_DELAY).unwrap_or(now);
            let result =
                without_request(DeliveryDecision::Retry { at }, "the attempt ended without a result", now);
            self.deps.delivery_tasks.push_unwritten(delivery.lease, result);
        }
        self.deps.delivery_tasks.finish(self.webhook);
        // The next round can start a task for the endpoint.
        self.deps.committed.notify_waiters();
    }
}

impl Task {
    fn start(deps: &Arc<Deps>, delivery: LeasedDelivery) -> Self {
        let webhook = delivery.lease.webhook;
        deps.delivery_tasks.start(webhook, deps.now());
        Self { deps: deps.clone(), webhook, delivery: Some(delivery) }
    }

    async fn run(mut self) {
        let mut n_done = 0;
        while let Some(delivery) = &self.delivery {
            n_done += 1;
            let span = span(delivery);
            let result =
                attempt_delivery(&self.deps, delivery, n_done < MAX_IN_A_ROW).instrument(span.clone()).await;
            if let Some(status) = result.http_status {
                span.record("http.response.status_code", status);
            }
            let outcome = match result.decision {
                DeliveryDecision::Succeeded => DeliveryOutcome::Succeeded,
                DeliveryDecision::Retry { .. } => DeliveryOutcome::Failed,
                DeliveryDecision::Dead | DeliveryDecision::Gone => DeliveryOutcome::Dead,
            };
            span.record("delivery.outcome", outcome.as_str());
            // A requested repetition is not counted: its lag depends on the time of the request.
            let event_at = (!delivery.is_redelivery).then_some(delivery.event.at);
            self.deps.metrics.count_delivery(outcome, event_at);
            match self.deps.deliveries.finish_delivery_attempt(&delivery.lease, &result).await {
                Ok(next) => self.delivery = next,
                Err(error) => {
                    tracing::error!(error = %chain(&error), "could not store the result of a delivery; trying again");
                    let result = DeliveryAttemptResult { lease_next: false, ..result };
                    self.deps.delivery_tasks.push_unwritten(delivery.lease.clone(), result);
                    self.delivery = None;
                }
            }
        }
    }
}

/// Creates the span of an attempt.
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

/// Stores the results that could not be stored before.
async fn write_unwritten(deps: &Deps) -> Result<(), StoreError> {
    let mut unwritten = deps.delivery_tasks.take_unwritten().into_iter();
    while let Some((lease, result)) = unwritten.next() {
        if let Err(error) = deps.deliveries.finish_delivery_attempt(&lease, &result).await {
            deps.delivery_tasks.push_unwritten(lease, result);
            unwritten.for_each(|(lease, result)| deps.delivery_tasks.push_unwritten(lease, result));
            return Err(error);
        }
    }
    Ok(())
}

/// Delivers an example of an event to an endpoint, once, and waits for the result. Returns the position of the delivery in the
/// workspace; `None` if the endpoint does not exist.
///
/// # Errors
/// The store cannot be written.
pub(crate) async fn deliver_test_event(
    deps: &Arc<Deps>,
    record: &WebhookEndpoint,
    example: EventExample,
    entry: AuditEntry,
) -> Result<Option<i64>, StoreError> {
    let new = NewTestDelivery {
        workspace: record.workspace,
        webhook: record.id,
        worker: deps.worker,
        token: deps.new_token(),
        replay: deps.new_id(ReplayId::from_parts),
        example,
    };
    let Some(delivery) = deps.deliveries.insert_test_delivery(new, entry).await? else {
        return Ok(None);
    };
    let position = delivery.lease.position;
    let task = Task::start(deps, delivery);
    // Spawned, so that the attempt continues if the caller's request is canceled.
    if deps.tasks.spawn(task.run()).await.is_err() {
        tracing::error!("the test of a webhook endpoint panicked");
    }
    Ok(Some(position))
}

/// Makes an attempt to deliver an event. `may_continue` allows the lease of the next delivery of the queue.
async fn attempt_delivery(
    deps: &Deps,
    delivery: &LeasedDelivery,
    may_continue: bool,
) -> DeliveryAttemptResult {
    let LeasedDelivery { lease, event, .. } = delivery;
    let directory = deps.directory.current();
    let Some(webhook) = directory.webhook(lease.workspace, lease.webhook) else {
        return without_request(DeliveryDecision::Dead, "the endpoint was deleted", deps.now());
    };
    let request = WebhookRequest {
        url: webhook.url.clone(),
        headers: webhook.headers.clone(),
        secrets: webhook.secrets(deps.now()),
        event_id: event.id.to_string(),
        at: deps.clock.real_now(),
        body: event.body().into(),
        is_redelivery: delivery.is_redelivery,
    };
    let WebhookAttempt { outcome, latency } = deps.webhook_sender.send_event(request).await;
    let now = deps.now();
    let Response { result, http_status, text, reason } = Response::from_outcome(outcome);
    let mut random = [0; 8];
    deps.random.fill(&mut random);
    let attempt = DeliveryAttempt {
        response: result,
        n_failures: delivery.n_failures,
        ends_at: delivery.ends_at,
        now,
        random: u64::from_le_bytes(random),
    };
    let settings = &deps.settings.deliveries;
    // A test is attempted once: its requester waits for the result.
    let is_test = event.is_test && !delivery.is_redelivery;
    let schedule = if is_test { &[] } else { settings.schedule.as_slice() };
    DeliveryAttemptResult {
        decision: delivery::decide(schedule, &attempt),
        http_status,
        latency_ms: u32::try_from(latency.as_millis()).unwrap_or(u32::MAX),
        response: text,
        reason,
        lease_next: may_continue && !deps.stopping.is_cancelled() && settings.per_second.is_none(),
        now,
    }
}

/// Returns the result of an attempt that made no request.
fn without_request(decision: DeliveryDecision, reason: &str, now: Timestamp) -> DeliveryAttemptResult {
    DeliveryAttemptResult {
        decision,
        http_status: None,
        latency_ms: 0,
        response: reason.to_owned(),
        reason: Some(reason.to_owned()),
        lease_next: false,
        now,
    }
}

/// Response of an endpoint.
struct Response {
    result: EndpointResponse,
    http_status: Option<u16>,
    /// Beginning of the body, or the reason why there was no response.
    text: String,
    /// Reason of a failure, in words.
    reason: Option<String>,
}

impl Response {
    fn from_outcome(outcome: WebhookOutcome) -> Self {
        match outcome {
            WebhookOutcome::Responded { status, body, retry_after, redirect_to } => {
                let result = match status {
                    200..=299 => EndpointResponse::Succeeded,
                    410 => EndpointResponse::Gone,
                    _ => EndpointResponse::Failed { retry_after },
                };
                let reason = failure_reason(status, redirect_to.as_deref());
                Self { result, http_status: Some(status), text: body, reason }
            }
            WebhookOutcome::Failed { reason } => {
                let result = EndpointResponse::Failed { retry_after: None };
                Self { result, http_status: None, text: reason.clone(), reason: Some(reason) }
            }
        }
    }
}
