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
    Access, AccountChanges, Accounts, Admission, AuditFilter, BadAddress, Callback, Cancel, Claim,
    ClaimRequest, ClaimRound, ClaimToken, Claimed, ClaimedDelivery, Contact, ContactEnd, ContactFilter,
    ContactPut, Contacts, Credentials, DeliveryClaim, DeliveryEnd, DeliveryFilter, DeliveryRequest,
    Departure, Directory, ErasureStep, EventFilter, EventPage, EventStart, Figures, HookCall, HookSender,
    HookWork, Hooks, Ingested, KeptAnswer, KeptKey, KeptPost, KeptPosts, KeyFilter, Known, Line, Manage,
    MessageFilter, MessageKey, MessageStory, Messages, NewAccount, NewMessage, NewReplay, NewSession,
    NumberInfo, OutgoingMessage, Page, PageRequest, Post, Posted, Recipient, Registry, Removal, Revision,
    Rotation, SessionDigest, Settled, Settlement, StoreError, StoredDelivery, StoredMessage, StoredSession,
    StoredTemplate, Submitted, TemplateCounts, TemplateFilter, TemplatePage, TemplateQuery, TemplatesPut,
    TokenInfo, Upstream, UpstreamError, UserChange, UserEnd, UserFilter, WebhookRecord, Whose, Windows, Work,
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
        chance,
        accounts,
        registry,
        messages,
        contacts,
        hooks,
        work,
        access,
        upkeep,
        passwords,
        upstream,
        manage,
        sender,
        committed,
        media,
        metrics,
    } = ports;
    Ports {
        clock,
        chance,
        accounts: Arc::new(Guarded { port: accounts, guard: guard.clone() }),
        registry: Arc::new(Guarded { port: registry, guard: guard.clone() }),
        messages: Arc::new(Guarded { port: messages, guard: guard.clone() }),
        contacts: Arc::new(Guarded { port: contacts, guard: guard.clone() }),
        hooks: Arc::new(Guarded { port: hooks, guard: guard.clone() }),
        work: Arc::new(Guarded { port: work, guard: guard.clone() }),
        manage: Arc::new(Guarded { port: manage, guard: guard.clone() }),
        sender: Arc::new(Guarded { port: sender, guard: guard.clone() }),
        committed,
        metrics,
        access: Arc::new(Guarded { port: access, guard: guard.clone() }),
        upkeep: Arc::new(Guarded { port: upkeep, guard: guard.clone() }),
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
    async fn events(
        &self,
        workspace: WorkspaceId,
        filter: &EventFilter,
        start: EventStart,
        limit: u32,
    ) -> Stored<Option<EventPage>> {
        self.ask("events", self.port.events(workspace, filter, start, limit)).await
    }

    async fn webhook_add(&self, new: &WebhookRecord, limit: u32, act: AuditEntry) -> Stored<bool> {
        self.ask("webhook_add", self.port.webhook_add(new, limit, act)).await
    }

    async fn webhook_change(&self, changed: &WebhookRecord, revives: bool, act: AuditEntry) -> Stored<bool> {
        self.ask("webhook_change", self.port.webhook_change(changed, revives, act)).await
    }

    async fn webhook_rotate(
        &self,
        id: (WorkspaceId, WebhookId),
        secret: &SecretString,
        old_until: Timestamp,
        act: AuditEntry,
    ) -> Stored<bool> {
        self.ask("webhook_rotate", self.port.webhook_rotate(id, secret, old_until, act)).await
    }

    async fn webhook_remove(&self, workspace: WorkspaceId, id: WebhookId, act: AuditEntry) -> Stored<bool> {
        self.ask("webhook_remove", self.port.webhook_remove(workspace, id, act)).await
    }

    async fn hook_work(&self, now: Timestamp) -> Stored<HookWork> {
        self.ask("hook_work", self.port.hook_work(now)).await
    }

    async fn spread(&self, now: Timestamp, limit: u32) -> Stored<bool> {
        self.ask("spread", self.port.spread(now, limit)).await
    }

    async fn claim_deliveries(&self, request: &DeliveryRequest) -> Stored<Vec<ClaimedDelivery>> {
        self.ask("claim_deliveries", self.port.claim_deliveries(request)).await
    }

    async fn settle_delivery(
        &self,
        claim: &DeliveryClaim,
        end: &DeliveryEnd,
    ) -> Stored<Option<ClaimedDelivery>> {
        self.ask("settle_delivery", self.port.settle_delivery(claim, end)).await
    }

    async fn end_deliveries(&self, now: Timestamp, limit: u32) -> Stored<u32> {
        self.ask("end_deliveries", self.port.end_deliveries(now, limit)).await
    }

    async fn deliveries(
        &self,
        workspace: WorkspaceId,
        filter: &DeliveryFilter,
        page: PageRequest,
    ) -> Stored<Page<StoredDelivery>> {
        self.ask("deliveries", self.port.deliveries(workspace, filter, page)).await
    }

    async fn redeliver(
        &self,
        workspace: WorkspaceId,
        delivery: i64,
        replay: ReplayId,
        act: AuditEntry,
    ) -> Stored<Option<DeliveryId>> {
        self.ask("redeliver", self.port.redeliver(workspace, delivery, replay, act)).await
    }

    async fn replay(&self, replay: NewReplay, act: AuditEntry) -> Stored<u64> {
        self.ask("replay", self.port.replay(replay, act)).await
    }

    async fn begin_test(
        &self,
        workspace: WorkspaceId,
        webhook: WebhookId,
        by: (WorkerId, ClaimToken, ReplayId),
        act: AuditEntry,
    ) -> Stored<Option<ClaimedDelivery>> {
        self.ask("begin_test", self.port.begin_test(workspace, webhook, by, act)).await
    }
}

