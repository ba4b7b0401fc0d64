//! `POST /api/messages/batch`: queue up to 1000 messages. An invalid item fails separately.

use crate::api::error::Code;
use crate::api::idempotency_key::{REPLAYED, key_of, key_schema};
use crate::api::messages::send_request::describe_send_request;
use crate::api::openapi::operation::Operation;
use crate::api::openapi::schema::Schema;
use crate::api::openapi::schema::optional;
use crate::api::openapi::schema::required;
use domain::check::RequestSchema;
use domain::check::{Fields, Items, Violation, Violations};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use crate::api::serialize::{or_null, time};
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::Response;
use domain::access::rate_limiter::CallKind;
use domain::id::{BatchId, MessageId};
use domain::json::{Object, Value};
use domain::messages::status::MessageStatus;
use engine::Deps;
use engine::access::caller::Caller;
use engine::messages::idempotency::{RepeatedRequest, get_repeated_request};
use engine::messages::outcome::SendError;
use engine::messages::send;
use engine::ports::{IdempotencyRecord, MessageKey};
use futures_util::{FutureExt, StreamExt, stream};
use jiff::Timestamp;

use crate::api::error::ApiError;
use crate::api::messages::idempotency;
use crate::api::messages::send_request::{SendOrigin, read_request};
use crate::api::request_context::RequestContext;
use crate::api::{request_body, response};

/// Path of the operation, as part of the digest of a request.
const BATCH_PATH: &str = "/api/messages/batch";
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
    context.count_call(&deps, &caller, CallKind::Batch)?;
    let key = key_of(&headers)?;
    let object = request_body::json(&headers, body).await?;
    request_body::read(&object, |fields| read_items(fields).is_some())?;
    let request = key.map(|key| idempotency::IdempotentRequest::new(&key, BATCH_PATH, &object));
    let items = match object.into_iter().find(|(name, _)| name == "messages") {
        Some((_, Value::Array(items))) => items,
        Some(_) | None => Vec::new(),
    };
    let batch = match request {
        Some(request) => Some(BatchKey::read(&deps, &caller, request, items.len()).await?),
        None => None,
    };
    let replayed = match &batch {
        Some(batch) => batch.replayed_id(&deps, &caller).await?,
        None => None,
    };
    let is_replayed = batch.as_ref().is_some_and(|batch| batch.known.is_some());
    let id = replayed.unwrap_or_else(|| deps.new_id(BatchId::from_parts));
    let accepting =
        Accepting { deps: &deps, caller: &caller, request_id: context.request_id(), id, key: batch };
    let results = accept_all(&accepting, items).await;
    if let Some(error) = no_valid_message(&results) {
        return Err(error);
    }
    let mut response = response::success(StatusCode::ACCEPTED, &serialize_batch(id, results));
    if is_replayed {
        response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    }
    Ok(response)
}

/// Reads the list of messages; each message is read by itself.
pub(crate) fn read_items<'a, 'f>(fields: &'f Fields<'a, '_>) -> Option<Items<'a, 'f>> {
    fields.required("messages").array(1..=MAX_ITEMS)
}

/// Header `Idempotency-Key` of a batch: it is the source of the keys of all items without an `idempotency_key`.
struct BatchKey {
    /// The whole batch.
    request: idempotency::IdempotentRequest,
    /// A message that was accepted before with this key.
    known: Option<MessageId>,
}

impl BatchKey {
    /// Reads if the key was used before. `request` is the whole batch, of `n_items` items.
    async fn read(
        deps: &Deps,
        caller: &Caller,
        request: idempotency::IdempotentRequest,
        n_items: usize,
    ) -> Result<Self, ApiError> {
        let mut batch = Self { request, known: None };
        // A request that is not a batch has the key itself, without an index.
        if batch.request.get_record(deps, caller).await?.is_some() {
            return Err(ApiError::idempotency_mismatch());
        }
        for index in 0..n_items {
            let repeat = batch.item_request(u32::try_from(index).unwrap_or(u32::MAX));
            let Some(known) = repeat.get_record(deps, caller).await? else { continue };
            if known.digest != repeat.digest() {
                return Err(ApiError::idempotency_mismatch());
            }
            batch.known = Some(known.message);
            break;
        }
        Ok(batch)
    }

