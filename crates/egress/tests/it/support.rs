//! A local server, a resolver with fixed addresses, and a clock that only the test advances.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use egress::{EgressClient, EgressConfig, NameResolver, Policy, Resolving};
use engine::ports::{Clock, WebhookAttempt, WebhookOutcome, WebhookRequest, WebhookSender as _};
use jiff::{SignedDuration, Timestamp};
use secrecy::SecretString;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

/// Secret of all tests; no reason may contain it.
pub(crate) const SECRET: &str = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

/// Start of the test clock, in Unix seconds.
pub(crate) const START: i64 = 1_767_225_600;

/// A policy that allows servers on this machine.
pub(crate) const OPEN: Policy =
    Policy { allow_http: true, allow_private_networks: true, allow_local_hosts: false };

/// The policy of a production gateway.
pub(crate) const STRICT: Policy =
    Policy { allow_http: false, allow_private_networks: false, allow_local_hosts: false };

/// A clock that only the test advances.
pub(crate) struct FakeClock {
    now: Mutex<Timestamp>,
    moved: Notify,
    slept: Notify,
    n_looks: AtomicU64,
    looked: Notify,
}

impl FakeClock {
    pub(crate) fn new() -> Arc<Self> {
        let now = Mutex::new(Timestamp::from_second(START).unwrap());
        Arc::new(Self {
            now,
            moved: Notify::new(),
            slept: Notify::new(),
            n_looks: AtomicU64::new(0),
            looked: Notify::new(),
        })
    }

    pub(crate) fn advance(&self, seconds: i64) {
        *self.now.lock().unwrap() += SignedDuration::from_secs(seconds);
        self.moved.notify_waiters();
    }

    /// Returns the number of times that the clock was read. The client reads it when the head of a response arrives.
    pub(crate) fn n_looks(&self) -> u64 {
        self.n_looks.load(Ordering::Relaxed)
    }

    /// Waits until the clock was read more often than that.
    pub(crate) async fn somebody_looks(&self, n_looks: u64) {
        while self.n_looks() <= n_looks {
            self.looked.notified().await;
        }
    }

    /// Waits until a task has started to sleep since the last call.
    pub(crate) async fn somebody_sleeps(&self) {
        self.slept.notified().await;
    }
}

#[async_trait]
impl Clock for FakeClock {
    fn now(&self) -> Timestamp {
        self.n_looks.fetch_add(1, Ordering::Relaxed);
        self.looked.notify_one();
        *self.now.lock().unwrap()
    }

    async fn sleep_until(&self, deadline: Timestamp) {
        loop {
            let moved = self.moved.notified();
            if self.now() >= deadline {
                return;
            }
            self.slept.notify_one();
            moved.await;
        }
    }
}

/// A resolver with a list of results for each name; the last result is repeated.
#[derive(Clone, Default)]
pub(crate) struct Names {
    responses: Arc<Mutex<BTreeMap<String, VecDeque<Vec<IpAddr>>>>>,
    lookups: Arc<Mutex<Vec<String>>>,
}

impl Names {
    pub(crate) fn resolve_to(self, name: &str, responses: &[&[&str]]) -> Self {
        let parse = |response: &&[&str]| response.iter().map(|address| address.parse().unwrap()).collect();
        self.responses.lock().unwrap().insert(name.to_owned(), responses.iter().map(parse).collect());
        self
    }

    pub(crate) fn lookups(&self) -> Vec<String> {
        self.lookups.lock().unwrap().clone()
    }
}

impl NameResolver for Names {
    fn resolve(&self, name: &str) -> Resolving {
        self.lookups.lock().unwrap().push(name.to_owned());
        let mut responses = self.responses.lock().unwrap();
        let response = responses.get_mut(name).and_then(|responses| {
            if responses.len() > 1 { responses.pop_front() } else { responses.front().cloned() }
        });
        Box::pin(async move { response.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound)) })
    }
}