#[async_trait]
impl Accounts for Guarded<dyn Accounts> {
    async fn directory(&self) -> Stored<Directory> {
        self.ask("directory", self.port.directory()).await
    }

    async fn revision(&self) -> Stored<Revision> {
        self.ask("revision", self.port.revision()).await
    }

    async fn account_add(&self, new: NewAccount, act: AuditEntry) -> Stored<()> {
        self.ask("account_add", self.port.account_add(new, act)).await
    }

    async fn account_remove(
        &self,
        workspace: WorkspaceId,
        id: AccountId,
        is_forced: bool,
        act: AuditEntry,
    ) -> Stored<Removal> {
        self.ask("account_remove", self.port.account_remove(workspace, id, is_forced, act)).await
    }

    async fn account_change(
        &self,
        workspace: WorkspaceId,
        id: AccountId,
        changes: AccountChanges,
        act: AuditEntry,
    ) -> Stored<bool> {
        self.ask("account_change", self.port.account_change(workspace, id, changes, act)).await
    }

    async fn account_hold(
        &self,
        workspace: WorkspaceId,
        id: AccountId,
        reason: Option<&str>,
        act: AuditEntry,
    ) -> Stored<()> {
        self.ask("account_hold", self.port.account_hold(workspace, id, reason, act)).await
    }

    async fn account_describe(
        &self,
        workspace: WorkspaceId,
        id: AccountId,
        number: &NumberInfo,
        now: Timestamp,
    ) -> Stored<()> {
        self.ask("account_describe", self.port.account_describe(workspace, id, number, now)).await
    }

    async fn key_add(&self, key: ApiKey, act: AuditEntry) -> Stored<()> {
        self.ask("key_add", self.port.key_add(key, act)).await
    }

    async fn key_revoke(&self, workspace: WorkspaceId, id: KeyId, act: AuditEntry) -> Stored<bool> {
        self.ask("key_revoke", self.port.key_revoke(workspace, id, act)).await
    }

    async fn keys_used(&self, used: &[(KeyId, Timestamp)]) -> Stored<()> {
        self.ask("keys_used", self.port.keys_used(used)).await
    }

    async fn template(
        &self,
        workspace: WorkspaceId,
        waba_id: &str,
        name: &str,
        language: &str,
    ) -> Stored<Option<StoredTemplate>> {
        self.ask("template", self.port.template(workspace, waba_id, name, language)).await
    }

    async fn templates(
        &self,
        workspace: WorkspaceId,
        filter: &TemplateFilter,
        page: PageRequest,
    ) -> Stored<Page<StoredTemplate>> {
        self.ask("templates", self.port.templates(workspace, filter, page)).await
    }

    async fn reached(&self, workspace: WorkspaceId, since: Timestamp) -> Stored<BTreeMap<String, u32>> {
        self.ask("reached", self.port.reached(workspace, since)).await
    }

    async fn templates_put(&self, put: TemplatesPut) -> Stored<TemplateCounts> {
        self.ask("templates_put", self.port.templates_put(put)).await
    }
}

#[async_trait]
impl Registry for Guarded<dyn Registry> {
    async fn account_token(
        &self,
        workspace: WorkspaceId,
        id: AccountId,
        expires_at: Option<Timestamp>,
        now: Timestamp,
    ) -> Stored<()> {
        self.ask("account_token", self.port.account_token(workspace, id, expires_at, now)).await
    }

