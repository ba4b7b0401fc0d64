//! Dependencies of the use cases: ports, settings, and the state of the process.

use std::sync::{Arc, Mutex, PoisonError};

use domain::access::rate_limiter::RateLimits;
use domain::access::user::SessionLifetime;

use domain::contacts::opt_out::OptOutKeywords;
use domain::id::WorkerId;
use domain::messages::pacing::Pacers;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::access::running_keys::RunningKeys;
use crate::access::state::{ApiKeyUsage, LoginThrottles, RateLimiters};
use crate::accounts::state::UnwrittenSuspensions;
use crate::directory::cache::DirectoryCache;
use crate::events::readers::EventReaders;
use crate::in_flight::InFlight;
use crate::list_reads::ListReads;
use crate::maintenance::settings::RetentionSettings;
use crate::media::state::{Media, MediaPorts, MediaSettings};
use crate::messages::pacer::Pacer;
use crate::metrics::Metrics;
use crate::ports::{
    Accounts, ApiKeys, AuditLog, Clock, Contacts, Cursors, Deliveries, Erasures, Events, IdempotentRequests,
    Lease, LeaseToken, Maintenance, MessageQueue, Messages, Passwords, Random, SearchIndex, TemplateRecords,
    Upstream, UpstreamAdmin, Users, WebhookEndpoints, WebhookPayloads, WebhookSender, Workers,
};
use crate::sampled_log::SampledLog;
use crate::templates::cache::TemplateCache;
use crate::webhooks_out::settings::DeliverySettings;
use crate::webhooks_out::tasks::DeliveryTasks;

/// Settings of the operator.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Rate limits of callers without limits of their own.
    pub limits: RateLimits,
    /// Maximum number of messages that each account sends to Meta in one second.
    pub throughput: u32,
    /// `true` if sends respect Meta's pair rate limit: one message to the same recipient in six seconds, with bursts.
    pub has_pair_rule: bool,
    /// Maximum number of queued messages of each account.
    pub queue_per_account: u32,
    /// Delivery of events to webhook endpoints.
    pub deliveries: DeliverySettings,
    /// Lifetime of sessions.
    pub sessions: SessionLifetime,
    /// Media files.
    pub media: MediaSettings,
    /// Retention periods.
    pub retention: RetentionSettings,
    /// Interval at which the templates of each WhatsApp Business Account are synchronized; `None` for never.
    pub template_sync_interval: Option<SignedDuration>,
    /// URL to which Meta sends webhooks.
    pub callback_url: String,
    /// Keywords of opt-outs and opt-ins.
    pub opt_out: OptOutKeywords,
    /// `true` for `waypost dev`, which accepts the public development key.
    pub is_dev: bool,
}