/// A client and its clock.
pub(crate) struct Caller {
    pub(crate) client: EgressClient,
    pub(crate) clock: Arc<FakeClock>,
}

impl Caller {
    pub(crate) fn new(config: &EgressConfig, names: &Names) -> Self {
        let clock = FakeClock::new();
        let shared: Arc<dyn Clock> = Arc::<FakeClock>::clone(&clock);
        let client = EgressClient::with_resolver(config, shared, Arc::new(names.clone())).unwrap();
        Self { client, clock }
    }

    pub(crate) fn with(policy: Policy) -> Self {
        Self::new(&EgressConfig { policy, ..EgressConfig::default() }, &Names::default())
    }

    pub(crate) fn open() -> Self {
        Self::with(OPEN)
    }

    pub(crate) async fn post(&self, url: &str) -> WebhookAttempt {
        self.post_call(call(url)).await
    }

    pub(crate) async fn post_call(&self, call: WebhookRequest) -> WebhookAttempt {
        let posted = self.client.send_event(call).await;
        assert!(!format!("{posted:?}").contains(SECRET));
        posted
    }

    /// Returns the status of a response.
    pub(crate) async fn status(&self, url: impl AsRef<str>) -> u16 {
        match self.post(url.as_ref()).await.outcome {
            WebhookOutcome::Responded { status, .. } => status,
            WebhookOutcome::Failed { reason } => panic!("{reason}"),
        }
    }

    /// Returns the reason why there was no response.
    pub(crate) async fn failure(&self, url: impl AsRef<str>) -> String {
        reason(self.post(url.as_ref()).await)
    }
}

pub(crate) fn reason(posted: WebhookAttempt) -> String {
    match posted.outcome {
        WebhookOutcome::Failed { reason } => reason,
        WebhookOutcome::Responded { status, .. } => panic!("answered {status}"),
    }
}

pub(crate) fn call(url: &str) -> WebhookRequest {
    WebhookRequest {
        url: url.to_owned(),
        headers: Vec::new(),
        secrets: vec![SecretString::from(SECRET)],
        event_id: "evt_1".to_owned(),
        at: Timestamp::from_second(START).unwrap(),
        body: Bytes::from_static(br#"{"id":"evt_1"}"#),
        is_redelivery: false,
    }
}

/// A listener on a local port, and its URL.
pub(crate) async fn port() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    (listener, url)
}

pub(crate) async fn accept(listener: &TcpListener) -> TcpStream {
    listener.accept().await.unwrap().0
}

/// Returns `true` if no other connection was opened. The kernel knows this without waiting.
pub(crate) fn has_no_more_callers(listener: TcpListener) -> bool {
    listener.into_std().unwrap().accept().is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
}

/// Reads one request: its head and its body. Returns `None` if the client has closed the connection.
pub(crate) async fn request(stream: &mut (impl AsyncRead + Unpin)) -> Option<(String, String)> {
    let mut bytes = Vec::new();
    loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            let length: usize = length.map_or(0, |length| length.parse().unwrap());
            if bytes.len() >= end + 4 + length {
                return Some((head, String::from_utf8(bytes[end + 4..].to_vec()).unwrap()));
            }
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
}

/// Reads a request and writes exactly these bytes.
pub(crate) async fn answer_raw(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), bytes: &[u8]) {
    request(stream).await.expect("a request");
    stream.write_all(bytes).await.unwrap();
}

/// Reads a request and sends a response.
pub(crate) async fn response(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), status: &str, body: &str) {
    let response = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    answer_raw(stream, response.as_bytes()).await;
}

/// Waits until the client has closed the connection, and discards all received bytes.
pub(crate) async fn closed(stream: &mut (impl AsyncRead + Unpin)) {
    let mut rest = [0; 1024];
    while stream.read(&mut rest).await.is_ok_and(|n_read| n_read > 0) {}
}