    async fn templates_forget(
        &self,
        workspace: WorkspaceId,
        waba_id: &str,
        which: (&str, Option<&str>),
        act: AuditEntry,
    ) -> Stored<()> {
        self.ask("templates_forget", self.port.templates_forget(workspace, waba_id, which, act)).await
    }

    async fn note(&self, act: AuditEntry) -> Stored<()> {
        self.ask("note", self.port.note(act)).await
    }
}

#[async_trait]
impl Manage for Guarded<dyn Manage> {
    async fn subscribe(&self, line: &Line) -> Result<(), UpstreamError> {
        self.reach("subscribe", self.port.subscribe(line)).await
    }

    async fn register(&self, line: &Line, pin: &SecretString) -> Result<(), UpstreamError> {
        self.reach("register", self.port.register(line, pin)).await
    }

    async fn profile(&self, line: &Line) -> Result<Object, UpstreamError> {
        self.reach("profile", self.port.profile(line)).await
    }

    async fn set_profile(&self, line: &Line, change: &Object) -> Result<(), UpstreamError> {
        self.reach("set_profile", self.port.set_profile(line, change)).await
    }

    async fn create_template(&self, line: &Line, body: String) -> Result<Submitted, UpstreamError> {
        self.reach("create_template", self.port.create_template(line, body)).await
    }

    async fn edit_template(&self, line: &Line, meta_id: &str, body: String) -> Result<(), UpstreamError> {
        self.reach("edit_template", self.port.edit_template(line, meta_id, body)).await
    }

    async fn delete_template(
        &self,
        line: &Line,
        name: &str,
        meta_id: Option<&str>,
    ) -> Result<(), UpstreamError> {
        self.reach("delete_template", self.port.delete_template(line, name, meta_id)).await
    }

    async fn probe_callback(&self, callback: &Callback) -> Result<(), String> {
        self.reach("probe_callback", self.port.probe_callback(callback)).await
    }
}

#[async_trait]
impl Messages for Guarded<dyn Messages> {
    async fn accept(&self, new: NewMessage) -> Stored<Admission> {
        self.ask("accept", self.port.accept(new)).await
    }

    async fn look_up(
        &self,
        workspace: WorkspaceId,
        account: AccountId,
        recipient: &Recipient,
    ) -> Stored<Known> {
        self.ask("look_up", self.port.look_up(workspace, account, recipient)).await
    }

    async fn settle(
        &self,
        claim: &Claim,
        end: &Settlement,
        answer: Option<KeptAnswer>,
        now: Timestamp,
    ) -> Stored<Settled> {
        self.ask("settle", self.port.settle(claim, end, answer, now)).await
    }

    async fn begin(&self, claim: &Claim, now: Timestamp) -> Stored<Settled> {
        self.ask("begin", self.port.begin(claim, now)).await
    }

    async fn claim_due(&self, request: ClaimRequest) -> Stored<ClaimRound> {
        self.ask("claim_due", self.port.claim_due(request)).await
    }

    async fn cancel(&self, workspace: WorkspaceId, id: MessageId, now: Timestamp) -> Stored<Cancel> {
        self.ask("cancel", self.port.cancel(workspace, id, now)).await
    }

    async fn claim_unknown(
        &self,
        workspace: WorkspaceId,
        id: MessageId,
        by: (WorkerId, ClaimToken),
        act: AuditEntry,
    ) -> Stored<Option<Claimed>> {
        self.ask("claim_unknown", self.port.claim_unknown(workspace, id, by, act)).await
    }

    async fn give_up(&self, workspace: WorkspaceId, id: MessageId, act: AuditEntry) -> Stored<bool> {
        self.ask("give_up", self.port.give_up(workspace, id, act)).await
    }

    async fn idempotency_key(
        &self,
        workspace: WorkspaceId,
        owner: OwnerId,
        key: &str,
        now: Timestamp,
    ) -> Stored<Option<KeptKey>> {
        self.ask("idempotency_key", self.port.idempotency_key(workspace, owner, key, now)).await
    }

    async fn ingest(&self, post: Post) -> Stored<Ingested> {
        self.ask("ingest", self.port.ingest(post)).await
    }

    async fn posts(&self, wanted: &KeptPosts) -> Stored<Vec<KeptPost>> {
        self.ask("posts", self.port.posts(wanted)).await
    }

    async fn message(&self, workspace: WorkspaceId, key: &MessageKey) -> Stored<Option<MessageStory>> {
        self.ask("message", self.port.message(workspace, key)).await
    }

