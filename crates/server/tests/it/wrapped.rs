//! Ports with somebody in front who counts their calls, and may break them.
//!
//! **Invariant:** a call that is let through is the port's own; nothing else is done here.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use domain::access::api_key::ApiKey;
use domain::access::audit::AuditEntry;
use domain::access::permission::Role;
use domain::access::user::User;
use domain::id::{
    AccountId, ContactId, DeliveryId, KeyId, MessageId, OwnerId, ReplayId, UserId, WebhookId, WorkerId,
    WorkspaceId,
};
use domain::json::Object;
use domain::messages::outcome::SendOutcome;
use engine::deps::Ports;
use engine::ports::{
    Access, AccountChanges, AccountCredentials, Accounts, ApiKeyFilter, ApiKeyRotation, ArchiveQuery,
    ArchivedPayload, AttemptResult, AuditFilter, CachedResponse, CallbackVerification, CancelMessageResult,
    Contact, ContactFilter, ContactUpsert, Contacts, CreatedTemplate, CredentialsQuery, DeleteAccountResult,
    DeliveryAttemptResult, DeliveryFilter, DeliveryLease, DeliveryLeaseRequest, Directory, ErasureStep,
    EventFilter, EventPage, EventStart, Hooks, IdempotencyRecord, IngestSummary, InsertMessageResult, Lease,
    LeaseBatch, LeaseCheck, LeaseRequest, LeaseToken, LeasedDelivery, LeasedMessage, MessageDetail,
    MessageFilter, MessageKey, Messages, NewAccount, NewMessage, NewReplay, NewSession, OutgoingMessage,
    Page, PageRequest, PendingDeliveries, PhoneNumberInfo, RecentSend, Recipient, RecipientState, Registry,
    Revision, SessionDigest, StoreError, StoreStats, StoredDelivery, StoredMessage, StoredSession,
    StoredTemplate, TemplateFilter, TemplatePage, TemplateQuery, TemplateSync, TemplateSyncCounts, TokenInfo,
    UpdateUserResult, UpsertContactResult, Upstream, UpstreamAdmin, UpstreamError, UrlError, UserCredentials,
    UserFilter, UserUpdate, WebhookAttempt, WebhookEndpoint, WebhookPayload, WebhookRequest, WebhookSender,
    Windows, Workers,
};
use jiff::Timestamp;
use secrecy::SecretString;

use crate::wrapped_media;

