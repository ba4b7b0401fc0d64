//! Receiver of the application's webhooks, with configurable responses.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use egress::{EgressClient, EgressConfig};
use engine::ports::{Clock, UrlError, WebhookAttempt, WebhookOutcome, WebhookRequest, WebhookSender};
use jiff::SignedDuration;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use tokio::sync::Notify;

use crate::time_format;

/// An event as an endpoint received it.
#[derive(Clone, Debug)]
pub(crate) struct ReceivedDelivery {
    pub(crate) url: String,
    pub(crate) event_id: String,
    pub(crate) secrets: Vec<String>,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) is_redelivery: bool,
    pub(crate) body: Value,
    /// Body as it was received.
    pub(crate) text: String,
}

impl ReceivedDelivery {
    /// Returns the kind of the event.
    pub(crate) fn kind(&self) -> &str {
        self.body["event"].as_str().unwrap()
    }

    /// Returns the data of the event.
    pub(crate) fn data(&self) -> &Value {
        &self.body["data"]
    }
}

/// Receives the deliveries to all endpoints.
pub(crate) struct Receiver {
    /// Address guard of the real client.
    guard: EgressClient,
    received: Mutex<Vec<ReceivedDelivery>>,
    responses: Mutex<BTreeMap<String, WebhookOutcome>>,
    /// Texts of incoming messages that every endpoint refuses with 403.
    refused: Mutex<BTreeSet<String>>,
    hanging: Mutex<BTreeSet<String>>,
    released: Notify,
}

impl Receiver {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            guard: EgressClient::new(&EgressConfig::default(), clock).unwrap(),
            received: Mutex::default(),
            responses: Mutex::default(),
            refused: Mutex::default(),
            hanging: Mutex::default(),
            released: Notify::new(),
        }
    }

    /// Returns all received deliveries, in order.
    pub(crate) fn received(&self) -> Vec<ReceivedDelivery> {
        self.received.lock().unwrap().clone()
    }

    /// Returns the kinds of the events that an endpoint received, in order.
    pub(crate) fn kinds(&self, url: &str) -> Vec<String> {
        self.received()
            .iter()
            .filter(|received| received.url == url)
            .map(|received| received.kind().to_owned())
            .collect()
    }

    /// Removes all received deliveries.
    pub(crate) fn clear(&self) {
        self.received.lock().unwrap().clear();
    }

    /// Sets the status of the endpoint's responses.
    pub(crate) fn respond_with(&self, url: &str, status: u16) {
        self.end(url, responded(status, "so be it"));
    }

    /// Makes every endpoint refuse the incoming messages with these texts.
    pub(crate) fn refuse_texts(&self, texts: &[&str]) {
        *self.refused.lock().unwrap() = texts.iter().map(|&text| text.to_owned()).collect();
    }

    pub(crate) fn end(&self, url: &str, outcome: WebhookOutcome) {
        self.responses.lock().unwrap().insert(url.to_owned(), outcome);
    }

    /// Makes the endpoint wait until it is released.
    pub(crate) fn stop_responding(&self, url: &str) {
        self.hanging.lock().unwrap().insert(url.to_owned());
    }

    /// Makes the endpoint respond again. Deliveries that wait already never get a response, as after a crash.
    pub(crate) fn abandon_waiting(&self, url: &str) {
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
        time_format::check_times(&String::from_utf8_lossy(&call.body));
        let shown = |secret: &SecretString| secret.expose_secret().to_owned();
        let url = call.url.clone();
        let body: Value = serde_json::from_slice(&call.body).unwrap();
        self.received.lock().unwrap().push(ReceivedDelivery {
            url: call.url,
            event_id: call.event_id,
            secrets: call.secrets.iter().map(shown).collect(),
            headers: call.headers.iter().map(|(name, value)| (name.clone(), shown(value))).collect(),
            is_redelivery: call.is_redelivery,
            body: body.clone(),
            text: String::from_utf8(call.body.to_vec()).unwrap(),
        });
        loop {
            let released = self.released.notified();
            if !self.hanging.lock().unwrap().contains(&url) {
                break;
            }
            released.await;
        }
        let is_refused = self
            .refused
            .lock()
            .unwrap()
            .iter()
            .any(|text| body["data"]["text"].as_str() == Some(text.as_str()));
        let set = || self.responses.lock().unwrap().get(&url).cloned();
        let outcome =
            if is_refused { responded(403, "no") } else { set().unwrap_or_else(|| responded(200, "")) };
        WebhookAttempt { outcome, latency: SignedDuration::from_millis(7) }
    }
}

/// Response without a requested wait and without a redirect.
fn responded(status: u16, body: &str) -> WebhookOutcome {
    WebhookOutcome::Responded { status, body: body.to_owned(), retry_after: None, redirect_to: None }
}