    /// Returns the id of the batch that was accepted before with this key.
    async fn replayed_id(&self, deps: &Deps, caller: &Caller) -> Result<Option<BatchId>, ApiError> {
        let Some(known) = self.known else { return Ok(None) };
        let detail = deps.messages.get_message(caller.workspace(), &MessageKey::Id(known)).await?;
        Ok(detail.and_then(|detail| detail.message.batch))
    }

    /// Returns the request of one item. The separator cannot be part of a header, so no client can use the same key.
    fn item_request(&self, index: u32) -> idempotency::IdempotentRequest {
        self.request.with_key(format!("{}\u{1f}{index}", self.request.key()))
    }
}

/// A batch that is being accepted.
struct Accepting<'a> {
    deps: &'a Arc<Deps>,
    caller: &'a Caller,
    request_id: &'a str,
    id: BatchId,
    /// Key of the batch.
    key: Option<BatchKey>,
}

/// An accepted item.
struct AcceptedItem {
    id: MessageId,
    /// `true` if the message was accepted before, with the same key.
    is_replayed: bool,
    /// Earliest time at which the message is sent; `None` if it was sent already.
    due_at: Option<Timestamp>,
}

/// Result of an item.
struct ItemResult {
    client_reference: Option<String>,
    outcome: Result<AcceptedItem, ApiError>,
}

/// Accepts the items concurrently, started in their order: of two messages to one recipient, the first is queued first;
/// of two items with the same key, the first counts.
async fn accept_all(batch: &Accepting<'_>, items: Vec<Value>) -> Vec<ItemResult> {
    let accepting = items.into_iter().enumerate().map(|(index, item)| async move {
        let client_reference = client_reference(&item);
        let accepted = accept_one(batch, u32::try_from(index).unwrap_or(u32::MAX), item);
        let outcome = AssertUnwindSafe(accepted).catch_unwind().await.unwrap_or_else(|_| {
            tracing::error!("an item of a batch panicked");
            Err(ApiError::internal())
        });
        ItemResult { client_reference, outcome }
    });
    stream::iter(accepting).buffered(MAX_CONCURRENT).collect().await
}

/// Returns the reference of an item, valid or not.
fn client_reference(item: &Value) -> Option<String> {
    let named = |name| item.get(name).and_then(Value::as_str);
    named("client_reference").or_else(|| named("biz_opaque_callback_data")).map(str::to_owned)
}

