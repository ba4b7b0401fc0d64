//! `POST /api/messages/batch`: up to 1000 messages into the queue; one bad item fails alone.

use domain::check::{Fields, Items};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::Response;
use domain::access::rate_limiter::CallKind;
use domain::json::{Object, Value};
use engine::Deps;
use engine::access::api_key::Caller;
use engine::messages::idempotency::{RepeatedRequest, get_repeated_request};
use engine::messages::outcome::SendError;
use engine::messages::send;
use futures_util::{FutureExt, StreamExt, stream};

use crate::api::error::ApiError;
use crate::api::messages::idempotency;
use crate::api::messages::send_request::{Kind, read_request};
use crate::api::request_context::RequestContext;
use crate::api::response::object;
use crate::api::{request_body, response};

/// Messages in one request.
pub(crate) const MAX_ITEMS: usize = 1000;
/// Items that are accepted side by side: enough to share each sync of the disk.
const SIDE_BY_SIDE: usize = 64;

/// Queues many messages.
pub(crate) async fn send_batch(
    State(deps): State<Arc<Deps>>,
    context: RequestContext,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let caller = context.authorise()?;
    context.count_call(&deps, &caller, CallKind::Send)?;
    let key = idempotency::key_of(&headers)?;
    let object = request_body::json(&deps, &headers, body).await?;
    request_body::read(&object, |fields| read_items(fields).is_some())?;
    let items = match object.into_iter().find(|(name, _)| name == "messages") {
        Some((_, Value::Array(items))) => items,
        Some(_) | None => Vec::new(),
    };
    let whole = match key {
        Some(key) => Some(Whole::of(&deps, &caller, key, &items).await?),
        None => None,
    };
    let is_replayed = whole.as_ref().is_some_and(|whole| whole.is_known);
    let results = accept_all(&deps, &caller, context.request_id(), (items, whole)).await;
    let mut response = response::success(
        StatusCode::ACCEPTED,
        &crate::api::response::object([("results", Value::Array(results))]),
    );
    if is_replayed {
        response.headers_mut().insert(idempotency::REPLAYED, HeaderValue::from_static("true"));
    }
    Ok(response)
}

/// Reads the list of messages; each message is read by itself.
pub(crate) fn read_items<'a, 'f>(fields: &'f Fields<'a, '_>) -> Option<Items<'a, 'f>> {
    fields.required("messages").array(1..=MAX_ITEMS)
}

/// A batch that may be repeated as a whole: the header `Idempotency-Key` stands for a key of each item that has none.
#[derive(Clone)]
struct Whole {
    key: Arc<str>,
    body: Arc<Object>,
    is_known: bool,
}

impl Whole {
    /// Looks whether the key was used before.
    async fn of(deps: &Deps, caller: &Caller, key: String, items: &[Value]) -> Result<Self, ApiError> {
        let mut body = Object::new();
        body.insert("messages", Value::Array(items.to_vec()));
        let mut whole = Self { key: key.into(), body: Arc::new(body), is_known: false };
        for place in 0..items.len() {
            let repeat = whole.repeat(u32::try_from(place).unwrap_or(u32::MAX));
            let Some(known) = repeat.look_up(deps, caller).await? else { continue };
            if known.digest != repeat.digest() {
                return Err(ApiError::idempotency_mismatch());
            }
            whole.is_known = true;
            break;
        }
        Ok(whole)
    }

    /// The key of one item. No header holds its separator, so that it is nobody's own key.
    fn repeat(&self, place: u32) -> idempotency::Repeat {
        idempotency::Repeat::new(&format!("{}\u{1f}{place}", self.key), "/api/messages/batch", &self.body)
    }
}

/// Accepts the items side by side, begun in their order: the first of two for one person is the first in the queue, and
/// the first of two with one key is the one that counts.
async fn accept_all(
    deps: &Arc<Deps>,
    caller: &Caller,
    request_id: &str,
    (items, whole): (Vec<Value>, Option<Whole>),
) -> Vec<Value> {
    let accepting = items.into_iter().enumerate().map(|(index, item)| {
        let whole = whole.clone();
        async move {
            let place = u32::try_from(index).unwrap_or(u32::MAX);
            let accepted = accept_one(deps, caller, request_id, (place, item, whole));
            let end = AssertUnwindSafe(accepted).catch_unwind().await.unwrap_or_else(|_| {
                tracing::error!("an item of a batch panicked");
                Err(ApiError::internal())
            });
            show(index, end)
        }
    });
    stream::iter(accepting).buffered(SIDE_BY_SIDE).collect().await
}

/// What became of an item: its message's id and status.
async fn accept_one(
    deps: &Arc<Deps>,
    caller: &Caller,
    request_id: &str,
    (place, item, whole_batch): (u32, Value, Option<Whole>),
) -> Result<Value, ApiError> {
    let kind = item.kind_name();
    let Value::Object(item) = item else {
        return Err(ApiError::invalid_at("", format!("must be an object, is {kind}")));
    };
    let whole = item.clone();
    let read = read_request(item, Kind::Item(place), deps.now())?;
    let repeat = match &read.idempotency_key {
        Some(key) => Some(idempotency::Repeat::new(key, "/api/messages/batch", &whole)),
        None => whole_batch.map(|batch| batch.repeat(place)),
    };
    let idempotency = repeat.as_ref().map(|repeat| repeat.idempotency(request_id));
    match send::send_message(deps, caller, read.request, idempotency).await {
        Ok(sent) => Ok(object([("id", sent.id.to_string().into()), ("status", "queued".into())])),
        Err(SendError::IdempotencyKeyUsed(known)) => {
            let id = known.message;
            let digest = repeat.map(|repeat| repeat.digest()).unwrap_or_default();
            match get_repeated_request(deps, caller, *known, digest).await? {
                RepeatedRequest::Mismatch => Err(ApiError::idempotency_mismatch()),
                RepeatedRequest::InProgress => Err(ApiError::idempotency_in_progress()),
                RepeatedRequest::Cached(_) | RepeatedRequest::Orphaned(_) => Ok(object([
                    ("id", id.to_string().into()),
                    ("status", "queued".into()),
                    ("replayed", true.into()),
                ])),
            }
        }
        Err(error) => Err(error.into()),
    }
}

fn show(index: usize, end: Result<Value, ApiError>) -> Value {
    let mut shown = Object::new();
    shown.insert("index", i64::try_from(index).unwrap_or(i64::MAX));
    match end {
        Ok(Value::Object(done)) => {
            for (name, value) in done {
                shown.insert(&name, value);
            }
        }
        Ok(_) => {}
        Err(error) => {
            shown.insert("code", error.code().as_str());
            shown.insert("message", error.message());
            shown.insert("details", Value::Object(error.details().clone()));
        }
    }
    Value::Object(shown)
}