    async fn messages(
        &self,
        workspace: WorkspaceId,
        filter: &MessageFilter,
        page: PageRequest,
    ) -> Stored<Page<StoredMessage>> {
        self.ask("messages", self.port.messages(workspace, filter, page)).await
    }

    async fn contact(&self, workspace: WorkspaceId, id: ContactId) -> Stored<Option<Contact>> {
        self.ask("contact", self.port.contact(workspace, id)).await
    }

    async fn contacts(
        &self,
        workspace: WorkspaceId,
        filter: &ContactFilter,
        page: PageRequest,
    ) -> Stored<Page<Contact>> {
        self.ask("contacts", self.port.contacts(workspace, filter, page)).await
    }
}

#[async_trait]
impl Contacts for Guarded<dyn Contacts> {
    async fn contacts_put(
        &self,
        workspace: WorkspaceId,
        puts: Vec<ContactPut>,
        act: Option<AuditEntry>,
        now: Timestamp,
    ) -> Stored<Vec<ContactEnd>> {
        self.ask("contacts_put", self.port.contacts_put(workspace, puts, act, now)).await
    }

    async fn custom_keys(&self, workspace: WorkspaceId, limit: u32) -> Stored<Vec<String>> {
        self.ask("custom_keys", self.port.custom_keys(workspace, limit)).await
    }

    async fn contact_windows(&self, workspace: WorkspaceId, contact: ContactId) -> Stored<Windows> {
        self.ask("contact_windows", self.port.contact_windows(workspace, contact)).await
    }

    async fn contact_erase(&self, contact: ContactId, act: AuditEntry) -> Stored<bool> {
        self.ask("contact_erase", self.port.contact_erase(contact, act)).await
    }

    async fn erase_step(&self, limit: u32, now: Timestamp) -> Stored<ErasureStep> {
        self.ask("erase_step", self.port.erase_step(limit, now)).await
    }

    async fn erase_traces(&self) -> Stored<bool> {
        self.ask("erase_traces", self.port.erase_traces()).await
    }
}

#[async_trait]
impl Work for Guarded<dyn Work> {
    async fn heartbeat(&self, worker: WorkerId, now: Timestamp) -> Stored<()> {
        self.ask("heartbeat", self.port.heartbeat(worker, now)).await
    }

    async fn farewell(&self, worker: WorkerId) -> Stored<()> {
        self.ask("farewell", self.port.farewell(worker)).await
    }

    async fn recover(&self, silent_since: Timestamp, now: Timestamp, limit: u32) -> Stored<u32> {
        self.ask("recover", self.port.recover(silent_since, now, limit)).await
    }

    async fn expire(&self, now: Timestamp, limit: u32) -> Stored<u32> {
        self.ask("expire", self.port.expire(now, limit)).await
    }

    async fn figures(&self, now: Timestamp) -> Stored<Figures> {
        self.ask("figures", self.port.figures(now)).await
    }

    async fn review_reach(&self, now: Timestamp) -> Stored<()> {
        self.ask("review_reach", self.port.review_reach(now)).await
    }

    async fn departures(&self, since: Timestamp) -> Stored<Vec<Departure>> {
        self.ask("departures", self.port.departures(since)).await
    }

    async fn queue_depths(&self) -> Stored<BTreeMap<AccountId, u32>> {
        self.ask("queue_depths", self.port.queue_depths()).await
    }

    async fn probe(&self, now: Timestamp) -> Stored<()> {
        self.ask("probe", self.port.probe(now)).await
    }
}

#[async_trait]
impl Access for Guarded<dyn Access> {
    async fn workspace_add(&self, id: WorkspaceId, name: &str, act: AuditEntry) -> Stored<()> {
        self.ask("workspace_add", self.port.workspace_add(id, name, act)).await
    }

    async fn keys(
        &self,
        workspace: WorkspaceId,
        filter: &KeyFilter,
        page: PageRequest,
    ) -> Stored<Page<ApiKey>> {
        self.ask("keys", self.port.keys(workspace, filter, page)).await
    }

    async fn key_rotate(&self, rotation: Rotation, act: AuditEntry) -> Stored<bool> {
        self.ask("key_rotate", self.port.key_rotate(rotation, act)).await
    }

    async fn user_add(&self, user: User, password_hash: &str, act: AuditEntry) -> Stored<()> {
        self.ask("user_add", self.port.user_add(user, password_hash, act)).await
    }