/// Accepts one item.
async fn accept_one(batch: &Accepting<'_>, index: u32, item: Value) -> Result<AcceptedItem, ApiError> {
    let Accepting { deps, caller, request_id, id, key } = batch;
    let kind = item.kind_name();
    let Value::Object(object) = item else {
        return Err(ApiError::invalid_at("", format!("must be an object, is {kind}")));
    };
    let repeat = match object.get("idempotency_key").and_then(Value::as_str) {
        Some(key) => Some(idempotency::IdempotentRequest::new(key, BATCH_PATH, &object)),
        None => key.as_ref().map(|key| key.item_request(index)),
    };
    let mut request = match read_request(object, SendOrigin::BatchItem(index), deps.now()) {
        Ok(request) => request,
        Err(error) => {
            // A repeated item can be valid no more: its `send_at` may have passed.
            let Some(repeat) = &repeat else { return Err(error) };
            let known = repeat.get_record(deps, caller).await?.ok_or(error)?;
            return repeated_item(deps, caller, known, repeat.digest()).await;
        }
    };
    request.batch = Some(*id);
    let idempotency = repeat.as_ref().map(|repeat| repeat.idempotency(request_id));
    match send::send_message(deps, caller, request, idempotency).await {
        Ok(sent) => Ok(AcceptedItem { id: sent.id, is_replayed: false, due_at: sent.due_at }),
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
) -> Result<AcceptedItem, ApiError> {
    let id = known.message;
    match get_repeated_request(deps, caller, known, digest).await? {
        RepeatedRequest::Mismatch => Err(ApiError::idempotency_mismatch()),
        RepeatedRequest::InProgress => Err(ApiError::idempotency_in_progress()),
        RepeatedRequest::Cached(_) | RepeatedRequest::Orphaned(_) => {
            let detail = deps.messages.get_message(caller.workspace(), &MessageKey::Id(id)).await?;
            let due_at = detail
                .map(|detail| detail.message)
                .filter(|message| message.status == MessageStatus::Queued)
                .and_then(|message| message.due_at);
            Ok(AcceptedItem { id, is_replayed: true, due_at })
        }
    }
}

/// Returns the error of a batch without a valid message. A message that can be accepted later is valid.
fn no_valid_message(results: &[ItemResult]) -> Option<ApiError> {
    let mut violations = Vec::new();
    for (index, result) in results.iter().enumerate() {
        let error = result.outcome.as_ref().err()?;
        let code = error.code();
        let status = code.status();
        let can_succeed_later = status.is_server_error()
            || matches!(code, Code::RateLimited | Code::MetaRateLimited | Code::Pacing)
            || code == Code::IdempotencyInProgress;
        if can_succeed_later {
            return None;
        }
        let errors = error.details().get("errors").and_then(Value::as_array).unwrap_or_default();
        let member = |error: &Value, name: &str| {
            error.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
        };
        for error in errors {
            let pointer = format!("/messages/{index}{}", member(error, "pointer"));
            violations.push(Violation::new(pointer, member(error, "reason")));
        }
        if errors.is_empty() {
            let reason = format!("is refused with `{}`: {}", code.as_str(), error.message());
            violations.push(Violation::new(format!("/messages/{index}"), reason.trim_end_matches('.')));
        }
    }
    violations.truncate(Violations::MAX);
    Some(ApiError::invalid(violations).with_sentence("No message of the batch was accepted."))
}

/// Returns the data of the response.
fn serialize_batch(id: BatchId, results: Vec<ItemResult>) -> Value {
    let count = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
    let n_accepted = results.iter().filter(|result| result.outcome.is_ok()).count();
    let due_times = results.iter().filter_map(|result| result.outcome.as_ref().ok()?.due_at);
    response::object([
        ("batch_id", id.to_string().into()),
        ("accepted", count(n_accepted).into()),
        ("rejected", count(results.len() - n_accepted).into()),
        ("last_leaves_at", or_null(due_times.max().map(time))),
        (
            "results",
            results
                .into_iter()
                .enumerate()
                .map(|(index, result)| serialize_result(index, result))
                .collect::<Vec<_>>()
                .into(),
        ),
    ])
}

fn serialize_result(index: usize, result: ItemResult) -> Value {
    let mut json = Object::new();
    json.insert("index", i64::try_from(index).unwrap_or(i64::MAX));
    json.insert("client_reference", or_null(result.client_reference));
    match result.outcome {
        Ok(item) => {
            json.insert("id", item.id.to_string());
            json.insert("status", "queued");
            if item.is_replayed {
                json.insert("replayed", true);
            }
        }
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
        required("client_reference", Schema::string(..).or_null().about("Your reference of the message.")),
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
             /api/messages/send`. If no message is valid, the response is 400. A batch counts as one request; the messages are sent within the rate limit of the key.",
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
            Schema::object([
                required(
                    "batch_id",
                    Schema::uuid().about("ID of the batch. `GET /api/messages?batch=…` lists its messages."),
                ),
                required("accepted", Schema::integer(0..).about("Number of accepted messages.")),
                required("rejected", Schema::integer(0..).about("Number of rejected messages.")),
                required(
                    "last_leaves_at",
                    Schema::time().or_null().about(
                        "Estimated time at which the last message is sent, at the rate limit of the key. Limits of Meta \
                         can delay messages further. `null`: no message of the batch waits.",
                    ),
                ),
                required("results", Schema::array(result, 1..=MAX_ITEMS)),
            ]),
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
    {"to":"+15550100001","type":"text","text":"Your table is ready.","client_reference":"table-1","idempotency_key":"table-1"},
    {"to":"+15550100002","type":"template","template":{"name":"hello_world","language":"en_US"}}]}"#;

const SEND_BATCH_RESPONSE: &str = r#"{"batch_id":"01a2b3c4-0000-7000-8000-000000000009","accepted":1,"rejected":1,
    "last_leaves_at":"2026-05-29T10:30:00.000Z","results":[{"index":0,"client_reference":"table-1","id":"01a2b3c4-0000-7000-8000-000000000001","status":"queued"},
    {"index":1,"client_reference":null,"code":"template_not_found","message":"The account `sandbox` has no template `spring_sale` in the language `en`, neither in Waypost nor at Meta.","details":{"template":"spring_sale","language":"en","languages":[],"similar_names":[]}}]}"#;

/// Returns the schema of the body of a batch.
fn batch_request_schema() -> RequestSchema {
    RequestSchema::of(|fields| {
        for item in read_items(fields).iter().flat_map(Items::iter) {
            item.shared("BatchMessage", |item| describe_send_request(item, SendOrigin::BatchItem(0)));
        }
    })
}
