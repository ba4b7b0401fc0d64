//! Endpoints of the application, and events on their way to them.

use domain::events::EventKind;
use domain::id::{AccountId, DeliveryId, ReplayId, WebhookId, WorkerId, WorkspaceId};
use domain::webhooks_out::delivery::{DeliveryDecision, DeliveryStatus, WebhookStatus};
use jiff::Timestamp;
use secrecy::SecretString;

use super::{LeaseToken, StoredEvent};

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
    pub claim: DeliveryLease,
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
