//! Webhook endpoints and deliveries.

use super::events::StoredEvent;
use super::lease::LeaseToken;
use super::port_macro::port;
use super::storage::{Page, PageRequest, StoreError};
use domain::access::audit::AuditEntry;
use domain::events::{EventExample, EventSelection};
use domain::id::{AccountId, DeliveryId, ReplayId, WebhookId, WorkerId, WorkspaceId};
use domain::webhooks_out::delivery::{DeliveryDecision, DeliveryStatus, WebhookOrdering, WebhookStatus};
use jiff::Timestamp;
use secrecy::SecretString;

port! {
    storage webhook_endpoints_port;

    /// Webhook endpoints of the customers.
    pub trait WebhookEndpoints {
        /// Inserts an endpoint, which gets the events that are written from now on. Returns `false` if the workspace has
        /// `limit` endpoints already.
        async fn insert_webhook_endpoint(
            &self,
            new: &WebhookEndpoint,
            limit: u32,
            audit_entry: AuditEntry,
        ) -> Result<bool, StoreError>;

        /// Updates an endpoint, except its secrets. `reactivates` gives the endpoint the status `active`. Returns `false` if
        /// the endpoint does not exist.
        async fn update_webhook_endpoint(
            &self,
            changed: &WebhookEndpoint,
            reactivates: bool,
            audit_entry: AuditEntry,
        ) -> Result<bool, StoreError>;

        /// Replaces the signing secret of an endpoint. Returns `false` if the endpoint does not exist.
        async fn rotate_webhook_secret(
            &self,
            rotation: WebhookSecretRotation,
            audit_entry: AuditEntry,
        ) -> Result<bool, StoreError>;

        /// Deletes an endpoint; its pending deliveries fail. Returns `false` if the endpoint does not exist.
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
        /// Returns the work that is pending.
        async fn get_pending_deliveries(&self, now: Timestamp) -> Result<PendingDeliveries, StoreError>;

        /// Creates deliveries for the endpoints whose filter matches: of the next events of each workspace and of the events
        /// of replays, at most about `limit` of each. Returns `true` if more events follow.
        async fn fan_out_events(&self, now: Timestamp, limit: u32) -> Result<bool, StoreError>;

        /// Leases due deliveries: the first delivery of each queue.
        async fn lease_deliveries(
            &self,
            request: &DeliveryLeaseRequest,
        ) -> Result<Vec<LeasedDelivery>, StoreError>;

        /// Stores the result of an attempt. Returns the next delivery of the queue, leased, if the result requests it.
        async fn finish_delivery_attempt(
            &self,
            lease: &DeliveryLease,
            result: &DeliveryAttemptResult,
        ) -> Result<Option<LeasedDelivery>, StoreError>;

        /// Turns expired deliveries, and deliveries to deleted endpoints, into dead letters; at most `limit`. Returns the
        /// number of dead letters.
        async fn expire_deliveries(&self, now: Timestamp, limit: u32) -> Result<u32, StoreError>;

        /// Lets later deliveries pass deliveries that have failed twice, of endpoints whose ordering was changed to
        /// `best_effort`; at most `limit` queues. Returns the number of queues.
        async fn update_blocked_queues(&self, now: Timestamp, limit: u32) -> Result<u32, StoreError>;

        /// Turns an open delivery into a dead letter, so that the next delivery of its queue is due. An attempt in progress
        /// ends first. Returns `false` if the delivery is not open.
        async fn finish_skipped_delivery(
            &self,
            workspace: WorkspaceId,
            delivery: i64,
            audit_entry: AuditEntry,
        ) -> Result<bool, StoreError>;

        /// Returns a page of deliveries, newest first.
        async fn list_deliveries(
            &self,
            workspace: WorkspaceId,
            filter: &DeliveryFilter,
            page: PageRequest,
        ) -> Result<Page<StoredDelivery>, StoreError>;

        /// Inserts a repetition of a delivery, in a queue of its own. Returns `None` if the delivery, its event or its
        /// endpoint does not exist.
        async fn insert_redelivery(
            &self,
            workspace: WorkspaceId,
            delivery: i64,
            replay: ReplayId,
            audit_entry: AuditEntry,
        ) -> Result<Option<DeliveryId>, StoreError>;

        /// Inserts a replay of past events, in queues of its own. Returns the number of events that the replay reads.
        async fn insert_replay(&self, replay: NewReplay, audit_entry: AuditEntry) -> Result<u64, StoreError>;

        /// Inserts a test event and its delivery to one endpoint, leased. Returns `None` if the endpoint does not exist.
        async fn insert_test_delivery(
            &self,
            new: NewTestDelivery,
            audit_entry: AuditEntry,
        ) -> Result<Option<LeasedDelivery>, StoreError>;
    }
}