/// Stands before every call of a port, and after it.
#[async_trait]
pub(crate) trait Guard: Send + Sync {
    /// Before the call has an effect. An error stands for the answer of a store; it may also panic, or never return.
    /// Gives the call a number.
    async fn before(&self, call: &'static str) -> Result<usize, StoreError>;

    /// After the effect of the n-th call, before its answer. The same holds.
    async fn after(&self, call: &'static str, n: usize) -> Result<(), StoreError>;
}

/// A port behind a guard.
pub(crate) struct Guarded<P: ?Sized> {
    pub(crate) port: Arc<P>,
    pub(crate) guard: Arc<dyn Guard>,
}

/// The ports behind a guard. Clock and chance are not: time passes and dice fall for dead processes, too.
pub(crate) fn guarded(ports: Ports, guard: Arc<dyn Guard>) -> Ports {
    let Ports {
        clock,
        random,
        accounts,
        registry,
        messages,
        contacts,
        hooks,
        workers,
        access,
        maintenance,
        passwords,
        upstream,
        upstream_admin,
        webhook_sender,
        committed,
        media,
        metrics,
    } = ports;
    Ports {
        clock,
        random,
        accounts: Arc::new(Guarded { port: accounts, guard: guard.clone() }),
        registry: Arc::new(Guarded { port: registry, guard: guard.clone() }),
        messages: Arc::new(Guarded { port: messages, guard: guard.clone() }),
        contacts: Arc::new(Guarded { port: contacts, guard: guard.clone() }),
        hooks: Arc::new(Guarded { port: hooks, guard: guard.clone() }),
        workers: Arc::new(Guarded { port: workers, guard: guard.clone() }),
        upstream_admin: Arc::new(Guarded { port: upstream_admin, guard: guard.clone() }),
        webhook_sender: Arc::new(Guarded { port: webhook_sender, guard: guard.clone() }),
        committed,
        metrics,
        access: Arc::new(Guarded { port: access, guard: guard.clone() }),
        maintenance: Arc::new(Guarded { port: maintenance, guard: guard.clone() }),
        passwords,
        media: wrapped_media::guarded(media, &guard),
        upstream: Arc::new(Guarded { port: upstream, guard }),
    }
}

impl<P: ?Sized> Guarded<P> {
    pub(crate) async fn ask<T>(
        &self,
        call: &'static str,
        answer: impl Future<Output = Result<T, StoreError>> + Send,
    ) -> Result<T, StoreError> {
        let n = self.guard.before(call).await?;
        let answer = answer.await;
        self.guard.after(call, n).await?;
        answer
    }

    /// For a port whose calls have errors of another kind.
    pub(crate) async fn reach<T>(&self, call: &'static str, answer: impl Future<Output = T> + Send) -> T {
        let n = self.guard.before(call).await.unwrap();
        let answer = answer.await;
        self.guard.after(call, n).await.unwrap();
        answer
    }
}

type Stored<T> = Result<T, StoreError>;

#[async_trait]
impl Hooks for Guarded<dyn Hooks> {
    async fn list_events(
        &self,
        workspace: WorkspaceId,
        filter: &EventFilter,
        start: EventStart,
        limit: u32,
    ) -> Stored<Option<EventPage>> {
        self.ask("list_events", self.port.list_events(workspace, filter, start, limit)).await
    }

    async fn insert_webhook_endpoint(
        &self,
        new: &WebhookEndpoint,
        limit: u32,
        act: AuditEntry,
    ) -> Stored<bool> {
        self.ask("insert_webhook_endpoint", self.port.insert_webhook_endpoint(new, limit, act)).await
    }

    async fn update_webhook_endpoint(
        &self,
        changed: &WebhookEndpoint,
        revives: bool,
        act: AuditEntry,
    ) -> Stored<bool> {
        self.ask("update_webhook_endpoint", self.port.update_webhook_endpoint(changed, revives, act)).await
    }

    async fn rotate_webhook_secret(
        &self,
        id: (WorkspaceId, WebhookId),
        secret: &SecretString,
        old_until: Timestamp,
        act: AuditEntry,
    ) -> Stored<bool> {
        self.ask("rotate_webhook_secret", self.port.rotate_webhook_secret(id, secret, old_until, act)).await
    }

    async fn delete_webhook_endpoint(
        &self,
        workspace: WorkspaceId,
        id: WebhookId,
        act: AuditEntry,
    ) -> Stored<bool> {
        self.ask("delete_webhook_endpoint", self.port.delete_webhook_endpoint(workspace, id, act)).await
    }

    async fn get_pending_deliveries(&self, now: Timestamp) -> Stored<PendingDeliveries> {
        self.ask("get_pending_deliveries", self.port.get_pending_deliveries(now)).await
    }

    async fn fan_out_events(&self, now: Timestamp, limit: u32) -> Stored<bool> {
        self.ask("fan_out_events", self.port.fan_out_events(now, limit)).await
    }

    async fn lease_deliveries(&self, request: &DeliveryLeaseRequest) -> Stored<Vec<LeasedDelivery>> {
        self.ask("lease_deliveries", self.port.lease_deliveries(request)).await
    }

    async fn finish_delivery_attempt(
        &self,
        claim: &DeliveryLease,
        end: &DeliveryAttemptResult,
    ) -> Stored<Option<LeasedDelivery>> {
        self.ask("finish_delivery_attempt", self.port.finish_delivery_attempt(claim, end)).await
    }

    async fn expire_deliveries(&self, now: Timestamp, limit: u32) -> Stored<u32> {
        self.ask("expire_deliveries", self.port.expire_deliveries(now, limit)).await
    }

    async fn list_deliveries(
        &self,
        workspace: WorkspaceId,
        filter: &DeliveryFilter,
        page: PageRequest,
    ) -> Stored<Page<StoredDelivery>> {
        self.ask("list_deliveries", self.port.list_deliveries(workspace, filter, page)).await
    }

    async fn insert_redelivery(
        &self,
        workspace: WorkspaceId,
        delivery: i64,
        replay: ReplayId,
        act: AuditEntry,
    ) -> Stored<Option<DeliveryId>> {
        self.ask("insert_redelivery", self.port.insert_redelivery(workspace, delivery, replay, act)).await
    }

    async fn insert_replay(&self, replay: NewReplay, act: AuditEntry) -> Stored<u64> {
        self.ask("insert_replay", self.port.insert_replay(replay, act)).await
    }

    async fn insert_test_delivery(
        &self,
        workspace: WorkspaceId,
        webhook: WebhookId,
        by: (WorkerId, LeaseToken, ReplayId),
        act: AuditEntry,
    ) -> Stored<Option<LeasedDelivery>> {
        self.ask("insert_test_delivery", self.port.insert_test_delivery(workspace, webhook, by, act)).await
    }
}

#[async_trait]
impl Accounts for Guarded<dyn Accounts> {
    async fn get_directory(&self) -> Stored<Directory> {
        self.ask("get_directory", self.port.get_directory()).await
    }

    async fn get_revision(&self) -> Stored<Revision> {
        self.ask("get_revision", self.port.get_revision()).await
    }

    async fn insert_account(&self, new: NewAccount, act: AuditEntry) -> Stored<()> {
        self.ask("insert_account", self.port.insert_account(new, act)).await
    }

    async fn delete_account(
        &self,
        workspace: WorkspaceId,
        id: AccountId,
        is_forced: bool,
        act: AuditEntry,
    ) -> Stored<DeleteAccountResult> {
        self.ask("delete_account", self.port.delete_account(workspace, id, is_forced, act)).await
    }

    async fn update_account(
        &self,
        workspace: WorkspaceId,
        id: AccountId,
        changes: AccountChanges,
        act: AuditEntry,
    ) -> Stored<bool> {
        self.ask("update_account", self.port.update_account(workspace, id, changes, act)).await
    }

    async fn update_account_suspension(
        &self,
        workspace: WorkspaceId,
        id: AccountId,
        reason: Option<&str>,
        act: AuditEntry,
    ) -> Stored<()> {
        self.ask("update_account_suspension", self.port.update_account_suspension(workspace, id, reason, act))
            .await
    }

    async fn update_account_number(
        &self,
        workspace: WorkspaceId,
        id: AccountId,
        number: &PhoneNumberInfo,
        now: Timestamp,
    ) -> Stored<()> {
        self.ask("update_account_number", self.port.update_account_number(workspace, id, number, now)).await
    }

    async fn insert_api_key(&self, key: ApiKey, act: AuditEntry) -> Stored<()> {
        self.ask("insert_api_key", self.port.insert_api_key(key, act)).await
    }

    async fn revoke_api_key(&self, workspace: WorkspaceId, id: KeyId, act: AuditEntry) -> Stored<bool> {
        self.ask("revoke_api_key", self.port.revoke_api_key(workspace, id, act)).await
    }

    async fn update_api_keys_last_used(&self, used: &[(KeyId, Timestamp)]) -> Stored<()> {
        self.ask("update_api_keys_last_used", self.port.update_api_keys_last_used(used)).await
    }

    async fn get_template(
        &self,
        workspace: WorkspaceId,
        waba_id: &str,
        name: &str,
        language: &str,
    ) -> Stored<Option<StoredTemplate>> {
        self.ask("get_template", self.port.get_template(workspace, waba_id, name, language)).await
    }

    async fn list_templates(
        &self,
        workspace: WorkspaceId,
        filter: &TemplateFilter,
        page: PageRequest,
    ) -> Stored<Page<StoredTemplate>> {
        self.ask("list_templates", self.port.list_templates(workspace, filter, page)).await
    }

    async fn get_messaging_limit_usage(
        &self,
        workspace: WorkspaceId,
        since: Timestamp,
    ) -> Stored<BTreeMap<String, u32>> {
        self.ask("get_messaging_limit_usage", self.port.get_messaging_limit_usage(workspace, since)).await
    }

    async fn sync_templates(&self, put: TemplateSync) -> Stored<TemplateSyncCounts> {
        self.ask("sync_templates", self.port.sync_templates(put)).await
    }
}

#[async_trait]
impl Registry for Guarded<dyn Registry> {
    async fn update_account_token_expiry(
        &self,
        workspace: WorkspaceId,
        id: AccountId,
        expires_at: Option<Timestamp>,
        now: Timestamp,
    ) -> Stored<()> {
        self.ask(
            "update_account_token_expiry",
            self.port.update_account_token_expiry(workspace, id, expires_at, now),
        )
        .await
    }

    async fn delete_templates(
        &self,
        workspace: WorkspaceId,
        waba_id: &str,
        which: (&str, Option<&str>),
        act: AuditEntry,
    ) -> Stored<()> {
        self.ask("delete_templates", self.port.delete_templates(workspace, waba_id, which, act)).await
    }

    async fn insert_audit_entry(&self, act: AuditEntry) -> Stored<()> {
        self.ask("insert_audit_entry", self.port.insert_audit_entry(act)).await
    }
}

#[async_trait]
impl UpstreamAdmin for Guarded<dyn UpstreamAdmin> {
    async fn subscribe_app(&self, line: &AccountCredentials) -> Result<(), UpstreamError> {
        self.reach("subscribe_app", self.port.subscribe_app(line)).await
    }

    async fn register_phone_number(
        &self,
        line: &AccountCredentials,
        pin: &SecretString,
    ) -> Result<(), UpstreamError> {
        self.reach("register_phone_number", self.port.register_phone_number(line, pin)).await
    }

    async fn get_business_profile(&self, line: &AccountCredentials) -> Result<Object, UpstreamError> {
        self.reach("get_business_profile", self.port.get_business_profile(line)).await
    }

    async fn update_business_profile(
        &self,
        line: &AccountCredentials,
        change: &Object,
    ) -> Result<(), UpstreamError> {
        self.reach("update_business_profile", self.port.update_business_profile(line, change)).await
    }

    async fn create_template(
        &self,
        line: &AccountCredentials,
        body: String,
    ) -> Result<CreatedTemplate, UpstreamError> {
        self.reach("create_template", self.port.create_template(line, body)).await
    }

    async fn edit_template(
        &self,
        line: &AccountCredentials,
        meta_id: &str,
        body: String,
    ) -> Result<(), UpstreamError> {
        self.reach("edit_template", self.port.edit_template(line, meta_id, body)).await
    }

    async fn delete_template(
        &self,
        line: &AccountCredentials,
        name: &str,
        meta_id: Option<&str>,
    ) -> Result<(), UpstreamError> {
        self.reach("delete_template", self.port.delete_template(line, name, meta_id)).await
    }

    async fn verify_callback(&self, callback: &CallbackVerification) -> Result<(), String> {
        self.reach("verify_callback", self.port.verify_callback(callback)).await
    }
}

#[async_trait]
impl Messages for Guarded<dyn Messages> {
    async fn insert_message(&self, new: NewMessage) -> Stored<InsertMessageResult> {
        self.ask("insert_message", self.port.insert_message(new)).await
    }

    async fn get_recipient_state(
        &self,
        workspace: WorkspaceId,
        account: AccountId,
        recipient: &Recipient,
    ) -> Stored<RecipientState> {
        self.ask("get_recipient_state", self.port.get_recipient_state(workspace, account, recipient)).await
    }

    async fn finish_attempt(
        &self,
        claim: &Lease,
        end: &AttemptResult,
        answer: Option<CachedResponse>,
        now: Timestamp,
    ) -> Stored<LeaseCheck> {
        self.ask("finish_attempt", self.port.finish_attempt(claim, end, answer, now)).await
    }

    async fn begin_attempt(&self, claim: &Lease, now: Timestamp) -> Stored<LeaseCheck> {
        self.ask("begin_attempt", self.port.begin_attempt(claim, now)).await
    }

    async fn lease_due_messages(&self, request: LeaseRequest) -> Stored<LeaseBatch> {
        self.ask("lease_due_messages", self.port.lease_due_messages(request)).await
    }

    async fn cancel_message(
        &self,
        workspace: WorkspaceId,
        id: MessageId,
        now: Timestamp,
    ) -> Stored<CancelMessageResult> {
        self.ask("cancel_message", self.port.cancel_message(workspace, id, now)).await
    }

    async fn lease_unknown_message(
        &self,
        workspace: WorkspaceId,
        id: MessageId,
        by: (WorkerId, LeaseToken),
        act: AuditEntry,
    ) -> Stored<Option<LeasedMessage>> {
        self.ask("lease_unknown_message", self.port.lease_unknown_message(workspace, id, by, act)).await
    }

    async fn fail_unknown_message(
        &self,
        workspace: WorkspaceId,
        id: MessageId,
        act: AuditEntry,
    ) -> Stored<bool> {
        self.ask("fail_unknown_message", self.port.fail_unknown_message(workspace, id, act)).await
    }

    async fn get_idempotency_record(
        &self,
        workspace: WorkspaceId,
        owner: OwnerId,
        key: &str,
        now: Timestamp,
    ) -> Stored<Option<IdempotencyRecord>> {
        self.ask("get_idempotency_record", self.port.get_idempotency_record(workspace, owner, key, now)).await
    }

    async fn ingest_payload(&self, post: WebhookPayload) -> Stored<IngestSummary> {
        self.ask("ingest_payload", self.port.ingest_payload(post)).await
    }

    async fn list_payloads(&self, wanted: &ArchiveQuery) -> Stored<Vec<ArchivedPayload>> {
        self.ask("list_payloads", self.port.list_payloads(wanted)).await
    }

    async fn get_message(&self, workspace: WorkspaceId, key: &MessageKey) -> Stored<Option<MessageDetail>> {
        self.ask("get_message", self.port.get_message(workspace, key)).await
    }

    async fn list_messages(
        &self,
        workspace: WorkspaceId,
        filter: &MessageFilter,
        page: PageRequest,
    ) -> Stored<Page<StoredMessage>> {
        self.ask("list_messages", self.port.list_messages(workspace, filter, page)).await
    }

    async fn get_contact(&self, workspace: WorkspaceId, id: ContactId) -> Stored<Option<Contact>> {
        self.ask("get_contact", self.port.get_contact(workspace, id)).await
    }

    async fn list_contacts(
        &self,
        workspace: WorkspaceId,
        filter: &ContactFilter,
        page: PageRequest,
    ) -> Stored<Page<Contact>> {
        self.ask("list_contacts", self.port.list_contacts(workspace, filter, page)).await
    }
}

#[async_trait]
impl Contacts for Guarded<dyn Contacts> {
    async fn upsert_contacts(
        &self,
        workspace: WorkspaceId,
        puts: Vec<ContactUpsert>,
        act: Option<AuditEntry>,
        now: Timestamp,
    ) -> Stored<Vec<UpsertContactResult>> {
        self.ask("upsert_contacts", self.port.upsert_contacts(workspace, puts, act, now)).await
    }

    async fn list_custom_field_names(&self, workspace: WorkspaceId, limit: u32) -> Stored<Vec<String>> {
        self.ask("list_custom_field_names", self.port.list_custom_field_names(workspace, limit)).await
    }

    async fn list_contact_windows(&self, workspace: WorkspaceId, contact: ContactId) -> Stored<Windows> {
        self.ask("list_contact_windows", self.port.list_contact_windows(workspace, contact)).await
    }

    async fn begin_erasure(&self, contact: ContactId, act: AuditEntry) -> Stored<bool> {
        self.ask("begin_erasure", self.port.begin_erasure(contact, act)).await
    }

    async fn run_erasure_step(&self, limit: u32, now: Timestamp) -> Stored<ErasureStep> {
        self.ask("run_erasure_step", self.port.run_erasure_step(limit, now)).await
    }

    async fn finish_erasures(&self) -> Stored<bool> {
        self.ask("finish_erasures", self.port.finish_erasures()).await
    }
}

#[async_trait]
impl Workers for Guarded<dyn Workers> {
    async fn record_heartbeat(&self, worker: WorkerId, now: Timestamp) -> Stored<()> {
        self.ask("record_heartbeat", self.port.record_heartbeat(worker, now)).await
    }

    async fn deregister_worker(&self, worker: WorkerId) -> Stored<()> {
        self.ask("deregister_worker", self.port.deregister_worker(worker)).await
    }

    async fn recover_messages(&self, silent_since: Timestamp, now: Timestamp, limit: u32) -> Stored<u32> {
        self.ask("recover_messages", self.port.recover_messages(silent_since, now, limit)).await
    }

    async fn expire_messages(&self, now: Timestamp, limit: u32) -> Stored<u32> {
        self.ask("expire_messages", self.port.expire_messages(now, limit)).await
    }

    async fn get_stats(&self, now: Timestamp) -> Stored<StoreStats> {
        self.ask("get_stats", self.port.get_stats(now)).await
    }

    async fn update_messaging_limits(&self, now: Timestamp) -> Stored<()> {
        self.ask("update_messaging_limits", self.port.update_messaging_limits(now)).await
    }

    async fn list_recent_sends(&self, since: Timestamp) -> Stored<Vec<RecentSend>> {
        self.ask("list_recent_sends", self.port.list_recent_sends(since)).await
    }

    async fn list_queue_depths(&self) -> Stored<BTreeMap<AccountId, u32>> {
        self.ask("list_queue_depths", self.port.list_queue_depths()).await
    }

    async fn check_writable(&self, now: Timestamp) -> Stored<()> {
        self.ask("check_writable", self.port.check_writable(now)).await
    }
}

#[async_trait]
impl Access for Guarded<dyn Access> {
    async fn insert_workspace(&self, id: WorkspaceId, name: &str, act: AuditEntry) -> Stored<()> {
        self.ask("insert_workspace", self.port.insert_workspace(id, name, act)).await
    }

    async fn list_api_keys(
        &self,
        workspace: WorkspaceId,
        filter: &ApiKeyFilter,
        page: PageRequest,
    ) -> Stored<Page<ApiKey>> {
        self.ask("list_api_keys", self.port.list_api_keys(workspace, filter, page)).await
    }

    async fn rotate_api_key(&self, rotation: ApiKeyRotation, act: AuditEntry) -> Stored<bool> {
        self.ask("rotate_api_key", self.port.rotate_api_key(rotation, act)).await
    }

    async fn insert_user(&self, user: User, password_hash: &str, act: AuditEntry) -> Stored<()> {
        self.ask("insert_user", self.port.insert_user(user, password_hash, act)).await
    }

    async fn list_users(
        &self,
        workspace: WorkspaceId,
        filter: &UserFilter,
        page: PageRequest,
    ) -> Stored<Page<User>> {
        self.ask("list_users", self.port.list_users(workspace, filter, page)).await
    }

    async fn update_user(&self, change: UserUpdate, act: AuditEntry) -> Stored<UpdateUserResult> {
        self.ask("update_user", self.port.update_user(change, act)).await
    }

    async fn delete_user(
        &self,
        workspace: WorkspaceId,
        id: UserId,
        seen_role: Role,
        act: AuditEntry,
    ) -> Stored<UpdateUserResult> {
        self.ask("delete_user", self.port.delete_user(workspace, id, seen_role, act)).await
    }

    async fn get_user_credentials(&self, whose: &CredentialsQuery) -> Stored<Option<UserCredentials>> {
        self.ask("get_user_credentials", self.port.get_user_credentials(whose)).await
    }

    async fn insert_session(&self, new: NewSession, act: AuditEntry) -> Stored<bool> {
        self.ask("insert_session", self.port.insert_session(new, act)).await
    }

    async fn get_session(&self, digest: &SessionDigest) -> Stored<Option<StoredSession>> {
        self.ask("get_session", self.port.get_session(digest)).await
    }

    async fn delete_session(&self, workspace: WorkspaceId, digest: &SessionDigest) -> Stored<()> {
        self.ask("delete_session", self.port.delete_session(workspace, digest)).await
    }

    async fn update_sessions_last_used(&self, seen: &[(SessionDigest, Timestamp)]) -> Stored<()> {
        self.ask("update_sessions_last_used", self.port.update_sessions_last_used(seen)).await
    }

    async fn expire_sessions(
        &self,
        begun_before: Timestamp,
        seen_before: Timestamp,
        limit: u32,
    ) -> Stored<()> {
        self.ask("expire_sessions", self.port.expire_sessions(begun_before, seen_before, limit)).await
    }

    async fn list_audit_entries(
        &self,
        workspace: WorkspaceId,
        filter: &AuditFilter,
        page: PageRequest,
    ) -> Stored<Page<AuditEntry>> {
        self.ask("list_audit_entries", self.port.list_audit_entries(workspace, filter, page)).await
    }
}

#[async_trait]
impl Upstream for Guarded<dyn Upstream> {
    async fn send_message(&self, line: &AccountCredentials, body: Bytes) -> SendOutcome {
        self.reach("send_message", self.port.send_message(line, body)).await
    }

    fn message_body(&self, message: &OutgoingMessage<'_>) -> Bytes {
        self.port.message_body(message)
    }

    async fn mark_message_read(
        &self,
        line: &AccountCredentials,
        wamid: &str,
        is_typing: bool,
    ) -> Result<(), UpstreamError> {
        self.reach("mark_message_read", self.port.mark_message_read(line, wamid, is_typing)).await
    }

    async fn fetch_templates(
        &self,
        line: &AccountCredentials,
        query: &TemplateQuery,
    ) -> Result<TemplatePage, UpstreamError> {
        self.reach("fetch_templates", self.port.fetch_templates(line, query)).await
    }

    async fn get_phone_number(&self, line: &AccountCredentials) -> Result<PhoneNumberInfo, UpstreamError> {
        self.reach("get_phone_number", self.port.get_phone_number(line)).await
    }

    async fn get_token_info(&self, line: &AccountCredentials) -> Result<TokenInfo, UpstreamError> {
        self.reach("get_token_info", self.port.get_token_info(line)).await
    }

    async fn list_subscribed_apps(&self, line: &AccountCredentials) -> Result<Vec<String>, UpstreamError> {
        self.reach("list_subscribed_apps", self.port.list_subscribed_apps(line)).await
    }
}

/// Two ways to Meta: the right one, and one that leads nowhere for as many calls as asked.
pub(crate) struct Fork {
    pub(crate) right: Arc<dyn Upstream>,
    pub(crate) wrong: Arc<dyn Upstream>,
    pub(crate) n_wrong: AtomicU32,
}

impl Fork {
    fn way(&self) -> &Arc<dyn Upstream> {
        let less = |n: u32| n.checked_sub(1);
        match self.n_wrong.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less) {
            Ok(_) => &self.wrong,
            Err(_) => &self.right,
        }
    }
}

#[async_trait]
impl Upstream for Fork {
    async fn send_message(&self, line: &AccountCredentials, body: Bytes) -> SendOutcome {
        self.way().send_message(line, body).await
    }