/// Ports, settings and state of the process.
pub struct Deps {
    /// Clock.
    pub clock: Arc<dyn Clock>,
    /// Random number generator.
    pub random: Arc<dyn Random>,
    /// Workspaces, accounts and the directory.
    pub accounts: Arc<dyn Accounts>,
    /// Message templates.
    pub template_records: Arc<dyn TemplateRecords>,
    /// Messages and their attempts.
    pub messages: Arc<dyn Messages>,
    /// Queues of messages and the limits that apply to them.
    pub message_queue: Arc<dyn MessageQueue>,
    /// Full-text index of messages.
    pub search_index: Arc<dyn SearchIndex>,
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
    /// Requests with an idempotency key, except sends.
    pub idempotent_requests: Arc<dyn IdempotentRequests>,
    /// Users and their sessions.
    pub users: Arc<dyn Users>,
    /// Audit log.
    pub audit_log: Arc<dyn AuditLog>,
    /// Cursors of lists.
    pub cursors: Arc<dyn Cursors>,
    /// Erasure of contacts.
    pub erasures: Arc<dyn Erasures>,
    /// Processes that share the store, and the state of the store.
    pub workers: Arc<dyn Workers>,
    /// Retention, and the recovery from a backup.
    pub maintenance: Arc<dyn Maintenance>,
    /// Password hashing.
    pub passwords: Arc<dyn Passwords>,
    /// Calls to Meta: messages, and reads of accounts.
    pub upstream: Arc<dyn Upstream>,
    /// Calls to Meta that change accounts and templates.
    pub upstream_admin: Arc<dyn UpstreamAdmin>,
    /// HTTP client for webhook endpoints.
    pub webhook_sender: Arc<dyn WebhookSender>,
    /// Notification after each commit of this process.
    pub committed: Arc<Notify>,
    /// Metrics of this process.
    pub metrics: Arc<Metrics>,
    /// Sample of the log lines that clients can cause.
    pub sampled_log: SampledLog,
    /// Token that is canceled when the process stops.
    pub stopping: CancellationToken,
    /// Settings of the operator.
    pub settings: Settings,
    /// Identifier of this process.
    pub worker: WorkerId,
    /// Directory of workspaces, accounts, webhook endpoints and API keys.
    pub directory: DirectoryCache,
    /// Cache of templates.
    pub templates: TemplateCache,
    /// Rate limiters of the callers.
    pub rate_limiters: RateLimiters,
    /// Lists that each caller reads at the same time.
    pub list_reads: ListReads,
    /// Times at which API keys were last used.
    pub api_key_usage: ApiKeyUsage,
    /// Recent failed logins, and the times at which sessions were last used.
    pub logins: LoginThrottles,
    /// Tasks that the shutdown waits for.
    pub tasks: TaskTracker,
    /// Idempotency keys of the requests in progress.
    pub running: RunningKeys,
    /// Open event streams and long polls.
    pub event_readers: EventReaders,
    /// Media files.
    pub media: Media,
    /// Notification that a message was queued or a queue may continue.
    pub queue_hint: Notify,
    /// Notification that an erasure was requested.
    pub erasure_hint: Notify,
    pub(crate) pacer: Pacer,
    pub(crate) delivery_tasks: DeliveryTasks,
    pub(crate) in_flight: InFlight,
    /// Suspensions that the store does not know yet.
    pub(crate) suspensions: UnwrittenSuspensions,
    /// Leases whose task ended without finishing them.
    pub(crate) dropped: Arc<Mutex<Vec<Lease>>>,
}

/// Ports from which [`Deps`] are created.
pub struct Ports {
    /// Clock.
    pub clock: Arc<dyn Clock>,
    /// Random number generator.
    pub random: Arc<dyn Random>,
    /// Workspaces, accounts and the directory.
    pub accounts: Arc<dyn Accounts>,
    /// Message templates.
    pub template_records: Arc<dyn TemplateRecords>,
    /// Messages and their attempts.
    pub messages: Arc<dyn Messages>,
    /// Queues of messages and the limits that apply to them.
    pub message_queue: Arc<dyn MessageQueue>,
    /// Full-text index of messages.
    pub search_index: Arc<dyn SearchIndex>,
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
    /// Requests with an idempotency key, except sends.
    pub idempotent_requests: Arc<dyn IdempotentRequests>,
    /// Users and their sessions.
    pub users: Arc<dyn Users>,
    /// Audit log.
    pub audit_log: Arc<dyn AuditLog>,
    /// Cursors of lists.
    pub cursors: Arc<dyn Cursors>,
    /// Erasure of contacts.
    pub erasures: Arc<dyn Erasures>,
    /// Processes that share the store, and the state of the store.
    pub workers: Arc<dyn Workers>,
    /// Retention, and the recovery from a backup.
    pub maintenance: Arc<dyn Maintenance>,
    /// Password hashing.
    pub passwords: Arc<dyn Passwords>,
    /// Calls to Meta: messages, and reads of accounts.
    pub upstream: Arc<dyn Upstream>,
    /// Calls to Meta that change accounts and templates.
    pub upstream_admin: Arc<dyn UpstreamAdmin>,
    /// HTTP client for webhook endpoints.
    pub webhook_sender: Arc<dyn WebhookSender>,
    /// Notification after each commit of this process.
    pub committed: Arc<Notify>,
    /// Ports for media files.
    pub media: MediaPorts,
    /// Metrics of this process.
    pub metrics: Arc<Metrics>,
}

