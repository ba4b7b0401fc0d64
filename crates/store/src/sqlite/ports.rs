//! The storage ports of the engine, each method one transaction.

use std::collections::BTreeMap;

use async_trait::async_trait;
use domain::access::api_key::ApiKey;
use domain::access::audit::AuditEntry;
use jiff::Timestamp;
use secrecy::SecretString;

use crate::access::{api_keys, audit};
use crate::accounts::{directory, status, token_expiry};
use crate::events::log;
use crate::maintenance::{stats, workers};
use crate::messages::{accept, finish, idempotency, lease, messaging_limit, queries, queue, queue_depth};
use crate::sqlite::SqliteStore;
use crate::webhooks_in::{ingest, webhook_archive};
use crate::webhooks_out::{deliveries, delivery_list, endpoints, fan_out, replays};
use crate::{accounts, contacts, revisions, templates};

use domain::id::{
    AccountId, ContactId, DeliveryId, KeyId, MessageId, OwnerId, ReplayId, WebhookId, WorkerId, WorkspaceId,
};
use engine::ports::{
    AccountChanges, Accounts, ArchiveQuery, ArchivedPayload, AttemptResult, CachedResponse,
    CancelMessageResult, Contact, ContactFilter, DeleteAccountResult, DeliveryAttemptResult, DeliveryFilter,
    DeliveryLease, DeliveryLeaseRequest, Directory, EventFilter, EventPage, EventStart, Hooks,
    IdempotencyRecord, IngestSummary, InsertMessageResult, Lease, LeaseBatch, LeaseCheck, LeaseRequest,
    LeaseToken, LeasedDelivery, LeasedMessage, MessageDetail, MessageFilter, MessageKey, Messages,
    NewAccount, NewMessage, NewReplay, Page, PageRequest, PendingDeliveries, PhoneNumberInfo, RecentSend,
    Recipient, RecipientState, Registry, Revision, StoreError, StoreStats, StoredDelivery, StoredMessage,
    StoredTemplate, TemplateFilter, TemplateSync, TemplateSyncCounts, WebhookEndpoint, WebhookPayload,
    Workers,
};

#[async_trait]
impl Accounts for SqliteStore {
    async fn get_directory(&self) -> Result<Directory, StoreError> {
        let sealer = self.sealer.clone();
        self.read("reading the accounts and keys", move |connection| {
            directory::get_directory(connection, &sealer)
        })
        .await
    }

    async fn get_revision(&self) -> Result<Revision, StoreError> {
        self.read("looking for changes", revisions::get_revision).await
    }

    async fn insert_account(&self, new: NewAccount, act: AuditEntry) -> Result<(), StoreError> {
        let sealer = self.sealer.clone();
        self.write("adding an account", move |tx| accounts::records::insert_account(tx, &sealer, &new, &act))
            .await
    }

    async fn delete_account(
        &self,
        workspace: WorkspaceId,
        id: AccountId,
        is_forced: bool,
        act: AuditEntry,
    ) -> Result<DeleteAccountResult, StoreError> {
        self.write("removing an account", move |tx| {
            accounts::records::delete_account(tx, workspace, id, is_forced, &act)
        })
        .await
    }

    async fn update_account(
        &self,
        workspace: WorkspaceId,
        id: AccountId,
        changes: AccountChanges,
        act: AuditEntry,
    ) -> Result<bool, StoreError> {
        let sealer = self.sealer.clone();
        self.write("changing an account", move |tx| {
            accounts::records::update_account(tx, &sealer, (workspace, id), &changes, &act)
        })
        .await
    }

    async fn update_account_suspension(
        &self,
        workspace: WorkspaceId,
        id: AccountId,
        reason: Option<&str>,
        act: AuditEntry,
    ) -> Result<(), StoreError> {
        let reason = reason.map(str::to_owned);
        self.write("holding an account", move |tx| {
            status::update_status(tx, workspace, id, reason.as_deref(), &act)
        })
        .await
    }

    async fn update_account_number(
        &self,
        workspace: WorkspaceId,
        id: AccountId,
        number: &PhoneNumberInfo,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let number = number.clone();
        self.write("describing an account", move |tx| status::update_profile(tx, workspace, id, &number, now))
            .await
    }

    async fn insert_api_key(&self, key: ApiKey, act: AuditEntry) -> Result<(), StoreError> {
        self.write("adding a key", move |tx| api_keys::insert_key(tx, &key, &act)).await
    }

    async fn revoke_api_key(
        &self,
        workspace: WorkspaceId,
        id: KeyId,
        act: AuditEntry,
    ) -> Result<bool, StoreError> {
        self.write("revoking a key", move |tx| api_keys::revoke_key(tx, workspace, id, &act)).await
    }

