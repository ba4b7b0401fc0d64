//! A store in a temporary folder, with a clock and random numbers that the test controls.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use domain::access::audit::{Actor, ActorKind, AuditAction, AuditEntry, AuditTarget, AuditTargetKind};
use domain::accounts::account::{Account, AccountStatus};
use domain::contacts::phone::PhoneNumber;
use domain::contacts::whatsapp_user::WhatsAppUser;
use domain::id::{AccountId, AuditEntryId, ContactId, MediaId, MessageId, WorkerId, WorkspaceId};
use domain::json::Object;
use domain::messages::admission::{AdmissionRequest, AdmissionStage};
use domain::messages::inbound::{InboundMessage, InboundMetadata};
use domain::messages::outcome::AcceptedMessage;
use domain::messages::status::MessageStatus;
use domain::messages::status_report::{AttemptReference, StatusReport};
use domain::webhooks_in::update::WebhookUpdate;
use engine::metrics::Metrics;
use engine::ports::{
    AccountRecord, Accounts, AttemptResult, ChangeRoute, Clock, IngestSummary, InsertMessageResult, Lease,
    LeaseHolder, LeaseRequest, LeaseToken, LeasedMessage, MessageDetail, MessageKey, Messages, NewAccount,
    NewMessage, OnUnknown, PageRequest, PageStart, PayloadSignature, PreallocatedIds, Random, Recipient,
    RoutedChange, SendSchedule, WebhookChange, WebhookPayload, WebhookPayloads, Workers,
};
use jiff::{SignedDuration, Timestamp};
use secrecy::SecretSlice;
use store::{Sealer, SqliteStore};
use tempfile::TempDir;

/// Clock that a test advances.
pub(crate) struct FakeClock(Mutex<Timestamp>);

#[async_trait]
impl Clock for FakeClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }

    async fn sleep_until(&self, _: Timestamp) {
        std::future::pending::<()>().await;
    }
}

/// Random numbers from a counter.
#[derive(Default)]
pub(crate) struct CountingRandom(AtomicU64);

impl Random for CountingRandom {
    fn fill(&self, bytes: &mut [u8]) {
        for chunk in bytes.rchunks_mut(8) {
            let n = self.0.fetch_add(1, Ordering::Relaxed).to_be_bytes();
            chunk.iter_mut().rev().zip(n.iter().rev()).for_each(|(to, from)| *to = *from);
        }
    }
}

pub(crate) struct TestStore {
    pub(crate) store: Arc<SqliteStore>,
    pub(crate) clock: Arc<FakeClock>,
    pub(crate) random: Arc<CountingRandom>,
    pub(crate) folder: TempDir,
    pub(crate) workspace: WorkspaceId,
    pub(crate) account: AccountId,
    pub(crate) worker: WorkerId,
}

pub(crate) const CUSTOMER: &str = "15550100001";

