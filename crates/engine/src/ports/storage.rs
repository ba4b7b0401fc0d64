//! Where everything is kept. One method is one transaction.

use std::collections::BTreeMap;
use std::fmt;

use async_trait::async_trait;
use domain::access::api_key::ApiKey;
use domain::access::audit::AuditEntry;
use domain::id::{
    AccountId, ContactId, DeliveryId, KeyId, MessageId, OwnerId, ReplayId, WebhookId, WorkerId, WorkspaceId,
};
use jiff::Timestamp;
use secrecy::SecretString;

use super::{
    AccountChanges, ArchiveQuery, ArchivedPayload, AttemptResult, CachedResponse, CancelMessageResult,
    Contact, ContactFilter, DeleteAccountResult, DeliveryAttemptResult, DeliveryFilter, DeliveryLease,
    DeliveryLeaseRequest, Directory, EventFilter, EventPage, EventStart, IdempotencyRecord, IngestSummary,
    InsertMessageResult, Lease, LeaseBatch, LeaseCheck, LeaseRequest, LeaseToken, LeasedDelivery,
    LeasedMessage, MessageDetail, MessageFilter, MessageKey, NewAccount, NewMessage, NewReplay,
    PendingDeliveries, RecentSend, Recipient, RecipientState, Revision, StoreStats, StoredDelivery,
    StoredMessage, StoredTemplate, TemplateFilter, TemplateSync, TemplateSyncCounts, WebhookEndpoint,
    WebhookPayload,
};

/// What went wrong in a store.
///
/// Opaque: callers ask what kind it is, the rest is for the log.
#[derive(Debug)]
pub struct StoreError {
    kind: StoreErrorKind,
    doing: &'static str,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// The kinds of [`StoreError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreErrorKind {
    /// The store is down, full, locked or read-only: nothing was written; it may work later.
    Unavailable,
    /// Something with this name or number is there already.
    Conflict,
    /// A row cannot be read: somebody or something has damaged it.
    Corrupt,
    /// A fault of ours.
    Bug,
}

impl StoreError {
    /// An error of this kind, met while `doing` something.
    pub fn new(
        kind: StoreErrorKind,
        doing: &'static str,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self { kind, doing, source: Some(source.into()) }
    }

    /// What kind of error it is.
    pub fn kind(&self) -> StoreErrorKind {
        self.kind
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.doing)
    }
}

impl std::error::Error for StoreError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_ref().map(|source| {
            let source: &(dyn std::error::Error + 'static) = source.as_ref();
            source
        })
    }
}

/// Tenants, accounts, keys: what is small, read all the time and changed seldom.
#[async_trait]
pub trait Accounts: Send + Sync {
    /// Everything at once.
    async fn get_directory(&self) -> Result<Directory, StoreError>;

    /// A number that changes when the directory or a template does.
    async fn get_revision(&self) -> Result<Revision, StoreError>;

    /// Adds an account.
    ///
    /// # Errors
    /// `Conflict` when the name or the number is taken.
    async fn insert_account(&self, new: NewAccount, act: AuditEntry) -> Result<(), StoreError>;

    /// Removes an account; its messages stay. Unless it `is_forced`, messages that wait in its queue keep it. If it was
    /// the default, the oldest other account of its kind becomes it.
    async fn delete_account(
        &self,
        workspace: WorkspaceId,
        id: AccountId,
        is_forced: bool,
        act: AuditEntry,
    ) -> Result<DeleteAccountResult, StoreError>;

    /// Changes an account. `false`: there is none.
    ///
    /// # Errors
    /// `Conflict` when the name is taken.
    async fn update_account(
        &self,
        workspace: WorkspaceId,
        id: AccountId,
        changes: AccountChanges,
        act: AuditEntry,
    ) -> Result<bool, StoreError>;

    /// Writes down that an account may send, or why it may not. The act is written down if that is news.
    async fn update_account_suspension(
        &self,
        workspace: WorkspaceId,
        id: AccountId,
        reason: Option<&str>,
        act: AuditEntry,
    ) -> Result<(), StoreError>;

    /// Writes down what Meta says of the account's number.
    async fn update_account_number(
        &self,
        workspace: WorkspaceId,
        id: AccountId,
        number: &super::PhoneNumberInfo,
        now: Timestamp,
    ) -> Result<(), StoreError>;

    /// Adds a key.
    async fn insert_api_key(&self, key: ApiKey, act: AuditEntry) -> Result<(), StoreError>;

    /// Takes a key back. `false`: there is none, or it was taken back before.
    async fn revoke_api_key(
        &self,
        workspace: WorkspaceId,
        id: KeyId,
        act: AuditEntry,
    ) -> Result<bool, StoreError>;

    /// How many people templates have reached outside their window since a time, by WhatsApp Business Account.
    async fn get_messaging_limit_usage(
        &self,
        workspace: WorkspaceId,
        since: Timestamp,
    ) -> Result<BTreeMap<String, u32>, StoreError>;

