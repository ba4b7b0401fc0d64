//! The event log: asked for, waited for, streamed.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use bytes::Bytes;
use domain::check::{Fields, Item};
use domain::events::EventKind;
use domain::id::{AccountId, EventId, WorkspaceId};
use domain::json::{Object, Value};
use engine::access::api_key::Caller;
use engine::ports::{EventFilter, EventPage, EventStart, StoreError, StoredEvent};
use engine::{Deps, chain, events};
use jiff::{SignedDuration, Timestamp};

use crate::api::request_context::Authorized;
use crate::api::{ApiError, request_body, response};

/// Events in an answer that names no number.
pub(crate) const PER_PAGE: i64 = 100;
/// The most of them.
pub(crate) const MAX_PER_PAGE: i64 = 200;
/// The longest wait for an event.
pub(crate) const MAX_WAIT: i64 = 60;
/// How often a stream without events says that it lives.
const KEEP_ALIVE: SignedDuration = SignedDuration::from_secs(15);
/// Events that a stream reads at once.
const STREAM_PAGE: u32 = 100;

/// What a reader of events wants.
struct Wish {
    start: EventStart,
    account: Option<AccountId>,
    kinds: Option<Vec<EventKind>>,
}

impl Wish {
    fn filter(&self, deps: &Deps, caller: &Caller) -> EventFilter {
        events::filter(deps, caller, self.account, self.kinds.clone())
    }
}

/// The events after a position, waited for if asked.
pub(crate) async fn list_events(
    State(deps): State<Arc<Deps>>,
    Authorized(caller): Authorized,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let query = request_body::query(query.as_deref())?;
    let (wish, limit, wait) = request_body::read(&query, |fields| {
        let limit = fields.optional("per_page").integer_or_text(1..=MAX_PER_PAGE).unwrap_or(PER_PAGE);
        let wait = fields.optional("wait").integer_or_text(0..=MAX_WAIT).unwrap_or(0);
        (wish(&deps, &caller, fields, None), u32::try_from(limit).unwrap_or(1), wait)
    })?;
    let deadline = deps.now().saturating_add(SignedDuration::from_secs(wait)).unwrap_or(Timestamp::MAX);
    let filter = || caller.is_still_good(&deps).then(|| wish.filter(&deps, &caller));
    let page = events::next(&deps, filter, &caller, (wish.start, limit), deadline).await?;
    let page = page.ok_or_else(beyond_the_end)?;
    let mut data = Object::new();
    // Without an event there is still a place to go on from: where the caller stands.
    let here = match wish.start {
        EventStart::After(_) => query.get("after").cloned().unwrap_or_default(),
        EventStart::Oldest | EventStart::Newest => Value::Null,
    };
    let next = page.last.map_or(here, |id| id.to_string().into());
    data.insert("events", Value::Array(page.events.iter().map(show).collect()));
    data.insert("next_cursor", next);
    data.insert("has_more", page.has_more);
    if page.has_gap {
        // Said where it is so: the place to go on from lies before the oldest event that is kept.
        data.insert("gap", true);
    }
    Ok(response::success(StatusCode::OK, &data))
}

/// The events after a position, and all that come, as Server-Sent Events.
pub(crate) async fn stream_events(
    State(deps): State<Arc<Deps>>,
    Authorized(caller): Authorized,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let last_id = headers.get("last-event-id").map(|value| value.to_str().unwrap_or_default());
    let query = request_body::query(query.as_deref())?;
    let wish = request_body::read(&query, |fields| wish(&deps, &caller, fields, last_id))?;
    // The first look tells whether there is such a place in the log, while it can still be answered.
    let look =
        events::next(&deps, || Some(wish.filter(&deps, &caller)), &caller, (wish.start, 1), Timestamp::MIN);
    let first = look.await?.ok_or_else(beyond_the_end)?;
    let start = match (wish.start, first.last) {
        // Later than the newest of now, not of some other time.
        (EventStart::Newest, last) => last.map_or(EventStart::Oldest, EventStart::After),
        (start, _) => start,
    };
    let stream = Stream { deps, caller, wish: Wish { start, ..wish }, is_begun: false };
    let events = futures_util::stream::unfold(stream, |mut stream| async move {
        let chunk = stream.next().await?;
        Some((Ok::<_, std::convert::Infallible>(chunk), stream))
    });
    let mut response = Response::new(Body::from_stream(events));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // Proxies that gather answers would hold the events back.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    Ok(response)
}