/// Webhook endpoint with its decrypted secrets.
#[derive(Clone, Debug)]
pub struct WebhookEndpoint {
    /// Identifier.
    pub id: WebhookId,
    /// Identifier of the workspace.
    pub workspace: WorkspaceId,
    /// Display name.
    pub name: String,
    /// URL.
    pub url: String,
    /// Events that the endpoint gets.
    pub events: EventSelection,
    /// Accounts whose events the endpoint gets; empty is all accounts.
    pub accounts: Vec<AccountId>,
    /// Additional request headers: name and value.
    pub headers: Vec<(String, SecretString)>,
    /// Signing secret.
    pub secret: SecretString,
    /// Replaced signing secret, and the time until which requests are signed with it as well.
    pub old_secret: Option<(SecretString, Timestamp)>,
    /// Order of the deliveries.
    pub ordering: WebhookOrdering,
    /// `true` if the endpoint is enabled by its owner.
    pub is_enabled: bool,
    /// Status according to the results of its deliveries.
    pub status: WebhookStatus,
    /// Reason of the status `failing` or `disabled`, in words.
    pub status_reason: Option<String>,
    /// Time of creation.
    pub created_at: Timestamp,
    /// Time of the last change by a user.
    pub updated_at: Timestamp,
}

impl WebhookEndpoint {
    /// Returns the status for the API: `disabled` if the endpoint is disabled by its owner or by the gateway.
    pub fn shown_status(&self) -> WebhookStatus {
        if self.is_enabled { self.status } else { WebhookStatus::Disabled }
    }

    /// Returns the secrets that sign requests at this time, newest first.
    pub fn secrets(&self, now: Timestamp) -> Vec<SecretString> {
        let old = self.old_secret.as_ref().filter(|(_, until)| now < *until).map(|(secret, _)| secret);
        std::iter::once(&self.secret).chain(old).cloned().collect()
    }
}

/// Replacement of an endpoint's signing secret.
#[derive(Clone, Debug)]
pub struct WebhookSecretRotation {
    /// Identifier of the workspace.
    pub workspace: WorkspaceId,
    /// Identifier of the endpoint.
    pub webhook: WebhookId,
    /// New secret.
    pub secret: SecretString,
    /// Time until which requests are signed with the replaced secret as well.
    pub old_secret_until: Timestamp,
}

/// Work that is pending for webhook endpoints.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PendingDeliveries {
    /// `true` if events or replays are to be fanned out.
    pub has_events: bool,
    /// `true` if deliveries are expired, or their endpoint was deleted.
    pub has_expired: bool,
    /// `true` if the ordering of an endpoint was changed to `best_effort` while deliveries were blocked.
    pub has_blocked: bool,
    /// Endpoints with due deliveries.
    pub due: Vec<(WorkspaceId, WebhookId)>,
}

/// Request to lease due deliveries.
#[derive(Clone, Debug)]
pub struct DeliveryLeaseRequest {
    /// Worker that makes the attempts.
    pub worker: WorkerId,
    /// Token of the leases.
    pub token: LeaseToken,
    /// Maximum number of leases for each endpoint.
    pub capacities: Vec<EndpointCapacity>,
    /// Current time.
    pub now: Timestamp,
}

/// Maximum number of deliveries to lease for an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EndpointCapacity {
    /// Identifier of the workspace.
    pub workspace: WorkspaceId,
    /// Identifier of the endpoint.
    pub webhook: WebhookId,
    /// Maximum number of deliveries.
    pub limit: u32,
}