    async fn users(
        &self,
        workspace: WorkspaceId,
        filter: &UserFilter,
        page: PageRequest,
    ) -> Stored<Page<User>> {
        self.ask("users", self.port.users(workspace, filter, page)).await
    }

    async fn user_put(&self, change: UserChange, act: AuditEntry) -> Stored<UserEnd> {
        self.ask("user_put", self.port.user_put(change, act)).await
    }

    async fn user_remove(
        &self,
        workspace: WorkspaceId,
        id: UserId,
        seen_role: Role,
        act: AuditEntry,
    ) -> Stored<UserEnd> {
        self.ask("user_remove", self.port.user_remove(workspace, id, seen_role, act)).await
    }

    async fn credentials(&self, whose: &Whose) -> Stored<Option<Credentials>> {
        self.ask("credentials", self.port.credentials(whose)).await
    }

    async fn session_add(&self, new: NewSession, act: AuditEntry) -> Stored<bool> {
        self.ask("session_add", self.port.session_add(new, act)).await
    }

    async fn session(&self, digest: &SessionDigest) -> Stored<Option<StoredSession>> {
        self.ask("session", self.port.session(digest)).await
    }

    async fn session_end(&self, workspace: WorkspaceId, digest: &SessionDigest) -> Stored<()> {
        self.ask("session_end", self.port.session_end(workspace, digest)).await
    }

    async fn sessions_seen(&self, seen: &[(SessionDigest, Timestamp)]) -> Stored<()> {
        self.ask("sessions_seen", self.port.sessions_seen(seen)).await
    }

    async fn sessions_forget(
        &self,
        begun_before: Timestamp,
        seen_before: Timestamp,
        limit: u32,
    ) -> Stored<()> {
        self.ask("sessions_forget", self.port.sessions_forget(begun_before, seen_before, limit)).await
    }

    async fn audit(
        &self,
        workspace: WorkspaceId,
        filter: &AuditFilter,
        page: PageRequest,
    ) -> Stored<Page<AuditEntry>> {
        self.ask("audit", self.port.audit(workspace, filter, page)).await
    }
}

#[async_trait]
impl Upstream for Guarded<dyn Upstream> {
    async fn send(&self, line: &Line, body: Bytes) -> SendOutcome {
        self.reach("send", self.port.send(line, body)).await
    }

    fn body(&self, message: &OutgoingMessage<'_>) -> Bytes {
        self.port.body(message)
    }

    async fn mark_read(&self, line: &Line, wamid: &str, is_typing: bool) -> Result<(), UpstreamError> {
        self.reach("mark_read", self.port.mark_read(line, wamid, is_typing)).await
    }

    async fn templates(&self, line: &Line, query: &TemplateQuery) -> Result<TemplatePage, UpstreamError> {
        self.reach("list_templates", self.port.templates(line, query)).await
    }

    async fn number(&self, line: &Line) -> Result<NumberInfo, UpstreamError> {
        self.reach("number", self.port.number(line)).await
    }

    async fn token(&self, line: &Line) -> Result<TokenInfo, UpstreamError> {
        self.reach("token", self.port.token(line)).await
    }

    async fn subscribed_apps(&self, line: &Line) -> Result<Vec<String>, UpstreamError> {
        self.reach("subscribed_apps", self.port.subscribed_apps(line)).await
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
    async fn send(&self, line: &Line, body: Bytes) -> SendOutcome {
        self.way().send(line, body).await
    }

    fn body(&self, message: &OutgoingMessage<'_>) -> Bytes {
        self.right.body(message)
    }

    async fn mark_read(&self, line: &Line, wamid: &str, is_typing: bool) -> Result<(), UpstreamError> {
        self.way().mark_read(line, wamid, is_typing).await
    }

    async fn templates(&self, line: &Line, query: &TemplateQuery) -> Result<TemplatePage, UpstreamError> {
        self.way().templates(line, query).await
    }

    async fn number(&self, line: &Line) -> Result<NumberInfo, UpstreamError> {
        self.way().number(line).await
    }

    async fn token(&self, line: &Line) -> Result<TokenInfo, UpstreamError> {
        self.way().token(line).await
    }

    async fn subscribed_apps(&self, line: &Line) -> Result<Vec<String>, UpstreamError> {
        self.way().subscribed_apps(line).await
    }
}

#[async_trait]
impl HookSender for Guarded<dyn HookSender> {
    fn check(&self, url: &str) -> Result<(), BadAddress> {
        self.port.check(url)
    }

    async fn post(&self, call: HookCall) -> Posted {
        self.reach("post", self.port.post(call)).await
    }
}
