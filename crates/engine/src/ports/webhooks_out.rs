//! Webhook endpoints and deliveries.

use super::port_macro::port;
use super::{LeaseToken, Page, PageRequest, StoreError, StoredEvent};
use domain::access::audit::AuditEntry;
use domain::events::EventKind;
use domain::id::{AccountId, DeliveryId, ReplayId, WebhookId, WorkerId, WorkspaceId};
use domain::webhooks_out::delivery::{DeliveryDecision, DeliveryStatus, WebhookStatus};
use jiff::Timestamp;
use secrecy::SecretString;

port! {
    storage webhook_endpoints_port;

    /// Webhook endpoints of the customers.
    pub trait WebhookEndpoints {
        /// Adds an endpoint. It hears of what comes from now on. `false`: there are as many as there may be.
        async fn insert_webhook_endpoint(
            &self,
            new: &WebhookEndpoint,
            limit: u32,
            audit_entry: AuditEntry,
        ) -> Result<bool, StoreError>;

        /// Changes an endpoint to what it shall be, but for its secrets; one that `revives` is active again. `false`: there is
        /// none.
        async fn update_webhook_endpoint(
            &self,
            changed: &WebhookEndpoint,
            revives: bool,
            audit_entry: AuditEntry,
        ) -> Result<bool, StoreError>;

        /// Gives an endpoint a secret; the one that it has by then signs as well until a time. `false`: there is none.
        async fn rotate_webhook_secret(
            &self,
            id: (WorkspaceId, WebhookId),
            secret: &SecretString,
            old_until: Timestamp,
            audit_entry: AuditEntry,
        ) -> Result<bool, StoreError>;

        /// Removes an endpoint; what waits for it goes nowhere. `false`: there is none.
        async fn delete_webhook_endpoint(
            &self,
            workspace: WorkspaceId,
            id: WebhookId,
            audit_entry: AuditEntry,
        ) -> Result<bool, StoreError>;
    }
}

port! {
    storage deliveries_port;

    /// Deliveries of events to webhook endpoints.
    pub trait Deliveries {
        /// What there is to do.
        async fn get_pending_deliveries(&self, now: Timestamp) -> Result<PendingDeliveries, StoreError>;

        /// Hands the next events of each workspace, and past ones that are to be repeated, to the endpoints that want them:
        /// at most about `limit` of each. Returns whether there are more.
        async fn fan_out_events(&self, now: Timestamp, limit: u32) -> Result<bool, StoreError>;

        /// Claims deliveries that are due: the head of each queue.
        async fn lease_deliveries(
            &self,
            request: &DeliveryLeaseRequest,
        ) -> Result<Vec<LeasedDelivery>, StoreError>;

        /// Writes down how an attempt ended. Returns the next of the same queue, claimed, if it goes on.
        async fn finish_delivery_attempt(
            &self,
            lease: &DeliveryLease,
            end: &DeliveryAttemptResult,
        ) -> Result<Option<LeasedDelivery>, StoreError>;

        /// Makes dead letters of what has run out of time, and of what waits for endpoints that are no more; at most
        /// `limit`. Returns how many.
        async fn expire_deliveries(&self, now: Timestamp, limit: u32) -> Result<u32, StoreError>;

        /// One page of deliveries, newest first.
        async fn list_deliveries(
            &self,
            workspace: WorkspaceId,
            filter: &DeliveryFilter,
            page: PageRequest,
        ) -> Result<Page<StoredDelivery>, StoreError>;

        /// Repeats a delivery, beside the queue. `None`: it, its event or its endpoint is no longer there.
        async fn insert_redelivery(
            &self,
            workspace: WorkspaceId,
            delivery: i64,
            replay: ReplayId,
            audit_entry: AuditEntry,
        ) -> Result<Option<DeliveryId>, StoreError>;

        /// Asks for past events again, beside the queue. Returns how many events are looked through.
        async fn insert_replay(&self, replay: NewReplay, audit_entry: AuditEntry) -> Result<u64, StoreError>;

        /// Writes a test event for one endpoint, its delivery claimed. `None`: there is no such endpoint.
        async fn insert_test_delivery(
            &self,
            workspace: WorkspaceId,
            webhook: WebhookId,
            audit: (WorkerId, LeaseToken, ReplayId),
            audit_entry: AuditEntry,
        ) -> Result<Option<LeasedDelivery>, StoreError>;
    }
}

