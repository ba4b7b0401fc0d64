//! The event log of a gateway, read by long poll from a position.
//!
//! **Invariant:** the position moves behind an event only when the event has been returned, so that a broken connection
//! neither loses nor repeats an event.

use anyhow::{Context as _, bail};
use engine::ports::Clock;
use http::{Method, StatusCode};
use jiff::SignedDuration;
use serde::Deserialize;
use serde_json::value::RawValue;
use url::form_urlencoded;

use super::api_error::error_message;
use super::gateway_client::{ApiRequest, ApiResponse, CallBody, CallError, GatewayClient};
use super::terminal::print_note;
use crate::clock::SystemClock;

/// Seconds that the gateway waits for an event.
const WAIT_SECONDS: u32 = 30;
/// Maximum number of events in a response.
const PAGE_SIZE: u32 = 100;
/// Maximum time between two attempts to connect.
const MAX_BACKOFF: SignedDuration = SignedDuration::from_secs(10);

/// Reader of an event log.
pub(super) struct EventLog<'a> {
    client: &'a GatewayClient,
    clock: &'a SystemClock,
    /// Filters: names and values of query parameters.
    filters: Vec<(String, String)>,
    /// Position; `None` is the beginning of the log.
    position: Option<String>,
    is_connected: bool,
}

/// An event as the gateway sent it.
pub(super) struct LoggedEvent {
    /// Identifier.
    pub(super) id: String,
    /// Type.
    pub(super) kind: String,
    /// JSON, byte for byte.
    pub(super) body: Box<str>,
}

#[derive(Deserialize)]
struct EventPageResponse {
    data: EventPageData,
}

#[derive(Deserialize)]
struct EventPageData {
    events: Vec<Box<RawValue>>,
    next_cursor: Option<String>,
    #[serde(default)]
    gap: bool,
}

#[derive(Deserialize)]
struct EventHead {
    id: String,
    event: String,
}

impl<'a> EventLog<'a> {
    /// Connects to the log, and determines the position of `after=latest`, which is the default.
    ///
    /// # Errors
    /// If there is no response, or the gateway refuses the request.
    pub(super) async fn open(
        client: &'a GatewayClient,
        clock: &'a SystemClock,
        mut filters: Vec<(String, String)>,
    ) -> anyhow::Result<Self> {
        let after = filters.iter().find(|(name, _)| name == "after").map(|(_, value)| value.clone());
        filters.retain(|(name, _)| name != "after");
        let position = after.unwrap_or_else(|| "latest".to_owned());
        let is_latest = position == "latest";
        let mut log = Self { client, clock, filters, position: Some(position), is_connected: true };
        let page = log.page(&log.fetch(0).await?)?;
        if is_latest {
            log.position = page.next_cursor;
        }
        Ok(log)
    }

    /// Returns the next events, and waits until there are some. Connects again after a broken connection.
    ///
    /// # Errors
    /// If the gateway refuses the request.
    pub(super) async fn next(&mut self) -> anyhow::Result<Vec<LoggedEvent>> {
        let mut backoff = SignedDuration::from_secs(1);
        loop {
            let failure = match self.fetch(WAIT_SECONDS).await {
                Ok(response) if is_temporary(response.status) => {
                    format!("the gateway responded with {}", response.status)
                }
                Ok(response) => {
                    if !self.is_connected {
                        self.is_connected = true;
                        print_note("connected again");
                    }
                    let page = self.page(&response)?;
                    if page.gap {
                        print_note("note: events have been deleted by age and are missing here");
                    }
                    self.position = page.next_cursor.or(self.position.take());
                    if page.events.is_empty() {
                        continue;
                    }
                    return page.events.iter().map(|event| logged_event(event)).collect();
                }
                Err(error) => format!("{:#}", anyhow::Error::from(error)),
            };
            if self.is_connected {
                self.is_connected = false;
                print_note(&format!("{failure}; connecting again"));
            }
            let now = self.clock.now();
            self.clock.sleep_until(now.saturating_add(backoff).unwrap_or(now)).await;
            backoff = (backoff * 2).min(MAX_BACKOFF);
        }
    }

    async fn fetch(&self, wait: u32) -> Result<ApiResponse, CallError> {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(&self.filters);
        query.append_pair("per_page", &PAGE_SIZE.to_string()).append_pair("wait", &wait.to_string());
        if let Some(position) = &self.position {
            query.append_pair("after", position);
        }
        let path = format!("/api/events?{}", query.finish());
        self.client.call(&ApiRequest::new(Method::GET, &path, CallBody::empty())).await
    }

    fn page(&self, response: &ApiResponse) -> anyhow::Result<EventPageData> {
        if !response.status.is_success() {
            bail!(error_message(response.status, &response.json()?));
        }
        let page = serde_json::from_slice::<EventPageResponse>(&response.bytes);
        let page = page.with_context(|| format!("{} responded with no events", self.client.base_url()))?;
        Ok(page.data)
    }
}

fn logged_event(event: &RawValue) -> anyhow::Result<LoggedEvent> {
    let head: EventHead = serde_json::from_str(event.get()).context("reading an event")?;
    Ok(LoggedEvent { id: head.id, kind: head.event, body: event.get().into() })
}

/// Returns `true` if the same request can succeed later.
fn is_temporary(status: StatusCode) -> bool {
    status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS
}