/// A stream of events to one reader. It reads on when the reader has taken what was read before, so that a slow one
/// costs no memory.
struct Stream {
    deps: Arc<Deps>,
    caller: Caller,
    wish: Wish,
    is_begun: bool,
}

impl Stream {
    /// The next bytes; `None` ends the stream, and the reader comes again with the id of its last event.
    async fn next(&mut self) -> Option<Bytes> {
        if !self.is_begun {
            self.is_begun = true;
            return Some(Bytes::from_static(b": the events of this workspace\nretry: 1000\n\n"));
        }
        let deps = &*self.deps;
        if deps.stopping.is_cancelled() {
            return None;
        }
        match self.caller.is_still_known(deps).await {
            Ok(true) => {}
            Ok(false) => return None,
            Err(error) => return ended(&error),
        }
        let deadline = deps.now().saturating_add(KEEP_ALIVE).unwrap_or(Timestamp::MAX);
        let filter = || self.caller.is_still_good(deps).then(|| self.wish.filter(deps, &self.caller));
        let page = events::next(deps, filter, &self.caller, (self.wish.start, STREAM_PAGE), deadline).await;
        match page {
            Ok(Some(page)) => {
                self.wish.start = page.last.map_or(self.wish.start, EventStart::After);
                Some(written(&page))
            }
            Ok(None) => None,
            Err(error) => ended(&error),
        }
    }
}

fn ended(error: &StoreError) -> Option<Bytes> {
    tracing::warn!(error = %chain(error), "a stream of events ends early");
    None
}

fn written(page: &EventPage) -> Bytes {
    if page.events.is_empty() && !page.has_gap {
        return Bytes::from_static(b": still here\n\n");
    }
    let mut text = String::new();
    if page.has_gap {
        // What lies before the oldest event that is kept was missed.
        text.push_str("event: gap\ndata: {\"gap\":true}\n\n");
    }
    for event in &page.events {
        // The data is one line: JSON text escapes line breaks.
        text.push_str(&format!("id: {}\nevent: {}\ndata: {}\n\n", event.id, event.kind, event.body()));
    }
    text.into()
}

fn wish(deps: &Deps, caller: &Caller, fields: &Fields<'_, '_>, last_id: Option<&str>) -> Wish {
    let after = fields.optional("after");
    let start = match (last_id, after.string(1..)) {
        // A browser that comes again names the last event that it got; the address stays the first one.
        (Some(id), _) => start(caller.workspace(), id).or_else(|| {
            after.refuse("the header `Last-Event-ID` is not the id of an event of this workspace");
            None
        }),
        (None, Some(text)) => start(caller.workspace(), text).or_else(|| {
            after.refuse("is not the id of an event of this workspace, and not `latest`");
            None
        }),
        (None, None) => None,
    };
    let account = fields.optional("account");
    let account = account.string(1..).and_then(|name| {
        let directory = deps.directory.current();
        let found = directory.account(caller.workspace(), name).map(|record| record.account.id);
        if found.is_none() {
            account.refuse("there is no such account");
        }
        found
    });
    let kinds = fields.optional("events");
    Wish { start: start.unwrap_or(EventStart::Oldest), account, kinds: event_kinds(&kinds) }
}

fn start(workspace: WorkspaceId, text: &str) -> Option<EventStart> {
    if text == "latest" {
        return Some(EventStart::Newest);
    }
    let id: EventId = text.parse().ok()?;
    id.position(workspace).map(|_| EventStart::After(id))
}

/// Names of kinds, parted by commas.
fn event_kinds(item: &Item<'_, '_>) -> Option<Vec<EventKind>> {
    let mut kinds = Vec::new();
    let names = item.string(1..)?;
    // As an endpoint says it.
    if names == "*" {
        return None;
    }
    for name in names.split(',').map(str::trim) {
        match name.parse() {
            Ok(kind) => kinds.push(kind),
            Err(_) => item.refuse(unknown_kind(name)),
        }
    }
    Some(kinds)
}

/// What to say of a kind of event that there is not.
pub(crate) fn unknown_kind(name: &str) -> String {
    let names: Vec<_> = EventKind::ALL.iter().map(|kind| kind.as_str()).collect();
    match domain::check::nearest(name, &names) {
        Some(nearest) => format!("there is no event `{name}`; did you mean `{nearest}`?"),
        None => format!("there is no event `{name}`"),
    }
}

fn beyond_the_end() -> ApiError {
    ApiError::invalid_at(
        "/after",
        "there is no such event in this log: it has not come as far, or was restored from an older copy",
    )
}

fn show(event: &StoredEvent) -> Value {
    serde_json::from_str(&event.body()).unwrap_or_default()
}