/// An endpoint with its secrets, opened.
#[derive(Clone, Debug)]
pub struct WebhookEndpoint {
    /// Its id.
    pub id: WebhookId,
    /// The tenant.
    pub workspace: WorkspaceId,
    /// What people call it.
    pub name: String,
    /// Where it is.
    pub url: String,
    /// What it hears of; `None` is everything.
    pub events: Option<Vec<EventKind>>,
    /// The accounts of which it hears; empty means all.
    pub accounts: Vec<AccountId>,
    /// Headers of its own: name and value.
    pub headers: Vec<(String, SecretString)>,
    /// Signs what it gets.
    pub secret: SecretString,
    /// Signs as well, until a time: the secret before.
    pub old_secret: Option<(SecretString, Timestamp)>,
    /// Whether somebody has switched it on.
    pub is_enabled: bool,
    /// How it fares.
    pub status: WebhookStatus,
    /// Why it was switched off.
    pub status_reason: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When somebody last changed it.
    pub updated_at: Timestamp,
}

impl WebhookEndpoint {
    /// How it fares, and whether it is switched on at all.
    pub fn shown_status(&self) -> WebhookStatus {
        if self.is_enabled { self.status } else { WebhookStatus::Disabled }
    }

    /// The secrets that sign at `now`, newest first.
    pub fn secrets(&self, now: Timestamp) -> Vec<SecretString> {
        let old = self.old_secret.as_ref().filter(|(_, until)| now < *until).map(|(secret, _)| secret);
        std::iter::once(&self.secret).chain(old).cloned().collect()
    }
}

/// What there is to do for endpoints.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PendingDeliveries {
    /// Whether there are events that were not handed to the endpoints yet, or past ones to repeat.
    pub has_events: bool,
    /// Whether there are deliveries whose time has run out, or whose endpoint is no more.
    pub has_ended: bool,
    /// Endpoints with a delivery that is due.
    pub due: Vec<(WorkspaceId, WebhookId)>,
}

/// Which deliveries to claim.
#[derive(Clone, Debug)]
pub struct DeliveryLeaseRequest {
    /// The process that posts them.
    pub worker: WorkerId,
    /// The secret of the claims.
    pub token: LeaseToken,
    /// For each endpoint, how many at most.
    pub room: Vec<(WorkspaceId, WebhookId, u32)>,
    /// Now.
    pub now: Timestamp,
}

/// A queue of deliveries that is held, with its head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveryLease {
    /// The tenant.
    pub workspace: WorkspaceId,
    /// The endpoint.
    pub webhook: WebhookId,
    /// The queue: events of one person, or one that stands alone.
    pub lane: Vec<u8>,
    /// The delivery's place in the workspace's list.
    pub position: i64,
    /// The proof.
    pub token: LeaseToken,
}

/// A delivery that is claimed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeasedDelivery {
    /// The claim.
    pub lease: DeliveryLease,
    /// What is to be posted.
    pub event: StoredEvent,
    /// Failed attempts of this queue's head.
    pub n_failures: u32,
    /// When it becomes a dead letter.
    pub ends_at: Timestamp,
    /// Whether somebody asked for it once more.
    pub is_redelivery: bool,
}

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveryAttemptResult {
    /// What follows.
    pub verdict: DeliveryDecision,
    /// The endpoint's HTTP status, if it answered.
    pub http_status: Option<u16>,
    /// How long it took, in milliseconds.
    pub latency_ms: u32,
    /// The beginning of the answer, or why there was none.
    pub response: String,
    /// Whether the next of the same queue shall be claimed at once.
    pub goes_on: bool,
    /// When it ended.
    pub now: Timestamp,
}

/// One event on its way to one endpoint, as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredDelivery {
    /// Its id.
    pub id: DeliveryId,
    /// The endpoint.
    pub webhook: WebhookId,
    /// The event; the kind is not known once the event is no longer kept.
    pub event: Option<StoredEvent>,
    /// Whether somebody asked for it once more.
    pub is_redelivery: bool,
    /// Where it stands.
    pub status: DeliveryStatus,
    /// Attempts so far.
    pub n_attempts: u32,
    /// The last answer's HTTP status.
    pub http_status: Option<u16>,
    /// How long the last attempt took, in milliseconds.
    pub latency_ms: Option<u32>,
    /// The beginning of the last answer, or why there was none.
    pub response: Option<String>,
    /// When it was last attempted.
    pub at: Option<Timestamp>,
    /// When it will be attempted; `None` behind others of its queue, and at its end.
    pub next_attempt_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
}

/// Which deliveries to list; `None` is any.
#[derive(Clone, Debug, Default)]
pub struct DeliveryFilter {
    /// To this endpoint.
    pub webhook: Option<WebhookId>,
    /// In this status.
    pub status: Option<DeliveryStatus>,
    /// At this place.
    pub position: Option<i64>,
}

/// A wish to hear again of past events.
#[derive(Clone, Copy, Debug)]
pub struct NewReplay {
    /// Its id.
    pub id: ReplayId,
    /// The tenant.
    pub workspace: WorkspaceId,
    /// The endpoint.
    pub webhook: WebhookId,
    /// From when on.
    pub since: Timestamp,
    /// Now.
    pub now: Timestamp,
}