    async fn get_messaging_limit_usage(
        &self,
        workspace: WorkspaceId,
        since: Timestamp,
    ) -> Result<BTreeMap<String, u32>, StoreError> {
        self.read("counting whom templates reached", move |connection| {
            messaging_limit::list_usage(connection, workspace, since)
        })
        .await
    }

    async fn update_api_keys_last_used(&self, used: &[(KeyId, Timestamp)]) -> Result<(), StoreError> {
        let used = used.to_vec();
        self.write("noting the use of keys", move |tx| api_keys::touch_keys(tx, &used)).await
    }

    async fn get_template(
        &self,
        workspace: WorkspaceId,
        waba_id: &str,
        name: &str,
        language: &str,
    ) -> Result<Option<StoredTemplate>, StoreError> {
        let (waba_id, name, language) = (waba_id.to_owned(), name.to_owned(), language.to_owned());
        self.read("reading a template", move |connection| {
            templates::records::get_template(connection, workspace, &waba_id, &name, &language)
        })
        .await
    }

    async fn list_templates(
        &self,
        workspace: WorkspaceId,
        filter: &TemplateFilter,
        page: PageRequest,
    ) -> Result<Page<StoredTemplate>, StoreError> {
        let filter = filter.clone();
        self.read("listing templates", move |connection| {
            templates::records::list_templates(connection, workspace, &filter, page)
        })
        .await
    }

    async fn sync_templates(&self, put: TemplateSync) -> Result<TemplateSyncCounts, StoreError> {
        self.write("keeping templates", move |tx| templates::records::sync_templates(tx, &put)).await
    }
}

#[async_trait]
impl Hooks for SqliteStore {
    async fn list_events(
        &self,
        workspace: WorkspaceId,
        filter: &EventFilter,
        start: EventStart,
        limit: u32,
    ) -> Result<Option<EventPage>, StoreError> {
        let filter = filter.clone();
        self.read("reading events", move |connection| {
            log::list_events(connection, workspace, &filter, start, limit)
        })
        .await
    }

    async fn insert_webhook_endpoint(
        &self,
        new: &WebhookEndpoint,
        limit: u32,
        act: AuditEntry,
    ) -> Result<bool, StoreError> {
        let (sealer, new) = (self.sealer.clone(), new.clone());
        self.write("adding an endpoint", move |tx| endpoints::insert_endpoint(tx, &sealer, &new, limit, &act))
            .await
    }

    async fn update_webhook_endpoint(
        &self,
        changed: &WebhookEndpoint,
        revives: bool,
        act: AuditEntry,
    ) -> Result<bool, StoreError> {
        let (sealer, changed) = (self.sealer.clone(), changed.clone());
        self.write("changing an endpoint", move |tx| {
            endpoints::update_endpoint(tx, &sealer, &changed, revives, &act)
        })
        .await
    }

    async fn rotate_webhook_secret(
        &self,
        (workspace, id): (WorkspaceId, WebhookId),
        secret: &SecretString,
        old_until: Timestamp,
        act: AuditEntry,
    ) -> Result<bool, StoreError> {
        let (sealer, secret) = (self.sealer.clone(), secret.clone());
        self.write("giving an endpoint a secret", move |tx| {
            endpoints::rotate_secret(tx, &sealer, (workspace, id), (&secret, old_until), &act)
        })
        .await
    }

    async fn delete_webhook_endpoint(
        &self,
        workspace: WorkspaceId,
        id: WebhookId,
        act: AuditEntry,
    ) -> Result<bool, StoreError> {
        self.write("removing an endpoint", move |tx| endpoints::delete_endpoint(tx, workspace, id, &act))
            .await
    }

    async fn get_pending_deliveries(&self, now: Timestamp) -> Result<PendingDeliveries, StoreError> {
        self.read("looking for deliveries", move |connection| deliveries::get_work(connection, now)).await
    }

    async fn fan_out_events(&self, now: Timestamp, limit: u32) -> Result<bool, StoreError> {
        self.write("handing out events", move |tx| fan_out::fan_out_events(tx, now, limit)).await
    }

    async fn lease_deliveries(
        &self,
        request: &DeliveryLeaseRequest,
    ) -> Result<Vec<LeasedDelivery>, StoreError> {
        let request = request.clone();
        self.write("claiming deliveries", move |tx| deliveries::lease_due(tx, &request)).await
    }

    async fn finish_delivery_attempt(
        &self,
        claim: &DeliveryLease,
        end: &DeliveryAttemptResult,
    ) -> Result<Option<LeasedDelivery>, StoreError> {
        let (claim, end) = (claim.clone(), end.clone());
        self.write("settling a delivery", move |tx| deliveries::finish_attempt(tx, &claim, &end)).await
    }

