//! A gateway and a simulator in this process, with methods for the steps of a test.

mod ports;
mod response;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use domain::access::api_key::KeyScope;
use domain::access::rate_limiter::RateLimits;
use domain::access::user::SessionLifetime;
use domain::contacts::opt_out::OptOutKeywords;
use domain::id::{AccountId, WorkspaceId};
use engine::access::api_key;
use engine::access::api_key::{DEV_KEY, NewApiKey};
use engine::accounts;
use engine::deps::Ports;
use engine::maintenance::settings::RetentionSettings;
use engine::media::MediaSettings;
use engine::ports::{Clock, Random};
use engine::webhooks_out::settings::DeliverySettings;
use engine::{AuditContext, Deps, Settings, background};
use http_body_util::BodyExt;
use jiff::{SignedDuration, Timestamp};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use server::http_options::HttpOptions;
use sim::{InboundMessage, Mode, Options, Sim, SimAccount};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use crate::contract;
use crate::webhook_receiver::Receiver;

use ports::{add_account, ports};
use response::known_body;
pub(crate) use response::{TestResponse, signature};

/// Unix time at which both clocks start.
const START: i64 = 1_767_225_600;

/// A customer whose window is open.
pub(crate) const CUSTOMER: &str = "+15550100001";

/// A recipient that has never written.
pub(crate) const NEW_RECIPIENT: &str = "+447700900123";

/// A clock that only the test advances.
pub(crate) struct FakeClock {
    now: Mutex<Timestamp>,
    moved: Notify,
    sleepers: Mutex<BTreeMap<u64, Timestamp>>,
    fell_asleep: Notify,
    n_sleeps: AtomicU64,
}

impl FakeClock {
    fn advance(&self, by: Duration) {
        *self.now.lock().unwrap() += SignedDuration::try_from(by).unwrap();
        self.moved.notify_waiters();
    }
}

impl FakeClock {
    /// Returns `true` if work waits for the clock.
    pub(crate) fn has_sleepers(&self) -> bool {
        !self.sleepers.lock().unwrap().is_empty()
    }
}

#[async_trait]
impl Clock for FakeClock {
    fn now(&self) -> Timestamp {
        *self.now.lock().unwrap()
    }

    async fn sleep_until(&self, deadline: Timestamp) {
        let asleep = Asleep { clock: self, id: self.n_sleeps.fetch_add(1, Ordering::Relaxed) };
        loop {
            let moved = self.moved.notified();
            if self.now() >= deadline {
                return;
            }
            self.sleepers.lock().unwrap().insert(asleep.id, deadline);
            self.fell_asleep.notify_one();
            moved.await;
        }
    }
}

/// Removes the sleeper from the list when it wakes up or is dropped.
struct Asleep<'a> {
    clock: &'a FakeClock,
    id: u64,
}

impl Drop for Asleep<'_> {
    fn drop(&mut self) {
        self.clock.sleepers.lock().unwrap().remove(&self.id);
    }
}

/// Deterministic random bytes: a counter.
#[derive(Default)]
struct Counting(AtomicU64);

impl Random for Counting {
    fn fill(&self, bytes: &mut [u8]) {
        for chunk in bytes.rchunks_mut(8) {
            let n = self.0.fetch_add(1, Ordering::Relaxed).to_be_bytes();
            chunk.iter_mut().rev().zip(n.iter().rev()).for_each(|(to, from)| *to = *from);
        }
    }
}

/// The gateway, the simulator, and the clock of both.
pub(crate) struct TestApp {
    pub(crate) deps: Arc<Deps>,
    pub(crate) router: Router,
    pub(crate) sim: Sim,
    pub(crate) clock: Arc<FakeClock>,
    pub(crate) workspace: WorkspaceId,
    pub(crate) account: AccountId,
    pub(crate) seeded: SimAccount,
    settings: Settings,
    pub(crate) folder: TempDir,
    pub(crate) sim_url: String,
    pub(crate) receiver: Arc<Receiver>,
    random: Arc<Counting>,
    _simulator: JoinSet<()>,
}

impl TestApp {
    /// Creates a gateway with one sandbox account, the key of `waypost dev`, and an open window of [`CUSTOMER`].
    pub(crate) async fn new() -> Self {
        Self::with(|_| ()).await
    }