impl Deps {
    /// Creates the dependencies of a new process. The directory is empty until [`crate::background::load_state`] loads it.
    pub fn new(ports: Ports, settings: Settings) -> Self {
        let Ports {
            clock,
            random,
            accounts,
            template_records,
            messages,
            message_queue,
            search_index,
            contacts,
            webhook_payloads,
            events,
            webhook_endpoints,
            deliveries,
            api_keys,
            idempotent_requests,
            users,
            audit_log,
            cursors,
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
        let (unix_ms, bytes) = id_parts(&*clock, &*random);
        Self {
            clock,
            random,
            accounts,
            template_records,
            messages,
            message_queue,
            search_index,
            contacts,
            webhook_payloads,
            events,
            webhook_endpoints,
            deliveries,
            api_keys,
            idempotent_requests,
            users,
            audit_log,
            cursors,
            erasures,
            workers,
            maintenance,
            passwords,
            upstream,
            upstream_admin,
            webhook_sender,
            committed,
            metrics,
            sampled_log: SampledLog::default(),
            stopping: CancellationToken::new(),
            pacer: Pacer::new(Pacers::new(settings.throughput, settings.has_pair_rule)),
            settings,
            worker: WorkerId::from_parts(unix_ms, &bytes),
            directory: DirectoryCache::default(),
            templates: TemplateCache::default(),
            rate_limiters: RateLimiters::default(),
            list_reads: ListReads::default(),
            api_key_usage: ApiKeyUsage::default(),
            logins: LoginThrottles::default(),
            tasks: TaskTracker::new(),
            running: RunningKeys::default(),
            event_readers: EventReaders::default(),
            media: Media::new(media),
            queue_hint: Notify::new(),
            erasure_hint: Notify::new(),
            delivery_tasks: DeliveryTasks::default(),
            in_flight: InFlight::default(),
            suspensions: UnwrittenSuspensions::default(),
            dropped: Arc::default(),
        }
    }

    /// Returns the current time.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Clears what the process remembers of the times of calls and messages. Called after the clock was set back: times in
    /// the future would delay all calls.
    pub fn clear_rate_limits(&self) {
        self.pacer.clear();
        self.rate_limiters.clear();
        self.templates.clear_rate_limits();
        self.queue_hint.notify_one();
    }

    /// Creates an identifier. `from_parts` is the constructor of its type.
    pub fn new_id<T>(&self, from_parts: fn(u64, &[u8; 10]) -> T) -> T {
        let (unix_ms, bytes) = id_parts(&*self.clock, &*self.random);
        from_parts(unix_ms, &bytes)
    }

    /// Creates a token for a lease.
    pub(crate) fn new_token(&self) -> LeaseToken {
        let mut bytes = [0; 8];
        self.random.fill(&mut bytes);
        LeaseToken(i64::from_le_bytes(bytes))
    }

    /// Removes and returns a lease whose task ended without finishing it.
    pub(crate) fn next_dropped(&self) -> Option<Lease> {
        self.dropped.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    /// Adds a lease whose task ended without finishing it. The next round of recovery finishes it.
    pub(crate) fn put_dropped(&self, lease: Lease) {
        self.dropped.lock().unwrap_or_else(PoisonError::into_inner).push(lease);
    }
}

/// Returns the parts of a UUIDv7: Unix time in milliseconds, random bytes.
fn id_parts(clock: &dyn Clock, random: &dyn Random) -> (u64, [u8; 10]) {
    let mut bytes = [0; 10];
    random.fill(&mut bytes);
    (u64::try_from(clock.now().as_millisecond()).unwrap_or_default(), bytes)
}