    fn message_body(&self, message: &OutgoingMessage<'_>) -> Bytes {
        self.right.message_body(message)
    }

    async fn mark_message_read(
        &self,
        line: &AccountCredentials,
        wamid: &str,
        is_typing: bool,
    ) -> Result<(), UpstreamError> {
        self.way().mark_message_read(line, wamid, is_typing).await
    }

    async fn fetch_templates(
        &self,
        line: &AccountCredentials,
        query: &TemplateQuery,
    ) -> Result<TemplatePage, UpstreamError> {
        self.way().fetch_templates(line, query).await
    }

    async fn get_phone_number(&self, line: &AccountCredentials) -> Result<PhoneNumberInfo, UpstreamError> {
        self.way().get_phone_number(line).await
    }

    async fn get_token_info(&self, line: &AccountCredentials) -> Result<TokenInfo, UpstreamError> {
        self.way().get_token_info(line).await
    }

    async fn list_subscribed_apps(&self, line: &AccountCredentials) -> Result<Vec<String>, UpstreamError> {
        self.way().list_subscribed_apps(line).await
    }
}

#[async_trait]
impl WebhookSender for Guarded<dyn WebhookSender> {
    fn check_url(&self, url: &str) -> Result<(), UrlError> {
        self.port.check_url(url)
    }

    async fn send_event(&self, call: WebhookRequest) -> WebhookAttempt {
        self.reach("send_event", self.port.send_event(call)).await
    }
}