    /// Writes down when keys were last used.
    async fn update_api_keys_last_used(&self, used: &[(KeyId, Timestamp)]) -> Result<(), StoreError>;

    /// One template by its identity.
    async fn get_template(
        &self,
        workspace: WorkspaceId,
        waba_id: &str,
        name: &str,
        language: &str,
    ) -> Result<Option<StoredTemplate>, StoreError>;

    /// One page of templates.
    async fn list_templates(
        &self,
        workspace: WorkspaceId,
        filter: &TemplateFilter,
        page: PageRequest,
    ) -> Result<Page<StoredTemplate>, StoreError>;

    /// Writes down what Meta lists.
    async fn sync_templates(&self, put: TemplateSync) -> Result<TemplateSyncCounts, StoreError>;
}

/// Messages, contacts and windows.
#[async_trait]
pub trait Messages: Send + Sync {
    /// Checks the window and writes the message, in one transaction.
    async fn insert_message(&self, new: NewMessage) -> Result<InsertMessageResult, StoreError>;

    /// What is known of a recipient, for a check that writes nothing.
    async fn get_recipient_state(
        &self,
        workspace: WorkspaceId,
        account: AccountId,
        recipient: &Recipient,
    ) -> Result<RecipientState, StoreError>;

    /// Writes down how a handing-over ended.
    ///
    /// Returns [`LeaseCheck::Lost`] when the claim is another's by now; a definite answer is written all the same.
    ///
    /// `answer` is kept for repeated requests, in the same transaction; without one the caller's key is free again, unless
    /// the message waits for another attempt.
    async fn finish_attempt(
        &self,
        claim: &Lease,
        end: &AttemptResult,
        answer: Option<CachedResponse>,
        now: Timestamp,
    ) -> Result<LeaseCheck, StoreError>;

    /// Writes down that a held message leaves now. [`LeaseCheck::Lost`]: it must not be sent.
    async fn begin_attempt(&self, claim: &Lease, now: Timestamp) -> Result<LeaseCheck, StoreError>;

    /// Claims messages of the queue that are due: the first of each contact, oldest first. A message whose window has
    /// closed is changed to its fallback, or failed.
    async fn lease_due_messages(&self, request: LeaseRequest) -> Result<LeaseBatch, StoreError>;

    /// Takes a message back that waits in the queue.
    async fn cancel_message(
        &self,
        workspace: WorkspaceId,
        id: MessageId,
        now: Timestamp,
    ) -> Result<CancelMessageResult, StoreError>;

    /// Claims a message whose outcome is unknown, to send it again; that happens once.
    async fn lease_unknown_message(
        &self,
        workspace: WorkspaceId,
        id: MessageId,
        by: (WorkerId, LeaseToken),
        act: AuditEntry,
    ) -> Result<Option<LeasedMessage>, StoreError>;

    /// Gives up a message whose outcome is unknown. `false`: it is not unknown, or it is being sent again.
    async fn fail_unknown_message(
        &self,
        workspace: WorkspaceId,
        id: MessageId,
        act: AuditEntry,
    ) -> Result<bool, StoreError>;

    /// The caller's key for repeated requests, if it was used before.
    async fn get_idempotency_record(
        &self,
        workspace: WorkspaceId,
        owner: OwnerId,
        key: &str,
        now: Timestamp,
    ) -> Result<Option<IdempotencyRecord>, StoreError>;

    /// Writes down what Meta told us: one POST, one transaction.
    async fn ingest_payload(&self, post: WebhookPayload) -> Result<IngestSummary, StoreError>;

    /// What Meta posted and is kept, in the order in which it came; only what carries its proof.
    async fn list_payloads(&self, wanted: &ArchiveQuery) -> Result<Vec<ArchivedPayload>, StoreError>;

    /// One message with its story, by our id or Meta's.
    async fn get_message(
        &self,
        workspace: WorkspaceId,
        key: &MessageKey,
    ) -> Result<Option<MessageDetail>, StoreError>;

    /// One page of messages, newest first.
    async fn list_messages(
        &self,
        workspace: WorkspaceId,
        filter: &MessageFilter,
        page: PageRequest,
    ) -> Result<Page<StoredMessage>, StoreError>;

    /// One contact.
    async fn get_contact(&self, workspace: WorkspaceId, id: ContactId)
    -> Result<Option<Contact>, StoreError>;

    /// One page of contacts, newest first.
    async fn list_contacts(
        &self,
        workspace: WorkspaceId,
        filter: &ContactFilter,
        page: PageRequest,
    ) -> Result<Page<Contact>, StoreError>;
}

