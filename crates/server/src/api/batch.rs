//! `POST /api/messages/batch`: up to 1000 messages into the queue; one bad item fails alone.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use domain::allowance::CallKind;
use domain::json::{Object, Value};
use engine::Deps;
use engine::key::Caller;
use engine::queue::{self, Repeated};
use engine::send::{self, SendError};
use tokio::task::JoinSet;

use super::answer::{self, object};
use super::request::{Kind, read_request};
use super::visit::Visit;
use super::{ApiError, body, repeat};

/// Messages in one request.
pub(super) const MAX_ITEMS: usize = 1000;
/// Items that are accepted side by side: enough to share each sync of the disk.
const SIDE_BY_SIDE: usize = 64;

/// Queues many messages.
pub(crate) async fn send_batch(
    State(deps): State<Arc<Deps>>,
    visit: Visit,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let caller = visit.authorise()?;
    visit.spend(&deps, &caller, CallKind::Send)?;
    let object = body::object(&body::bytes(&deps, &headers, body).await?, false)?;
    body::read(&object, |fields| {
        let _items = fields.required("messages").array(1..=MAX_ITEMS);
    })?;
    let items = match object.into_iter().find(|(name, _)| name == "messages") {
        Some((_, Value::Array(items))) => items,
        Some(_) | None => Vec::new(),
    };
    let results = accept_all(&deps, &caller, visit.request_id(), items).await;
    Ok(answer::success(StatusCode::ACCEPTED, &super::answer::object([("results", Value::Array(results))])))
}

async fn accept_all(deps: &Arc<Deps>, caller: &Caller, request_id: &str, items: Vec<Value>) -> Vec<Value> {
    let mut results: Vec<Value> = items.iter().map(|_| Value::Null).collect();
    let mut waiting = items.into_iter().enumerate();
    let mut running = JoinSet::new();
    loop {
        while running.len() < SIDE_BY_SIDE {
            let Some((index, item)) = waiting.next() else { break };
            let (deps, caller, request_id) = (deps.clone(), caller.clone(), request_id.to_owned());
            running.spawn(async move {
                let place = u32::try_from(index).unwrap_or(u32::MAX);
                let end = accept_one(&deps, &caller, &request_id, (place, item)).await;
                (index, show(index, end))
            });
        }
        let Some(done) = running.join_next().await else { return results };
        match done {
            Ok((index, shown)) => {
                if let Some(place) = results.get_mut(index) {
                    *place = shown;
                }
            }
            Err(error) => tracing::error!(%error, "an item of a batch panicked"),
        }
    }
}

/// What became of an item: its message's id and status.
async fn accept_one(
    deps: &Arc<Deps>,
    caller: &Caller,
    request_id: &str,
    (place, item): (u32, Value),
) -> Result<Value, ApiError> {
    let kind = item.kind_name();
    let Value::Object(item) = item else {
        return Err(ApiError::invalid_at("", format!("must be an object, is {kind}")));
    };
    let whole = item.clone();
    let read = read_request(item, Kind::Item(place), deps.now())?;
    let repeat =
        read.idempotency_key.as_ref().map(|key| repeat::Repeat::new(key, "/api/messages/batch", &whole));
    let idempotency = repeat.as_ref().map(|repeat| repeat.idempotency(request_id));
    match send::send(deps, caller, read.request, idempotency).await {
        Ok(sent) => Ok(object([("id", sent.id.to_string().into()), ("status", "queued".into())])),
        Err(SendError::KeyKnown(known)) => {
            let id = known.message;
            let digest = repeat.map(|repeat| repeat.digest()).unwrap_or_default();
            match queue::repeated(deps, caller, *known, digest).await? {
                Repeated::Mismatch => Err(repeat::mismatch()),
                Repeated::InProgress => Err(repeat::in_progress()),
                Repeated::Kept(_) | Repeated::Orphaned(_) => Ok(object([
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
