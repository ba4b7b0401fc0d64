//! `POST /api/messages/batch`: queue up to 1000 messages. An invalid item fails separately.

use crate::api::error::Code;
use crate::api::messages::idempotency::key_schema;
use crate::api::messages::send_request::describe_send_request;
use crate::api::openapi::operation::Operation;
use crate::api::openapi::schema::Schema;
use crate::api::openapi::schema::optional;
use crate::api::openapi::schema::required;
use domain::check::RequestSchema;
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
use engine::access::caller::Caller;
use engine::messages::idempotency::{RepeatedRequest, get_repeated_request};
use engine::messages::outcome::SendError;
use engine::messages::send;
use engine::ports::IdempotencyRecord;
use futures_util::{FutureExt, StreamExt, stream};

use crate::api::error::ApiError;
use crate::api::messages::idempotency;
use crate::api::messages::send_request::{SendOrigin, read_request};
use crate::api::request_context::RequestContext;
use crate::api::{request_body, response};

/// Maximum number of messages in one request.
pub(crate) const MAX_ITEMS: usize = 1000;
/// Number of items that are accepted concurrently, so that they share each sync of the disk.
const MAX_CONCURRENT: usize = 64;

/// Queues many messages.
pub(crate) async fn send_batch(
    State(deps): State<Arc<Deps>>,
    context: RequestContext,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let caller = context.authorize()?;
    context.count_call(&deps, &caller, CallKind::Send)?;
    let key = idempotency::key_of(&headers)?;
    let object = request_body::json(&deps, &headers, body).await?;
    request_body::read(&object, |fields| read_items(fields).is_some())?;
    let items = match object.into_iter().find(|(name, _)| name == "messages") {
        Some((_, Value::Array(items))) => items,
        Some(_) | None => Vec::new(),
    };
    let batch = match key {
        Some(key) => Some(BatchKey::read(&deps, &caller, key, &items).await?),
        None => None,
    };
    let is_replayed = batch.as_ref().is_some_and(|batch| batch.is_known);
    let results = accept_all(&deps, &caller, context.request_id(), items, batch).await;
    let mut response =
        response::success(StatusCode::ACCEPTED, &response::object([("results", Value::Array(results))]));
    if is_replayed {
        response.headers_mut().insert(idempotency::REPLAYED, HeaderValue::from_static("true"));
    }
    Ok(response)
}

/// Reads the list of messages; each message is read by itself.
pub(crate) fn read_items<'a, 'f>(fields: &'f Fields<'a, '_>) -> Option<Items<'a, 'f>> {
    fields.required("messages").array(1..=MAX_ITEMS)
}

/// Header `Idempotency-Key` of a batch: it is the source of the keys of all items without an `idempotency_key`.
#[derive(Clone)]
struct BatchKey {
    key: Arc<str>,
    body: Arc<Object>,
    /// `true` if the key was used before.
    is_known: bool,
}

impl BatchKey {
    /// Reads if the key was used before.
    async fn read(deps: &Deps, caller: &Caller, key: String, items: &[Value]) -> Result<Self, ApiError> {
        let mut body = Object::new();
        body.insert("messages", Value::Array(items.to_vec()));
        let mut batch = Self { key: key.into(), body: Arc::new(body), is_known: false };
        for index in 0..items.len() {
            let repeat = batch.item_request(u32::try_from(index).unwrap_or(u32::MAX));
            let Some(known) = repeat.get_record(deps, caller).await? else { continue };
            if known.digest != repeat.digest() {
                return Err(ApiError::idempotency_mismatch());
            }
            batch.is_known = true;
            break;
        }
        Ok(batch)
    }

    /// Returns the request of one item. The separator cannot be part of a header, so no client can use the same key.
    fn item_request(&self, index: u32) -> idempotency::IdempotentRequest {
        idempotency::IdempotentRequest::new(
            &format!("{}\u{1f}{index}", self.key),
            "/api/messages/batch",
            &self.body,
        )
    }
}

/// Accepts the items concurrently, started in their order: of two messages to one recipient, the first is queued first;
/// of two items with the same key, the first counts.
async fn accept_all(
    deps: &Arc<Deps>,
    caller: &Caller,
    request_id: &str,
    items: Vec<Value>,
    batch: Option<BatchKey>,
) -> Vec<Value> {
    let accepting = items.into_iter().enumerate().map(|(index, item)| {
        let batch = batch.clone();
        async move {
            let item = BatchItem { index: u32::try_from(index).unwrap_or(u32::MAX), value: item, batch };
            let accepted = accept_one(deps, caller, request_id, item);
            let outcome = AssertUnwindSafe(accepted).catch_unwind().await.unwrap_or_else(|_| {
                tracing::error!("an item of a batch panicked");
                Err(ApiError::internal())
            });
            serialize_result(index, outcome)
        }
    });
    stream::iter(accepting).buffered(MAX_CONCURRENT).collect().await
}

/// One item of a batch.
struct BatchItem {
    /// Index in `messages`.
    index: u32,
    value: Value,
    batch: Option<BatchKey>,
}