    async fn expire_deliveries(&self, now: Timestamp, limit: u32) -> Result<u32, StoreError> {
        self.write("ending deliveries", move |tx| deliveries::expire_deliveries(tx, now, limit)).await
    }

    async fn list_deliveries(
        &self,
        workspace: WorkspaceId,
        filter: &DeliveryFilter,
        page: PageRequest,
    ) -> Result<Page<StoredDelivery>, StoreError> {
        let filter = filter.clone();
        self.read("listing deliveries", move |connection| {
            delivery_list::list_deliveries(connection, workspace, &filter, page)
        })
        .await
    }

    async fn insert_redelivery(
        &self,
        workspace: WorkspaceId,
        delivery: i64,
        replay: ReplayId,
        act: AuditEntry,
    ) -> Result<Option<DeliveryId>, StoreError> {
        self.write("repeating a delivery", move |tx| {
            replays::insert_redelivery(tx, workspace, delivery, replay, &act)
        })
        .await
    }

    async fn insert_replay(&self, replay: NewReplay, act: AuditEntry) -> Result<u64, StoreError> {
        self.write("repeating events", move |tx| replays::insert_replay(tx, &replay, &act)).await
    }

    async fn insert_test_delivery(
        &self,
        workspace: WorkspaceId,
        webhook: WebhookId,
        by: (WorkerId, LeaseToken, ReplayId),
        act: AuditEntry,
    ) -> Result<Option<LeasedDelivery>, StoreError> {
        self.write("testing an endpoint", move |tx| {
            deliveries::lease_test(tx, (workspace, webhook), by, &act)
        })
        .await
    }
}

#[async_trait]
impl Registry for SqliteStore {
    async fn update_account_token_expiry(
        &self,
        workspace: WorkspaceId,
        id: AccountId,
        expires_at: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.write("noting the end of a token", move |tx| {
            token_expiry::update_token_expiry(tx, workspace, id, expires_at, now)
        })
        .await
    }

    async fn delete_templates(
        &self,
        workspace: WorkspaceId,
        waba_id: &str,
        (name, language): (&str, Option<&str>),
        act: AuditEntry,
    ) -> Result<(), StoreError> {
        let (waba_id, name, language) = (waba_id.to_owned(), name.to_owned(), language.map(str::to_owned));
        self.write("forgetting templates", move |tx| {
            templates::records::delete_templates(tx, workspace, &waba_id, (&name, language.as_deref()), &act)
        })
        .await
    }

    async fn insert_audit_entry(&self, act: AuditEntry) -> Result<(), StoreError> {
        self.write("writing an act down", move |tx| audit::insert_entry(tx, &act)).await
    }
}

#[async_trait]
impl Messages for SqliteStore {
    async fn insert_message(&self, new: NewMessage) -> Result<InsertMessageResult, StoreError> {
        self.write("accepting a message", move |tx| accept::insert_message(tx, &new)).await
    }

    async fn get_recipient_state(
        &self,
        workspace: WorkspaceId,
        account: AccountId,
        recipient: &Recipient,
    ) -> Result<RecipientState, StoreError> {
        let recipient = recipient.clone();
        self.read("looking up a recipient", move |connection| {
            accept::get_recipient(connection, workspace, account, &recipient)
        })
        .await
    }

    async fn finish_attempt(
        &self,
        claim: &Lease,
        end: &AttemptResult,
        answer: Option<CachedResponse>,
        now: Timestamp,
    ) -> Result<LeaseCheck, StoreError> {
        let (claim, end) = (*claim, end.clone());
        self.write("settling a message", move |tx| {
            finish::finish_attempt(tx, &claim, &end, answer.as_ref(), now)
        })
        .await
    }

    async fn begin_attempt(&self, claim: &Lease, now: Timestamp) -> Result<LeaseCheck, StoreError> {
        let claim = *claim;
        self.write("beginning to send a message", move |tx| lease::begin_attempt(tx, &claim, now)).await
    }

    async fn lease_due_messages(&self, request: LeaseRequest) -> Result<LeaseBatch, StoreError> {
        self.write("claiming due messages", move |tx| lease::lease_due(tx, &request)).await
    }

    async fn cancel_message(
        &self,
        workspace: WorkspaceId,
        id: MessageId,
        now: Timestamp,
    ) -> Result<CancelMessageResult, StoreError> {
        self.write("canceling a message", move |tx| queue::cancel_message(tx, workspace, id, now)).await
    }

    async fn lease_unknown_message(
        &self,
        workspace: WorkspaceId,
        id: MessageId,
        by: (WorkerId, LeaseToken),
        act: AuditEntry,
    ) -> Result<Option<LeasedMessage>, StoreError> {
        self.write("claiming an unknown message", move |tx| lease::lease_unknown(tx, workspace, id, by, &act))
            .await
    }