/// Lease of a delivery queue and its first delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveryLease {
    /// Identifier of the workspace.
    pub workspace: WorkspaceId,
    /// Identifier of the endpoint.
    pub webhook: WebhookId,
    /// Key of the queue. A queue has the events of one contact, or one event that concerns no contact.
    pub queue_key: Vec<u8>,
    /// Position of the delivery in the workspace.
    pub position: i64,
    /// Token of the lease.
    pub token: LeaseToken,
}

/// Leased delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeasedDelivery {
    /// Lease.
    pub lease: DeliveryLease,
    /// Event to deliver.
    pub event: StoredEvent,
    /// Number of failed attempts of this delivery.
    pub n_failures: u32,
    /// Time at which the delivery becomes a dead letter.
    pub ends_at: Timestamp,
    /// `true` if the delivery is a repetition that was requested.
    pub is_redelivery: bool,
}

/// Result of an attempt to deliver an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveryAttemptResult {
    /// Decision about the delivery.
    pub decision: DeliveryDecision,
    /// HTTP status of the response, if there was one.
    pub http_status: Option<u16>,
    /// Duration of the attempt, in milliseconds.
    pub latency_ms: u32,
    /// Beginning of the response body, or the reason why there was no response.
    pub response: String,
    /// Reason of the failure, in words; `None` after a success.
    pub reason: Option<String>,
    /// `true` if the next delivery of the queue is to be leased at once.
    pub lease_next: bool,
    /// Time at which the attempt ended.
    pub now: Timestamp,
}

/// Test delivery to insert.
#[derive(Clone, Debug)]
pub struct NewTestDelivery {
    /// Identifier of the workspace.
    pub workspace: WorkspaceId,
    /// Identifier of the endpoint.
    pub webhook: WebhookId,
    /// Worker that makes the attempt.
    pub worker: WorkerId,
    /// Token of the lease.
    pub token: LeaseToken,
    /// Identifier of the replay to which the delivery belongs.
    pub replay: ReplayId,
    /// Event to deliver.
    pub example: EventExample,
}

/// Delivery of an event to an endpoint, read from the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredDelivery {
    /// Identifier.
    pub id: DeliveryId,
    /// Identifier of the endpoint.
    pub webhook: WebhookId,
    /// Event; `None` if retention deleted the event.
    pub event: Option<StoredEvent>,
    /// `true` if the delivery is a repetition that was requested.
    pub is_redelivery: bool,
    /// Status.
    pub status: DeliveryStatus,
    /// Number of attempts.
    pub n_attempts: u32,
    /// HTTP status of the last response.
    pub http_status: Option<u16>,
    /// Duration of the last attempt, in milliseconds.
    pub latency_ms: Option<u32>,
    /// Beginning of the last response body, or the reason why there was no response.
    pub response: Option<String>,
    /// Reason why the last attempt failed, or why there is no further attempt, in words.
    pub reason: Option<String>,
    /// Time of the last attempt.
    pub at: Option<Timestamp>,
    /// Time of the next attempt; `None` if the delivery waits for an earlier delivery of its queue, or is finished.
    pub next_attempt_at: Option<Timestamp>,
    /// Time of creation.
    pub created_at: Timestamp,
}

/// Filter of deliveries; `None` matches all.
#[derive(Clone, Debug, Default)]
pub struct DeliveryFilter {
    /// Identifier of the endpoint.
    pub webhook: Option<WebhookId>,
    /// Status.
    pub status: Option<DeliveryStatus>,
    /// Position of the delivery in the workspace.
    pub position: Option<i64>,
}

/// Replay of past events to insert.
#[derive(Clone, Copy, Debug)]
pub struct NewReplay {
    /// Identifier.
    pub id: ReplayId,
    /// Identifier of the workspace.
    pub workspace: WorkspaceId,
    /// Identifier of the endpoint.
    pub webhook: WebhookId,
    /// Earliest time of the replayed events.
    pub since: Timestamp,
}