/// Accepts one item. Returns the id and the status of its message.
async fn accept_one(
    deps: &Arc<Deps>,
    caller: &Caller,
    request_id: &str,
    item: BatchItem,
) -> Result<Value, ApiError> {
    let kind = item.value.kind_name();
    let Value::Object(object) = item.value else {
        return Err(ApiError::invalid_at("", format!("must be an object, is {kind}")));
    };
    let repeat = match object.get("idempotency_key").and_then(Value::as_str) {
        Some(key) => Some(idempotency::IdempotentRequest::new(key, "/api/messages/batch", &object)),
        None => item.batch.map(|batch| batch.item_request(item.index)),
    };
    let request = match read_request(object, SendOrigin::BatchItem(item.index), deps.now()) {
        Ok(request) => request,
        Err(error) => {
            // A repeated item can be valid no more: its `send_at` may have passed.
            let Some(repeat) = &repeat else { return Err(error) };
            let known = repeat.get_record(deps, caller).await?.ok_or(error)?;
            return repeated_item(deps, caller, known, repeat.digest()).await;
        }
    };
    let idempotency = repeat.as_ref().map(|repeat| repeat.idempotency(request_id));
    match send::send_message(deps, caller, request, idempotency).await {
        Ok(sent) => Ok(response::object([("id", sent.id.to_string().into()), ("status", "queued".into())])),
        Err(SendError::IdempotencyKeyUsed(known)) => {
            let digest = repeat.map(|repeat| repeat.digest()).unwrap_or_default();
            repeated_item(deps, caller, *known, digest).await
        }
        Err(error) => Err(error.into()),
    }
}

/// Returns the result of an item whose key was used before.
async fn repeated_item(
    deps: &Deps,
    caller: &Caller,
    known: IdempotencyRecord,
    digest: [u8; 32],
) -> Result<Value, ApiError> {
    let id = known.message;
    match get_repeated_request(deps, caller, known, digest).await? {
        RepeatedRequest::Mismatch => Err(ApiError::idempotency_mismatch()),
        RepeatedRequest::InProgress => Err(ApiError::idempotency_in_progress()),
        RepeatedRequest::Cached(_) | RepeatedRequest::Orphaned(_) => Ok(response::object([
            ("id", id.to_string().into()),
            ("status", "queued".into()),
            ("replayed", true.into()),
        ])),
    }
}

fn serialize_result(index: usize, outcome: Result<Value, ApiError>) -> Value {
    let mut json = Object::new();
    json.insert("index", i64::try_from(index).unwrap_or(i64::MAX));
    match outcome {
        Ok(Value::Object(done)) => {
            for (name, value) in done {
                json.insert(&name, value);
            }
        }
        Ok(_) => {}
        Err(error) => {
            json.insert("code", error.code().as_str());
            json.insert("message", error.message());
            json.insert("details", Value::Object(error.details().clone()));
        }
    }
    Value::Object(json)
}

/// Describes the operation of this file.
pub(crate) fn operations() -> Vec<Operation> {
    let result = Schema::object([
        required("index", Schema::integer(0..).about("Index of the message in `messages`.")),
        optional("id", Schema::uuid().about("Accepted message: its ID.")),
        optional("status", Schema::constant("queued")),
        optional(
            "replayed",
            Schema::boolean()
                .about("`true`: the message was accepted before, with the same `idempotency_key`."),
        ),
        optional(
            "code",
            Schema::enumeration(Code::ALL.iter().map(|code| code.as_str()))
                .about("Rejected message: error code."),
        ),
        optional("message", Schema::string(1..)),
        optional("details", Schema::reference("ErrorDetails")),
    ]);
    vec![
        Operation::new(
            "send_batch",
            "Queue many messages",
            "Accepts or rejects each message separately, with the error codes of `POST \
             /api/messages/send`. A batch counts as one request; the messages are sent within the rate limit of the key.",
        )
        .header(
            "Idempotency-Key",
            "Makes the batch safe to repeat for 24 hours. The key applies to each message without an `idempotency_key`.",
            key_schema(),
        )
        .body(batch_request_schema(), [("two", SEND_BATCH_REQUEST)])
        .responds(
            202,
            "Result for each item.",
            Schema::object([required("results", Schema::array(result, 1..=MAX_ITEMS))]),
            SEND_BATCH_RESPONSE,
        )
        .response_header(
            "Idempotent-Replayed",
            "`true`: the batch was accepted before with this key.",
            Schema::constant("true"),
        )
        .errors([Code::IdempotencyMismatch, Code::IdempotencyInProgress]),
    ]
}

const SEND_BATCH_REQUEST: &str = r#"{"messages":[
    {"to":"+15550100001","type":"text","text":"Your table is ready.","idempotency_key":"table-1"},
    {"to":"+15550100002","type":"template","template":{"name":"hello_world","language":"en_US"}}]}"#;

const SEND_BATCH_RESPONSE: &str = r#"{"results":[{"index":0,"id":"01a2b3c4-0000-7000-8000-000000000001","status":"queued"},
    {"index":1,"code":"template_not_found","message":"The account `sandbox` has no template `spring_sale` in the language `en`, neither in Waypost nor at Meta.","details":{"template":"spring_sale","language":"en"}}]}"#;

/// Returns the schema of the body of a batch.
fn batch_request_schema() -> RequestSchema {
    RequestSchema::of(|fields| {
        for item in read_items(fields).iter().flat_map(Items::iter) {
            item.shared("BatchMessage", |item| describe_send_request(item, SendOrigin::BatchItem(0)));
        }
    })
}