    async fn fail_unknown_message(
        &self,
        workspace: WorkspaceId,
        id: MessageId,
        act: AuditEntry,
    ) -> Result<bool, StoreError> {
        self.write("giving up an unknown message", move |tx| queue::fail_unknown(tx, workspace, id, &act))
            .await
    }

    async fn get_idempotency_record(
        &self,
        workspace: WorkspaceId,
        owner: OwnerId,
        key: &str,
        now: Timestamp,
    ) -> Result<Option<IdempotencyRecord>, StoreError> {
        let key = key.to_owned();
        self.read("looking up a repeated request", move |connection| {
            idempotency::get_record(connection, workspace, owner, &key, now)
        })
        .await
    }

    async fn ingest_payload(&self, post: WebhookPayload) -> Result<IngestSummary, StoreError> {
        self.write("taking a webhook", move |tx| ingest::insert_payload(tx, &post)).await
    }

    async fn list_payloads(&self, wanted: &ArchiveQuery) -> Result<Vec<ArchivedPayload>, StoreError> {
        let wanted = *wanted;
        self.read("reading what meta posted", move |connection| {
            webhook_archive::list_payloads(connection, &wanted)
        })
        .await
    }

    async fn get_message(
        &self,
        workspace: WorkspaceId,
        key: &MessageKey,
    ) -> Result<Option<MessageDetail>, StoreError> {
        let key = key.clone();
        self.read("reading a message", move |connection| queries::get_message(connection, workspace, &key))
            .await
    }

    async fn list_messages(
        &self,
        workspace: WorkspaceId,
        filter: &MessageFilter,
        page: PageRequest,
    ) -> Result<Page<StoredMessage>, StoreError> {
        let filter = filter.clone();
        self.read("listing messages", move |connection| {
            queries::list_messages(connection, workspace, &filter, page)
        })
        .await
    }

    async fn get_contact(
        &self,
        workspace: WorkspaceId,
        id: ContactId,
    ) -> Result<Option<Contact>, StoreError> {
        self.read("reading a contact", move |connection| {
            contacts::records::get_contact(connection, workspace, id)
        })
        .await
    }

    async fn list_contacts(
        &self,
        workspace: WorkspaceId,
        filter: &ContactFilter,
        page: PageRequest,
    ) -> Result<Page<Contact>, StoreError> {
        let filter = filter.clone();
        self.read("listing contacts", move |connection| {
            contacts::records::list_contacts(connection, workspace, &filter, page)
        })
        .await
    }
}

#[async_trait]
impl Workers for SqliteStore {
    async fn record_heartbeat(&self, worker: WorkerId, now: Timestamp) -> Result<(), StoreError> {
        let key_id = self.sealer.key_id();
        self.write("saying that this process lives", move |tx| {
            workers::upsert_worker(tx, worker, key_id, now)
        })
        .await
    }

    async fn deregister_worker(&self, worker: WorkerId) -> Result<(), StoreError> {
        self.write("saying that this process ends", move |tx| workers::delete_worker(tx, worker)).await
    }

    async fn recover_messages(
        &self,
        silent_since: Timestamp,
        now: Timestamp,
        limit: u32,
    ) -> Result<u32, StoreError> {
        self.write("settling what a dead process left", move |tx| {
            workers::recover_leases(tx, silent_since, now, limit)
        })
        .await
    }

    async fn expire_messages(&self, now: Timestamp, limit: u32) -> Result<u32, StoreError> {
        self.write("ending what is overdue", move |tx| queue::expire_messages(tx, now, limit)).await
    }

    async fn get_stats(&self, now: Timestamp) -> Result<StoreStats, StoreError> {
        let path = self.path.clone();
        self.read("reading the figures", move |connection| stats::get_stats(connection, &path, now)).await
    }

    async fn update_messaging_limits(&self, now: Timestamp) -> Result<(), StoreError> {
        self.write("reviewing the messaging limits", move |tx| messaging_limit::refresh_usage(tx, now)).await
    }

    async fn list_recent_sends(&self, since: Timestamp) -> Result<Vec<RecentSend>, StoreError> {
        self.read("looking for departures", move |connection| workers::list_recent_sends(connection, since))
            .await
    }

    async fn list_queue_depths(&self) -> Result<BTreeMap<AccountId, u32>, StoreError> {
        self.read("measuring the queues", queue_depth::list_depths).await
    }

    async fn check_writable(&self, now: Timestamp) -> Result<(), StoreError> {
        self.write("trying to write", move |tx| workers::probe_write(tx, now)).await
    }
}