/// The event log, the endpoints that hear of it, and what is on its way to them.
#[async_trait]
pub trait Hooks: Send + Sync {
    /// The next events of a workspace, in order. `None`: this log has not come as far as the event that is named, or
    /// something else happened there.
    async fn list_events(
        &self,
        workspace: WorkspaceId,
        filter: &EventFilter,
        start: EventStart,
        limit: u32,
    ) -> Result<Option<EventPage>, StoreError>;

    /// Adds an endpoint. It hears of what comes from now on. `false`: there are as many as there may be.
    async fn insert_webhook_endpoint(
        &self,
        new: &WebhookEndpoint,
        limit: u32,
        act: AuditEntry,
    ) -> Result<bool, StoreError>;

    /// Changes an endpoint to what it shall be, but for its secrets; one that `revives` is active again. `false`: there is
    /// none.
    async fn update_webhook_endpoint(
        &self,
        changed: &WebhookEndpoint,
        revives: bool,
        act: AuditEntry,
    ) -> Result<bool, StoreError>;

    /// Gives an endpoint a secret; the one that it has by then signs as well until a time. `false`: there is none.
    async fn rotate_webhook_secret(
        &self,
        (workspace, id): (WorkspaceId, WebhookId),
        secret: &SecretString,
        old_until: Timestamp,
        act: AuditEntry,
    ) -> Result<bool, StoreError>;

    /// Removes an endpoint; what waits for it goes nowhere. `false`: there is none.
    async fn delete_webhook_endpoint(
        &self,
        workspace: WorkspaceId,
        id: WebhookId,
        act: AuditEntry,
    ) -> Result<bool, StoreError>;

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
        claim: &DeliveryLease,
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
        act: AuditEntry,
    ) -> Result<Option<DeliveryId>, StoreError>;

    /// Asks for past events again, beside the queue. Returns how many events are looked through.
    async fn insert_replay(&self, replay: NewReplay, act: AuditEntry) -> Result<u64, StoreError>;

    /// Writes a test event for one endpoint, its delivery claimed. `None`: there is no such endpoint.
    async fn insert_test_delivery(
        &self,
        workspace: WorkspaceId,
        webhook: WebhookId,
        (worker, token, lane): (WorkerId, LeaseToken, ReplayId),
        act: AuditEntry,
    ) -> Result<Option<LeasedDelivery>, StoreError>;
}

/// The processes at work.
#[async_trait]
pub trait Workers: Send + Sync {
    /// Says that a worker is alive.
    async fn record_heartbeat(&self, worker: WorkerId, now: Timestamp) -> Result<(), StoreError>;

    /// Says that a worker has ended: what it still holds is a dead one's at once.
    async fn deregister_worker(&self, worker: WorkerId) -> Result<(), StoreError>;

    /// Settles what dead workers (silent since before `silent_since`) left behind, at most `limit` messages:
    /// `sending` becomes `unknown`, a sync message that waited becomes `failed` (`interrupted`).
    /// Returns how many were settled.
    async fn recover_messages(
        &self,
        silent_since: Timestamp,
        now: Timestamp,
        limit: u32,
    ) -> Result<u32, StoreError>;

    /// Ends messages of the queue whose time has run out or whose account is gone, and forgets kept answers and reports
    /// of unknown messages whose time has run out, at most `limit` of each. Returns how many messages ended.
    async fn expire_messages(&self, now: Timestamp, limit: u32) -> Result<u32, StoreError>;

    /// Forgets people whom the messaging limit counts no more, and writes the event of each limit that has come to a mark.
    async fn update_messaging_limits(&self, now: Timestamp) -> Result<(), StoreError>;

    /// What left for Meta since a time, as far as the last few thousand messages tell: sender, recipient (digits or user
    /// id) and about when.
    async fn list_recent_sends(&self, since: Timestamp) -> Result<Vec<RecentSend>, StoreError>;

    /// How much of everything there is.
    async fn get_stats(&self, now: Timestamp) -> Result<StoreStats, StoreError>;

    /// How many messages wait in each account's queue.
    async fn list_queue_depths(&self) -> Result<BTreeMap<AccountId, u32>, StoreError>;

    /// Whether the store takes writes.
    async fn check_writable(&self, now: Timestamp) -> Result<(), StoreError>;
}

/// Which page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageRequest {
    /// Rows on a page, 1 to 200.
    pub per_page: u32,
    /// Where it starts.
    pub start: PageStart,
}

/// Where a page starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PageStart {
    /// At the first row of this page, counted from 1.
    Page(u32),
    /// After the row with this position.
    After(i64),
}

/// One page of a list.
#[derive(Clone, Debug)]
pub struct Page<T> {
    /// The rows.
    pub rows: Vec<T>,
    /// How many there are in all, counted up to [`COUNT_CAP`].
    pub total: u32,
    /// Whether there are more than that.
    pub is_total_capped: bool,
    /// The position of the last row, if more follow.
    pub next: Option<i64>,
}

/// How far rows are counted.
pub const COUNT_CAP: u32 = 10_000;
