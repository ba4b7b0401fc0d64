//! What every use case is handed.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use domain::access::rate_limiter::RateLimits;
use domain::access::user::SessionLifetime;
use domain::accounts::account::Account;
use domain::contacts::opt_out::OptOutKeywords;
use domain::id::{AccountId, WorkerId};
use domain::messages::pacing::Pacers;
use jiff::Timestamp;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::access::api_key::RateLimiters;
use crate::access::session::LoginThrottles;
use crate::directory::DirectoryCache;
use crate::in_flight::InFlight;
use crate::maintenance::retention::RetentionSettings;
use crate::media::{Media, MediaPorts, MediaSettings};
use crate::messages::idempotency::RunningKeys;
use crate::messages::pacer::Pacer;
use crate::metrics::Metrics;
use crate::ports::{
    Accounts, ApiKeys, AuditLog, Clock, Contacts, Deliveries, Erasures, Events, Lease, LeaseToken,
    Maintenance, MessageQueue, Messages, Passwords, Random, TemplateRecords, Upstream, UpstreamAdmin, Users,
    WebhookEndpoints, WebhookPayloads, WebhookSender, Workers,
};
use crate::templates::TemplateCache;
use crate::webhooks_out::deliver::{DeliverySettings, Posts};

/// What an operator may set.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The limits of a key that names none.
    pub limits: RateLimits,
    /// Messages that each account may hand to Meta in any second.
    pub throughput: u32,
    /// Whether Meta's pair rule is kept here (reference D.2).
    pub has_pair_rule: bool,
    /// Messages that may wait in each account's queue.
    pub queue_per_account: u32,
    /// How events go out.
    pub hooks: DeliverySettings,
    /// How long a login lasts.
    pub sessions: SessionLifetime,
    /// What may be done with files.
    pub media: MediaSettings,
    /// For how long things are kept.
    pub retention: RetentionSettings,
    /// Where Meta sends its webhooks.
    pub callback_url: String,
    /// The words that stop marketing, and that take it back.
    pub opt_out: OptOutKeywords,
    /// Whether this is `waypost dev`, which accepts the key that everybody knows.
    pub is_dev: bool,
}

/// The outside world and what the process remembers.
pub struct Deps {
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Draws chance.
    pub random: Arc<dyn Random>,
    /// Workspaces, accounts and the directory.
    pub accounts: Arc<dyn Accounts>,
    /// Message templates.
    pub template_records: Arc<dyn TemplateRecords>,
    /// Messages and their attempts.
    pub messages: Arc<dyn Messages>,
    /// Queues of messages and the limits that apply to them.
    pub message_queue: Arc<dyn MessageQueue>,
    /// Contacts.
    pub contacts: Arc<dyn Contacts>,
    /// Webhook payloads from Meta.
    pub webhook_payloads: Arc<dyn WebhookPayloads>,
    /// Event log.
    pub events: Arc<dyn Events>,
    /// Webhook endpoints of the customers.
    pub webhook_endpoints: Arc<dyn WebhookEndpoints>,
    /// Deliveries of events to webhook endpoints.
    pub deliveries: Arc<dyn Deliveries>,
    /// API keys.
    pub api_keys: Arc<dyn ApiKeys>,
    /// Users and their sessions.
    pub users: Arc<dyn Users>,
    /// Audit log.
    pub audit_log: Arc<dyn AuditLog>,
    /// Erasure of contacts.
    pub erasures: Arc<dyn Erasures>,
    /// Processes that share the store, and the state of the store.
    pub workers: Arc<dyn Workers>,
    /// Retention, and the recovery from a backup.
    pub maintenance: Arc<dyn Maintenance>,
    /// Hashes passwords.
    pub passwords: Arc<dyn Passwords>,
    /// Carries messages.
    pub upstream: Arc<dyn Upstream>,
    /// Sets things at Meta.
    pub upstream_admin: Arc<dyn UpstreamAdmin>,
    /// Posts events to endpoints.
    pub webhook_sender: Arc<dyn WebhookSender>,
    /// Wakes after each commit of this process: something may have happened.
    pub committed: Arc<Notify>,
    /// Counts what this process does.
    pub metrics: Arc<Metrics>,
    /// Ends what waits for events: the process is to stop.
    pub stopping: CancellationToken,
    /// What an operator has set.
    pub settings: Settings,
    /// This process.
    pub worker: WorkerId,
    /// The accounts and keys, as last read.
    pub directory: DirectoryCache,
    /// The templates, as last read.
    pub templates: TemplateCache,
    /// What each caller has used of its time.
    pub rate_limiters: RateLimiters,
    /// The logins that failed of late, and the sessions in use.
    pub logins: LoginThrottles,
    /// The sends under way; shutdown waits for them.
    pub tasks: TaskTracker,
    /// The requests with a caller's key that are under way.
    pub running: RunningKeys,
    /// The files.
    pub media: Media,
    /// Says that something was put into the queue.
    pub queue_hint: Notify,
    /// Says that somebody is to be erased.
    pub erase_hint: Notify,
    pub(crate) pacer: Pacer,
    pub(crate) posts: Posts,
    pub(crate) in_flight: InFlight,
    /// Accounts that Meta refuses, as far as the store could not take it.
    pub(crate) holds: Mutex<BTreeMap<AccountId, (Account, String)>>,
    /// Claims whose task ended without settling them.
    pub(crate) dropped: Arc<Mutex<Vec<Lease>>>,
}