    /// Creates a gateway with changed settings.
    #[expect(clippy::too_many_lines, reason = "one list of ports and settings")]
    pub(crate) async fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = Settings {
            limits: RateLimits { per_minute: 100, burst: 10 },
            throughput: 80,
            has_pair_rule: true,
            queue_per_account: 100_000,
            deliveries: DeliverySettings::default(),
            sessions: SessionLifetime::default(),
            media: MediaSettings::default(),
            retention: RetentionSettings::default(),
            template_sync_interval: Some(SignedDuration::from_hours(6)),
            callback_url: "http://127.0.0.1:9/webhooks/meta".to_owned(),
            opt_out: OptOutKeywords::default(),
            is_dev: true,
        };
        change(&mut settings);
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(FakeClock {
            now: Mutex::new(Timestamp::from_second(START).unwrap()),
            moved: Notify::new(),
            sleepers: Mutex::default(),
            fell_asleep: Notify::new(),
            n_sleeps: AtomicU64::new(0),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let sim_url = format!("http://{}", listener.local_addr().unwrap());
        let sim = Sim::new(Options {
            mode: Mode::Explicit,
            public_base_url: sim_url.clone(),
            callback_url: Some("http://127.0.0.1:9/webhooks/meta".to_owned()),
            ..Options::default()
        })
        .unwrap();
        let mut simulator = JoinSet::new();
        let serving = sim.clone();
        simulator.spawn(async move {
            serving.serve(listener, CancellationToken::new()).await.unwrap();
        });
        let random = Arc::new(Counting::default());
        let receiver = Arc::new(Receiver::new(clock.clone()));
        let ports = ports(&folder, &sim_url, &clock, &random, &receiver);
        let deps = Arc::new(Deps::new(ports, settings.clone()));
        background::load_state(&deps).await.unwrap();
        let workspace = deps.directory.current().workspace("default").unwrap();
        let seeded = sim.accounts().into_iter().next().unwrap();
        let added = accounts::create_account(
            &deps,
            &AuditContext::gateway(),
            add_account(workspace, "sandbox", &seeded),
        )
        .await
        .unwrap();
        let new = NewApiKey {
            workspace,
            name: "dev".to_owned(),
            scopes: KeyScope::ALL.to_vec(),
            accounts: Vec::new(),
            is_test: true,
            rate_per_minute: None,
            rate_burst: None,
            expires_at: None,
        };
        api_key::import_api_key(&deps, &AuditContext::gateway(), new, &DEV_KEY.into()).await.unwrap();
        background::tick_recovery(&deps).await.unwrap();
        let app = Self {
            router: server::run::router(&deps, HttpOptions::default()),
            deps,
            sim,
            clock,
            workspace,
            account: added.id,
            seeded,
            settings,
            folder,
            sim_url,
            receiver,
            random,
            _simulator: simulator,
        };
        app.customer_writes(CUSTOMER, "Hello").await;
        app
    }

    /// Returns the folder of the database.
    pub(crate) fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// Simulates a crash, and starts another process on the same database.
    pub(crate) async fn restart(&mut self) {
        self.restart_with(|ports| ports).await;
    }

    /// Simulates a crash, and starts another process whose ports are wrapped.
    pub(crate) async fn restart_with(&mut self, change: impl FnOnce(Ports) -> Ports) {
        let ports = ports(&self.folder, &self.sim_url, &self.clock, &self.random, &self.receiver);
        self.deps = Arc::new(Deps::new(change(ports), self.settings.clone()));
        background::load_state(&self.deps).await.unwrap();
        self.router = server::run::router(&self.deps, HttpOptions::default());
    }

    /// Returns the content of the store's files.
    pub(crate) fn stored_bytes(&self) -> Vec<u8> {
        let path = self.folder.path().join("waypost.db");
        let mut bytes = std::fs::read(&path).unwrap();
        bytes.extend(std::fs::read(path.with_extension("db-wal")).unwrap_or_default());
        bytes
    }

    /// Advances both clocks.
    pub(crate) fn advance(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
        self.sim.advance(Duration::from_secs(seconds));
    }

    /// Advances both clocks by milliseconds.
    pub(crate) fn clock_advance_ms(&self, ms: u64) {
        self.clock.advance(Duration::from_millis(ms));
        self.sim.advance(Duration::from_millis(ms));
    }

    /// Runs work that waits for the clock. Whenever the work sleeps, the clock is advanced to the end of the sleep.
    pub(crate) async fn run_with_clock<T>(&self, work: impl Future<Output = T>) -> T {
        let mut work = std::pin::pin!(work);
        loop {
            tokio::select! {
                biased;
                end = &mut work => return end,
                () = self.clock.fell_asleep.notified() => {}
            }
            let wakes_at = self.clock.sleepers.lock().unwrap().values().min().copied();
            if let Some(wakes_at) = wakes_at {
                let by = wakes_at.duration_since(self.clock.now()).unsigned_abs();
                self.clock.advance(by);
                self.sim.advance(by);
            }
        }
    }

    /// Removes all faults that have not occurred yet.
    pub(crate) async fn clear_faults(&self) {
        let request =
            Request::delete("/_sim/faults").header("Host", "127.0.0.1").body(Body::empty()).unwrap();
        let response = self.sim.router().oneshot(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
    }

    /// Runs the queue until no message can be sent now.
    pub(crate) async fn tick_queue(&self) {
        while engine::messages::queue::tick(&self.deps).await.unwrap().n_messages > 0 {
            self.finish_tasks().await;
        }
    }

    /// Delivers events to the endpoints until no delivery is due now.
    pub(crate) async fn deliver_events(&self) {
        engine::directory::refresh(&self.deps).await.unwrap();
        while engine::webhooks_out::deliver::tick(&self.deps).await.unwrap() > 0 {
            self.finish_tasks().await;
            engine::directory::refresh(&self.deps).await.unwrap();
        }
    }

    /// Waits for all tasks, and advances the clock for their waits.
    pub(crate) async fn finish_tasks(&self) {
        let all = async {
            while !self.deps.tasks.is_empty() {
                tokio::task::yield_now().await;
            }
        };
        self.run_with_clock(all).await;
    }

    /// Creates an API key with all scopes, changed by `change`, and returns its secret.
    pub(crate) async fn key(&self, change: impl FnOnce(&mut NewApiKey)) -> String {
        let mut new = NewApiKey {
            workspace: self.workspace,
            name: format!("test {}", self.deps.directory.current().keys.len()),
            scopes: KeyScope::ALL.to_vec(),
            accounts: Vec::new(),
            is_test: true,
            rate_per_minute: None,
            rate_burst: None,
            expires_at: None,
        };
        change(&mut new);
        let (_, secret) = api_key::create_api_key(&self.deps, &AuditContext::gateway(), new).await.unwrap();
        secret.expose_secret().to_owned()
    }

    /// Adds a second account of the simulator.
    pub(crate) async fn add_second_account(&self) -> AccountId {
        let seeded = self.sim.accounts().into_iter().nth(1).unwrap();
        let new = add_account(self.workspace, "clinic", &seeded);
        accounts::create_account(&self.deps, &AuditContext::gateway(), new).await.unwrap().id
    }

    /// Sends a request to the gateway.
    pub(crate) async fn call(&self, request: Request<Body>) -> TestResponse {
        let (request, sent) = known_body(request).await;
        let (method, uri) = (request.method().clone(), request.uri().to_string());
        let raw = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = raw.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        let body = serde_json::from_slice(&bytes)
            .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&bytes).into_owned()));
        let response = TestResponse { status: parts.status, headers: parts.headers, body };
        contract::check_call(&method, &uri, sent.as_deref(), &response);
        response
    }

    /// Sends a request with the usual key.
    pub(crate) async fn request(&self, method: &str, path: &str, body: impl Into<Body>) -> TestResponse {
        self.request_as(DEV_KEY, method, path, body).await
    }

    pub(crate) async fn request_as(
        &self,
        key: &str,
        method: &str,
        path: &str,
        body: impl Into<Body>,
    ) -> TestResponse {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("X-API-Key", key)
            .header("Content-Type", "application/json")
            .body(body.into())
            .unwrap();
        self.call(request).await
    }

    pub(crate) async fn get(&self, path: &str) -> TestResponse {
        self.request("GET", path, Body::empty()).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> TestResponse {
        self.request("POST", path, body.to_string()).await
    }

    /// Calls `POST /api/messages/send`.
    pub(crate) async fn send(&self, body: Value) -> TestResponse {
        self.run_with_clock(self.post("/api/messages/send", &body)).await
    }

    /// Sends a text.
    pub(crate) async fn send_text(&self, to: &str) -> TestResponse {
        self.send(json!({"to": to, "type": "text", "text": "Hello!"})).await
    }

    /// Returns a message.
    pub(crate) async fn message(&self, id: &str) -> Value {
        let id: String = url::form_urlencoded::byte_serialize(id.as_bytes()).collect();
        self.get(&format!("/api/messages/{id}")).await.expect(200).body["data"].take()
    }

    /// A customer sends a text to the first account.
    pub(crate) async fn customer_writes(&self, from: &str, text: &str) -> String {
        self.inbound(&InboundMessage::text(from, text)).await
    }

    /// A customer sends a message.
    pub(crate) async fn inbound(&self, message: &InboundMessage) -> String {
        let wamid = self.sim.inbound(message).unwrap();
        self.deliver_webhooks().await;
        wamid
    }

    /// Sends the statuses that are due, and delivers them to the gateway.
    pub(crate) async fn step(&self) {
        // A status can make the next status due.
        for _ in 0..6 {
            self.sim.step().await;
            self.deliver_webhooks().await;
        }
    }

    /// Delivers the webhooks of the simulator to the gateway.
    pub(crate) async fn deliver_webhooks(&self) {
        for webhook in self.sim.take_webhooks() {
            let mut request = Request::post("/webhooks/meta");
            for (name, value) in &webhook.headers {
                request = request.header(name, value);
            }
            self.call(request.body(Body::from(webhook.body)).unwrap()).await.expect(200);
        }
    }

    /// Posts a body to the webhook endpoint for Meta, signed with this secret.
    pub(crate) async fn post_signed(&self, secret: &str, body: impl Into<Vec<u8>>) -> TestResponse {
        let body = body.into();
        let request = Request::post("/webhooks/meta")
            .header("X-Hub-Signature-256", signature(secret, &body))
            .body(Body::from(body))
            .unwrap();
        self.call(request).await
    }

    /// Returns the body of the n-th message that the simulator has accepted.
    pub(crate) fn accepted_message(&self, n: usize) -> Value {
        serde_json::from_str(self.sim.messages()[n].body.get()).unwrap()
    }

    /// Returns the number of messages that the simulator has accepted.
    pub(crate) fn n_accepted(&self) -> usize {
        self.sim.messages().len()
    }
}
