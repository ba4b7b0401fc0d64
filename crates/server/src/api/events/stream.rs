//! Stream events as Server-Sent Events.

use crate::api::openapi::operation::Operation;
use crate::api::openapi::schema::Schema;
use domain::check::RequestSchema;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use engine::access::caller::Caller;
use engine::events::EventWait;
use engine::events::readers::EventReader;
use engine::ports::{EventPage, EventStart};
use engine::{Deps, chain, events};
use futures_util::stream;
use jiff::{SignedDuration, Timestamp};

use crate::api::error::ApiError;
use crate::api::events::query::{EventQuery, unknown_position};
use crate::api::request_body;
use crate::api::request_context::Authorized;

/// Time after which a stream without events sends a comment, so that proxies keep the connection open.
const KEEP_ALIVE: SignedDuration = SignedDuration::from_secs(15);
/// Time that a client waits before it reconnects.
const RECONNECT_AFTER: Duration = Duration::from_secs(1);
/// Maximum number of events that a stream reads from the log at once.
const PAGE_SIZE: u32 = 100;

/// Streams the events after a position, and all later events.
pub(crate) async fn stream_events(
    State(deps): State<Arc<Deps>>,
    Authorized(caller): Authorized,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let last_event_id = headers.get("last-event-id").map(|value| value.to_str().unwrap_or_default());
    let query = request_body::query(query.as_deref())?;
    let mut query =
        request_body::read(&query, |fields| EventQuery::read(Some((&deps, &caller)), fields, last_event_id))?;
    let reader = events::open_reader(&deps, &caller)?;
    // An unknown position is an error response; once the stream has begun, no error response is possible.
    let filter = || Some(query.filter(&deps, &caller));
    let wait = EventWait { start: query.start, limit: 1, deadline: Timestamp::MIN };
    let first = events::wait_for_events(&deps, &caller, filter, wait).await?;
    let first = first.ok_or_else(unknown_position)?;
    if query.start == EventStart::Newest {
        query.start = first.last.map_or(EventStart::Oldest, EventStart::After);
    }
    let stream = EventStream { deps, caller, query, _reader: reader, buffered: VecDeque::from([opening()]) };
    let events = stream::unfold(stream, |mut stream| async move {
        let event = stream.next().await?;
        Some((Ok::<_, Infallible>(event), stream))
    });
    let mut response = Sse::new(events).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // nginx buffers responses unless this header is present.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    Ok(response)
}

fn opening() -> Event {
    Event::default().comment("the events of this workspace").retry(RECONNECT_AFTER)
}

/// The stream of one client. It reads the next page of the log after the client has received the previous one, so that
/// a slow client uses little memory.
struct EventStream {
    deps: Arc<Deps>,
    caller: Caller,
    query: EventQuery,
    /// Place among the open streams.
    _reader: EventReader,
    /// Events that were read from the log and not sent yet.
    buffered: VecDeque<Event>,
}

impl EventStream {
    /// Returns the next event; `None` ends the stream, and the client reconnects with the id of its last event.
    async fn next(&mut self) -> Option<Event> {
        if self.buffered.is_empty() {
            self.read_page().await?;
        }
        self.buffered.pop_front()
    }

    async fn read_page(&mut self) -> Option<()> {
        let deps = &*self.deps;
        if deps.stopping.is_cancelled() {
            return None;
        }
        let is_known = self.caller.is_valid_in_store(deps).await;
        let is_known = is_known.inspect_err(log_end).unwrap_or(false);
        if !is_known {
            return None;
        }
        let deadline = deps.now().saturating_add(KEEP_ALIVE).unwrap_or(Timestamp::MAX);
        let filter = || self.caller.is_valid(deps).then(|| self.query.filter(deps, &self.caller));
        let wait = EventWait { start: self.query.start, limit: PAGE_SIZE, deadline };
        let page = events::wait_for_events(deps, &self.caller, filter, wait).await;
        let page = page.inspect_err(log_end).ok().flatten()?;
        self.query.start = page.last.map_or(self.query.start, EventStart::After);
        self.buffered.extend(sse_events(&page));
        Some(())
    }
}

fn log_end(error: &engine::ports::StoreError) {
    tracing::warn!(error = %chain(error), "an event stream ended early");
}

fn sse_events(page: &EventPage) -> Vec<Event> {
    if page.events.is_empty() && !page.has_gap {
        return vec![Event::default().comment("still here")];
    }
    // Retention has deleted events after the position of the stream.
    let gap = page.has_gap.then(|| Event::default().event("gap").data(r#"{"gap":true}"#));
    let events = page.events.iter().map(|event| {
        Event::default().id(event.id.to_string()).event(event.kind.to_string()).data(event.body())
    });
    gap.into_iter().chain(events).collect()
}

/// Describes the operation of this file.
pub(crate) fn operations() -> Vec<Operation> {
    vec![
        Operation::new(
            "stream_events",
            "Stream events",
            "Streams the events after a position, and all later events, as Server-Sent \
             Events with `id`, `event` and `data`. `data` is the JSON of the event. An event `gap` without \
             `id` means that events have been deleted and are missing from the stream. `EventSource` \
             continues after the last event that it received. An API key or a user can have 16 \
             streams and long polls at the same time, a workspace 256, the gateway 1,024.",
        )
        .query(RequestSchema::of_query(|fields| EventQuery::read(None, fields, None)))
        .header(
            "Last-Event-ID",
            "ID of the last received event. Overrides `after`.",
            Schema::uuid().set("maxLength", 36),
        )
        .responds_raw(200, "Stream of events without an end.", "text/event-stream", Schema::string(..))
        .response_example(STREAM_EXAMPLE),
    ]
}

const STREAM_EXAMPLE: &str = ": the events of this workspace\nretry: 1000\n\nid: 01a2b3c4-0000-7000-8000-000000000009\n\
    event: message.sent\ndata: {\"id\":\"01a2b3c4-0000-7000-8000-000000000009\",\"event\":\"message.sent\",…}\n\n";