/// The ports, before they become [`Deps`].
pub struct Ports {
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Draws chance.
    pub random: Arc<dyn Random>,
    /// Workspaces, accounts and the directory.
    pub accounts: Arc<dyn Accounts>,
    /// Message templates.
    pub template_records: Arc<dyn TemplateRecords>,
    /// Messages and their attempts.
    pub messages: Arc<dyn Messages>,
    /// Queues of messages and the limits that apply to them.
    pub message_queue: Arc<dyn MessageQueue>,
    /// Contacts.
    pub contacts: Arc<dyn Contacts>,
    /// Webhook payloads from Meta.
    pub webhook_payloads: Arc<dyn WebhookPayloads>,
    /// Event log.
    pub events: Arc<dyn Events>,
    /// Webhook endpoints of the customers.
    pub webhook_endpoints: Arc<dyn WebhookEndpoints>,
    /// Deliveries of events to webhook endpoints.
    pub deliveries: Arc<dyn Deliveries>,
    /// API keys.
    pub api_keys: Arc<dyn ApiKeys>,
    /// Users and their sessions.
    pub users: Arc<dyn Users>,
    /// Audit log.
    pub audit_log: Arc<dyn AuditLog>,
    /// Erasure of contacts.
    pub erasures: Arc<dyn Erasures>,
    /// Processes that share the store, and the state of the store.
    pub workers: Arc<dyn Workers>,
    /// Retention, and the recovery from a backup.
    pub maintenance: Arc<dyn Maintenance>,
    /// Hashes passwords.
    pub passwords: Arc<dyn Passwords>,
    /// Carries messages.
    pub upstream: Arc<dyn Upstream>,
    /// Sets things at Meta.
    pub upstream_admin: Arc<dyn UpstreamAdmin>,
    /// Posts events to endpoints.
    pub webhook_sender: Arc<dyn WebhookSender>,
    /// Wakes after each commit of this process.
    pub committed: Arc<Notify>,
    /// Keeps and carries files.
    pub media: MediaPorts,
    /// Counts what this process does.
    pub metrics: Arc<Metrics>,
}

impl Deps {
    /// A process that has read nothing yet: [`crate::directory::refresh`] comes next.
    pub fn new(ports: Ports, settings: Settings) -> Self {
        let Ports {
            clock,
            random,
            accounts,
            template_records,
            messages,
            message_queue,
            contacts,
            webhook_payloads,
            events,
            webhook_endpoints,
            deliveries,
            api_keys,
            users,
            audit_log,
            erasures,
            workers,
            maintenance,
            passwords,
            upstream,
            upstream_admin,
            webhook_sender,
            committed,
            media,
            metrics,
        } = ports;
        let (unix_ms, bytes) = draw(&*clock, &*random);
        Self {
            clock,
            random,
            accounts,
            template_records,
            messages,
            message_queue,
            contacts,
            webhook_payloads,
            events,
            webhook_endpoints,
            deliveries,
            api_keys,
            users,
            audit_log,
            erasures,
            workers,
            maintenance,
            passwords,
            upstream,
            upstream_admin,
            webhook_sender,
            committed,
            metrics,
            stopping: CancellationToken::new(),
            pacer: Pacer::new(Pacers::new(settings.throughput, settings.has_pair_rule)),
            settings,
            worker: WorkerId::from_parts(unix_ms, &bytes),
            directory: DirectoryCache::default(),
            templates: TemplateCache::default(),
            rate_limiters: RateLimiters::default(),
            logins: LoginThrottles::default(),
            tasks: TaskTracker::new(),
            running: RunningKeys::default(),
            media: Media::new(media),
            queue_hint: Notify::new(),
            erase_hint: Notify::new(),
            posts: Posts::default(),
            in_flight: InFlight::default(),
            holds: Mutex::default(),
            dropped: Arc::default(),
        }
    }

    /// The time now.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// A new id: pass the type's `from_parts`.
    pub fn new_id<T>(&self, from_parts: fn(u64, &[u8; 10]) -> T) -> T {
        let (unix_ms, bytes) = draw(&*self.clock, &*self.random);
        from_parts(unix_ms, &bytes)
    }

    /// A new secret for a claim.
    pub(crate) fn new_token(&self) -> LeaseToken {
        let mut bytes = [0; 8];
        self.random.fill(&mut bytes);
        LeaseToken(i64::from_le_bytes(bytes))
    }

    /// Takes a claim whose task ended without settling it.
    pub(crate) fn next_dropped(&self) -> Option<Lease> {
        self.dropped.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    /// Puts such a claim back, for the next round.
    pub(crate) fn put_dropped(&self, lease: Lease) {
        self.dropped.lock().unwrap_or_else(PoisonError::into_inner).push(lease);
    }
}

fn draw(clock: &dyn Clock, random: &dyn Random) -> (u64, [u8; 10]) {
    let mut bytes = [0; 10];
    random.fill(&mut bytes);
    (u64::try_from(clock.now().as_millisecond()).unwrap_or_default(), bytes)
}