impl TestStore {
    pub(crate) async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let start = Timestamp::from_second(1_767_225_600).unwrap();
        let clock = Arc::new(FakeClock(Mutex::new(start)));
        let random = Arc::new(CountingRandom::default());
        let store = open(&folder.path().join("waypost.db"), &clock, &random);
        let directory = store.get_directory().await.unwrap();
        let workspace = *directory.workspaces.keys().next().unwrap();
        let worker = WorkerId::from_parts(1, &[1; 10]);
        let mut app = Self {
            store,
            clock,
            random,
            folder,
            workspace,
            account: AccountId::from_parts(1, &[2; 10]),
            worker,
        };
        app.account = app.add_account("main", "330011220099887").await;
        app.store.record_heartbeat(worker, app.now()).await.unwrap();
        app
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("waypost.db")
    }

    /// Closes the store and opens the same file again.
    pub(crate) fn restart(self) -> Self {
        let Self { store, clock, random, folder, workspace, account, worker } = self;
        drop(store);
        let store = open(&folder.path().join("waypost.db"), &clock, &random);
        Self { store, clock, random, folder, workspace, account, worker }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(crate) fn advance(&self, seconds: i64) {
        *self.clock.0.lock().unwrap() += SignedDuration::from_secs(seconds);
    }

    pub(crate) fn id<T>(&self, from_parts: fn(u64, &[u8; 10]) -> T) -> T {
        let mut random = [0; 10];
        self.random.fill(&mut random);
        from_parts(self.now().as_millisecond().try_into().unwrap(), &random)
    }

    /// Returns an entry for the audit log.
    pub(crate) fn entry(&self, action: AuditAction) -> AuditEntry {
        AuditEntry {
            id: self.id(AuditEntryId::from_parts),
            workspace: self.workspace,
            at: self.now(),
            actor: Actor { kind: ActorKind::CommandLine, id: None, name: "waypost".to_owned() },
            action,
            subject: AuditTarget::named(AuditTargetKind::Account, &self.account, "main"),
            client: None,
            request_id: None,
            details: Object::new(),
        }
    }

    pub(crate) async fn add_account(&self, name: &str, phone_number_id: &str) -> AccountId {
        let account = Account {
            id: self.id(AccountId::from_parts),
            workspace: self.workspace,
            name: name.to_owned(),
            phone_number_id: phone_number_id.to_owned(),
            waba_id: "210987650001234".to_owned(),
            display_phone_number: None,
            quality_rating: None,
            messaging_limit_tier: None,
            status: AccountStatus::Connected,
            status_reason: None,
            is_default: false,
            is_sandbox: true,
            fetches_links: None,
        };
        let id = account.id;
        let record = AccountRecord {
            account,
            access_token: "demo-access-token".into(),
            app_secret: Some("demo-app-secret".into()),
            old_app_secret: None,
            verify_token_digest: Some([7; 32]),
            probe_at: None,
            resumed_at: None,
        };
        let entry = self.entry(AuditAction::AccountAdded);
        self.store.insert_account(NewAccount { record, created_at: self.now() }, entry).await.unwrap();
        id
    }

    /// Inserts another workspace with one account, without the store.
    pub(crate) fn add_workspace(&self, name: &str, phone_number_id: &str) -> (WorkspaceId, AccountId) {
        let (workspace, account) = (self.id(WorkspaceId::from_parts), self.id(AccountId::from_parts));
        let connection = rusqlite::Connection::open(self.path()).unwrap();
        connection
            .execute(
                "insert into workspaces (id, name, created_at) values (?1, ?2, 0)",
                (workspace.as_bytes(), name),
            )
            .unwrap();
        connection
            .execute(
                "insert into accounts (id, workspace_id, name, phone_number_id, waba_id, status, is_default, is_sandbox,
                     created_at, updated_at)
                 values (?1, ?2, ?3, ?4, '77', 'connected', 0, 1, 0, 0)",
                (account.as_bytes(), workspace.as_bytes(), name, phone_number_id),
            )
            .unwrap();
        (workspace, account)
    }

    pub(crate) fn new_message(&self) -> NewMessage {
        let id = self.id(MessageId::from_parts);
        NewMessage {
            id,
            workspace: self.workspace,
            account: self.account,
            key: None,
            batch: None,
            recipient: Recipient::Phone(PhoneNumber::parse(CUSTOMER).unwrap()),
            contact: self.id(ContactId::from_parts),
            kind: "text",
            content: r#"{"body":"Hi"}"#.into(),
            admission: AdmissionRequest {
                stage: AdmissionStage::Sync,
                leaves_at: self.now(),
                needs_window: false,
                is_marketing: false,
                fallback: None,
            },
            context_wamid: None,
            recipient_identity_key_hash: None,
            client_reference: None,
            fallback: None,
            on_unknown: OnUnknown::Hold,
            send_at: None,
            schedule: SendSchedule::Immediate,
            expires_at: None,
            idempotency: None,
            worker: self.worker,
            token: LeaseToken(i64::from(id.as_bytes()[15]) + 1),
            now: self.now(),
        }
    }

    /// Returns a message for the queue that is due now.
    pub(crate) fn queued(&self, to: &str) -> NewMessage {
        let schedule = SendSchedule::Queued { due_at: self.now(), order_at: self.now() };
        let recipient = Recipient::Phone(PhoneNumber::parse(to).unwrap());
        let new = self.new_message();
        let stage = AdmissionStage::Enqueue { max_queued: 1000 };
        NewMessage { schedule, recipient, admission: AdmissionRequest { stage, ..new.admission }, ..new }
    }

    /// Request for the admission of a free-form message that is sent now.
    pub(crate) fn free_form(&self) -> AdmissionRequest {
        AdmissionRequest { needs_window: true, ..self.new_message().admission }
    }

    /// The store's own process, with a new token.
    pub(crate) fn lease_holder(&self) -> LeaseHolder {
        LeaseHolder { worker: self.worker, token: self.token() }
    }

    pub(crate) fn token(&self) -> LeaseToken {
        let mut bytes = [0; 8];
        self.random.fill(&mut bytes);
        LeaseToken(i64::from_be_bytes(bytes))
    }

    /// Returns the request of a process for at most `n` messages.
    pub(crate) fn lease_request(&self, worker: WorkerId, n: usize) -> LeaseRequest {
        LeaseRequest {
            workspace: self.workspace,
            account: self.account,
            worker,
            tokens: (0..n).map(|_| self.token()).collect(),
            throttled_recipients: BTreeMap::new(),
            is_probe: false,
            now: self.now(),
        }
    }

    /// Leases due messages to the worker of the test.
    pub(crate) async fn lease(&self, n: usize) -> Vec<LeasedMessage> {
        self.store.lease_due_messages(self.lease_request(self.worker, n)).await.unwrap().leased
    }

    /// Lets the worker of the test die and recovers its messages.
    pub(crate) async fn die(&self) -> u32 {
        self.advance(60);
        let silent_since = self.now() - SignedDuration::from_secs(10);
        self.store.recover_messages(silent_since, self.now(), 1000).await.unwrap()
    }

    /// Inserts a message and returns its lease.
    pub(crate) async fn accept(&self, new: NewMessage) -> Lease {
        let lease = Lease {
            workspace: new.workspace,
            message: new.id,
            account: new.account,
            attempt: 1,
            token: new.token,
        };
        let admission = self.store.insert_message(new).await.unwrap();
        assert!(matches!(admission, InsertMessageResult::Accepted { .. }), "{admission:?}");
        lease
    }

    pub(crate) async fn finish_sent(&self, lease: &Lease, wamid: &str) {
        let accepted = AcceptedMessage {
            wamid: wamid.to_owned(),
            wa_id: Some(CUSTOMER.to_owned()),
            ..AcceptedMessage::default()
        };
        self.store.finish_attempt(lease, &AttemptResult::Sent(accepted), None, self.now()).await.unwrap();
    }

    pub(crate) async fn finish_unknown(&self, lease: &Lease) {
        let end = AttemptResult::Unknown { reason: "cut".to_owned() };
        self.store.finish_attempt(lease, &end, None, self.now()).await.unwrap();
    }

    pub(crate) async fn detail(&self, id: MessageId) -> MessageDetail {
        self.store.get_message(self.workspace, &MessageKey::Id(id)).await.unwrap().unwrap()
    }

    pub(crate) async fn status(&self, id: MessageId) -> MessageStatus {
        self.detail(id).await.message.status
    }

    /// Returns a change of a payload for the account.
    pub(crate) fn change(&self, update: WebhookUpdate, span: (u32, u32)) -> RoutedChange {
        RoutedChange {
            route: Some(ChangeRoute {
                workspace: self.workspace,
                waba_id: "210987650001234".to_owned(),
                account: Some(self.account),
            }),
            change: WebhookChange {
                update,
                span,
                field: "messages".to_owned(),
                waba_id: Some("210987650001234".to_owned()),
                phone_number_id: None,
                time: None,
                undecodable: None,
            },
            opt_out_signal: None,
            ids: PreallocatedIds {
                message: self.id(MessageId::from_parts),
                contact: self.id(ContactId::from_parts),
                media: self.id(MediaId::from_parts),
            },
        }
    }

    pub(crate) async fn post(&self, body: &str, changes: Vec<RoutedChange>) -> IngestSummary {
        let body = Bytes::copy_from_slice(body.as_bytes());
        let post = WebhookPayload {
            body,
            changes,
            signature: PayloadSignature::default(),
            archived: None,
            now: self.now(),
        };
        self.store.ingest_payload(post).await.unwrap()
    }

    /// Ingests a message of a customer.
    pub(crate) async fn inbound(&self, message: InboundMessage) -> IngestSummary {
        let body = format!("inbound {}", message.wamid);
        let change = self.change(WebhookUpdate::Message(message), (0, 7));
        self.post(&body, vec![change]).await
    }

    /// Ingests a status.
    pub(crate) async fn report(&self, report: StatusReport) -> IngestSummary {
        let body = format!("report {} {}", report.wamid, report.status);
        let change = self.change(WebhookUpdate::Status(report), (0, 6));
        self.post(&body, vec![change]).await
    }

    pub(crate) fn text_from(&self, wa_id: &str, wamid: &str) -> InboundMessage {
        InboundMessage {
            wamid: wamid.to_owned(),
            from: WhatsAppUser { wa_id: Some(wa_id.to_owned()), ..WhatsAppUser::default() },
            at: self.now(),
            kind: "text".to_owned(),
            text: Some("Hello".to_owned()),
            object: None,
            context_wamid: None,
            metadata: InboundMetadata::default(),
        }
    }

    pub(crate) fn reported(&self, wamid: &str, status: MessageStatus) -> StatusReport {
        StatusReport {
            wamid: wamid.to_owned(),
            status,
            at: self.now(),
            reference: None,
            recipient: None,
            user_id: None,
            error: None,
            pricing: None,
        }
    }

    pub(crate) fn reported_for(
        &self,
        message: MessageId,
        wamid: &str,
        status: MessageStatus,
    ) -> StatusReport {
        StatusReport {
            reference: Some(AttemptReference { message, attempt: 1 }),
            ..self.reported(wamid, status)
        }
    }
}

pub(crate) fn open(
    path: &std::path::Path,
    clock: &FakeClock,
    random: &Arc<CountingRandom>,
) -> Arc<SqliteStore> {
    let sealer = Sealer::new(&SecretSlice::from(vec![9; 32]), random.clone()).unwrap();
    let metrics = Metrics::new(Arc::new(FakeClock(Mutex::new(clock.now()))));
    Arc::new(SqliteStore::open(path, sealer, clock, &**random, Arc::new(metrics)).unwrap())
}

pub(crate) fn page(per_page: u32) -> PageRequest {
    PageRequest { per_page, start: PageStart::Page(1) }
}
