//! The application's end of its webhooks: takes what is posted, and answers as it is told.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use egress::{EgressClient, EgressConfig};
use engine::ports::{Clock, UrlError, WebhookAttempt, WebhookOutcome, WebhookRequest, WebhookSender};
use jiff::SignedDuration;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use tokio::sync::Notify;

/// An event as an endpoint got it.
#[derive(Clone, Debug)]
pub(crate) struct Got {
    pub(crate) url: String,
    pub(crate) event_id: String,
    pub(crate) secrets: Vec<String>,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) is_redelivery: bool,
    pub(crate) body: Value,
}

impl Got {
    /// The kind of the event.
    pub(crate) fn kind(&self) -> &str {
        self.body["event"].as_str().unwrap()
    }

    /// What the event says.
    pub(crate) fn data(&self) -> &Value {
        &self.body["data"]
    }
}

/// Stands for every endpoint there is.
pub(crate) struct Receiver {
    /// Knows which addresses may be called.
    guard: EgressClient,
    got: Mutex<Vec<Got>>,
    answers: Mutex<BTreeMap<String, WebhookOutcome>>,
    hanging: Mutex<BTreeSet<String>>,
    released: Notify,
}

impl Receiver {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            guard: EgressClient::new(&EgressConfig::default(), clock).unwrap(),
            got: Mutex::default(),
            answers: Mutex::default(),
            hanging: Mutex::default(),
            released: Notify::new(),
        }
    }

    /// What came so far, in order.
    pub(crate) fn got(&self) -> Vec<Got> {
        self.got.lock().unwrap().clone()
    }

    /// The kinds of what came to an endpoint, in order.
    pub(crate) fn kinds(&self, url: &str) -> Vec<String> {
        self.got().iter().filter(|got| got.url == url).map(|got| got.kind().to_owned()).collect()
    }

    /// Forgets what came so far.
    pub(crate) fn forget(&self) {
        self.got.lock().unwrap().clear();
    }

    /// The endpoint answers like this from now on.
    pub(crate) fn answer(&self, url: &str, status: u16) {
        self.end(url, WebhookOutcome::Responded { status, body: "so be it".to_owned(), retry_after: None });
    }

    pub(crate) fn end(&self, url: &str, outcome: WebhookOutcome) {
        self.answers.lock().unwrap().insert(url.to_owned(), outcome);
    }

    /// The endpoint does not answer until it is released.
    pub(crate) fn hang(&self, url: &str) {
        self.hanging.lock().unwrap().insert(url.to_owned());
    }

    /// The endpoint answers again; who waits for it waits for ever, like a process that is dead.
    pub(crate) fn abandon(&self, url: &str) {
        self.hanging.lock().unwrap().remove(url);
    }

    pub(crate) fn release(&self, url: &str) {
        self.hanging.lock().unwrap().remove(url);
        self.released.notify_waiters();
    }
}

#[async_trait]
impl WebhookSender for Receiver {
    fn check_url(&self, url: &str) -> Result<(), UrlError> {
        self.guard.check_url(url)
    }

    async fn send_event(&self, call: WebhookRequest) -> WebhookAttempt {
        let shown = |secret: &SecretString| secret.expose_secret().to_owned();
        let url = call.url.clone();
        self.got.lock().unwrap().push(Got {
            url: call.url,
            event_id: call.event_id,
            secrets: call.secrets.iter().map(shown).collect(),
            headers: call.headers.iter().map(|(name, value)| (name.clone(), shown(value))).collect(),
            is_redelivery: call.is_redelivery,
            body: serde_json::from_slice(&call.body).unwrap(),
        });
        loop {
            let released = self.released.notified();
            if !self.hanging.lock().unwrap().contains(&url) {
                break;
            }
            released.await;
        }
        let fine = WebhookOutcome::Responded { status: 200, body: String::new(), retry_after: None };
        let outcome = self.answers.lock().unwrap().get(&url).cloned().unwrap_or(fine);
        WebhookAttempt { outcome, latency: SignedDuration::from_millis(7) }
    }
}
