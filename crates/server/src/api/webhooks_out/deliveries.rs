//! Deliveries of a webhook endpoint: list, redeliver, skip, replay.

use crate::api::openapi::example::DELIVERY;
use crate::api::openapi::example::WEBHOOK;
use crate::api::openapi::operation::Operation;
use crate::api::openapi::schema::Schema;
use crate::api::openapi::schema::required;
use crate::api::webhooks_out::lookup::WEBHOOK_ID;
use crate::api::webhooks_out::serialize::DELIVERY_EXAMPLE;
use crate::api::webhooks_out::serialize::PENDING_DELIVERY_EXAMPLE;
use crate::api::webhooks_out::serialize::SKIPPED_DELIVERY_EXAMPLE;
use domain::check::Fields;
use domain::check::RequestSchema;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use domain::id::DeliveryId;
use domain::webhooks_out::delivery::DeliveryStatus;
use engine::Deps;
use engine::access::caller::Caller;
use engine::ports::{DeliveryFilter, PageRequest, PageStart, StoredDelivery, WebhookEndpoint};
use engine::webhooks_out::endpoint;
use jiff::Timestamp;

use crate::api::error::{ApiError, Code};
use crate::api::pagination::PageQuery;
use crate::api::request_context::{Audited, Authorized, IdOrName};
use crate::api::response::object;
use crate::api::serialize::time;
use crate::api::webhooks_out::lookup::{covers, find, require_enabled};
use crate::api::webhooks_out::serialize::serialize_delivery;
use crate::api::{request_body, response};

/// Lists the deliveries of an endpoint, newest first.
pub(crate) async fn list_deliveries(
    State(deps): State<Arc<Deps>>,
    Authorized(caller): Authorized,
    IdOrName(id): IdOrName,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let query = request_body::query(query.as_deref())?;
    let (status, page) = request_body::read(&query, read_deliveries)?;
    let page = page.open(&deps, &caller)?;
    let record = find(&deps, &caller, &id)?;
    let filter = DeliveryFilter { webhook: Some(record.id), status, position: None };
    let found =
        page.read(deps.deliveries.list_deliveries(caller.workspace(), &filter, page.request())).await?;
    page.respond(found, serialize_delivery)
}

/// Delivers the events since a time again. Pending deliveries are not affected.
pub(crate) async fn replay_webhook(
    State(deps): State<Arc<Deps>>,
    Audited(caller, audit): Audited,
    IdOrName(id): IdOrName,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let record = find(&deps, &caller, &id)?;
    let body_object = request_body::json(&headers, body).await?;
    let now = deps.now();
    let since = request_body::read(&body_object, |fields| read_replay(fields, now))?;
    require_enabled(&record)?;
    let (replay, n_events) = endpoint::replay_webhook(&deps, &audit, &record, since).await?;
    let n_events = i64::try_from(n_events).unwrap_or(i64::MAX);
    let data = object([
        ("id", replay.to_string().into()),
        ("webhook_id", record.id.to_string().into()),
        ("since", time(since)),
        ("events_since", n_events.into()),
    ]);
    Ok(response::success(StatusCode::ACCEPTED, &data))
}

/// Repeats one delivery. Pending deliveries are not affected.
pub(crate) async fn redeliver_delivery(
    State(deps): State<Arc<Deps>>,
    Audited(caller, audit): Audited,
    IdOrName(id): IdOrName,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    request_body::empty(&headers, body).await?;
    let (record, delivery) = lookup_delivery(&deps, &caller, &id).await?;
    require_enabled(&record)?;
    let unknown = || unknown_delivery(&id);
    let repeated =
        endpoint::redeliver_delivery(&deps, &audit, &record, delivery.id).await?.ok_or_else(unknown)?;
    let position = repeated.position(caller.workspace()).ok_or_else(unknown)?;
    let delivery = find_delivery(&deps, &caller, position).await?.ok_or_else(unknown)?;
    Ok(response::success(StatusCode::ACCEPTED, &serialize_delivery(delivery)))
}

/// Skips a delivery that is not complete: it becomes a dead letter, and the next delivery of its contact is due.
pub(crate) async fn skip_delivery(
    State(deps): State<Arc<Deps>>,
    Audited(caller, audit): Audited,
    IdOrName(id): IdOrName,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    request_body::empty(&headers, body).await?;
    let (record, delivery) = lookup_delivery(&deps, &caller, &id).await?;
    if !endpoint::skip_delivery(&deps, &audit, &record, delivery.id).await? {
        let (_, delivery) = lookup_delivery(&deps, &caller, &id).await?;
        let message = format!(
            "The delivery has the status `{}`. Only a delivery with the status `pending` or `failed` can be skipped.",
            delivery.status
        );
        return Err(ApiError::new(Code::NotSkippable, message).with("status", delivery.status.as_str()));
    }
    let (_, delivery) = lookup_delivery(&deps, &caller, &id).await?;
    Ok(response::success(StatusCode::OK, &serialize_delivery(delivery)))
}

/// Returns the error of an unknown delivery.
fn unknown_delivery(id: &str) -> ApiError {
    ApiError::new(Code::DeliveryNotFound, format!("There is no delivery `{id}`."))
}

/// Returns a delivery to an endpoint that the caller has access to, and the endpoint.
async fn lookup_delivery(
    deps: &Deps,
    caller: &Caller,
    id: &str,
) -> Result<(Arc<WebhookEndpoint>, StoredDelivery), ApiError> {
    let unknown = || unknown_delivery(id);
    let parsed: DeliveryId = id.parse().map_err(|_| unknown())?;
    let position = parsed.position(caller.workspace()).ok_or_else(unknown)?;
    let delivery = find_delivery(deps, caller, position).await?.filter(|delivery| delivery.id == parsed);
    let delivery = delivery.ok_or_else(unknown)?;
    let directory = deps.directory.current();
    let record = directory
        .webhook(caller.workspace(), delivery.webhook)
        .filter(|record| covers(deps, caller, &record.accounts))
        .ok_or_else(unknown)?;
    Ok((record.clone(), delivery))
}

/// Returns the delivery at a position of the log.
pub(crate) async fn find_delivery(
    deps: &Deps,
    caller: &Caller,
    position: i64,
) -> Result<Option<StoredDelivery>, ApiError> {
    let filter = DeliveryFilter { position: Some(position), ..DeliveryFilter::default() };
    let one = PageRequest { per_page: 1, start: PageStart::Page(1) };
    Ok(deps.deliveries.list_deliveries(caller.workspace(), &filter, one).await?.rows.into_iter().next())
}

/// Reads the query of a list of deliveries.
pub(crate) fn read_deliveries(fields: &Fields<'_, '_>) -> (Option<DeliveryStatus>, PageQuery) {
    let names = DeliveryStatus::ALL.map(DeliveryStatus::as_str);
    let status = fields.optional("status").about("Status of the delivery.").one_of(&names);
    (status.and_then(|name| name.parse().ok()), PageQuery::read("deliveries", fields))
}

/// Reads the body of a replay.
pub(crate) fn read_replay(fields: &Fields<'_, '_>, now: Timestamp) -> Timestamp {
    let since = fields.required("since").about("Time of the earliest event. Must not be in the future.");
    let at = since.format("date-time").string(1..).and_then(|text| match text.parse::<Timestamp>() {
        Ok(at) if at <= now => Some(at),
        Ok(_) => {
            since.refuse("must not be in the future");
            None
        }
        Err(_) => {
            since.refuse("must be a time such as 2026-05-29T10:30:00.000Z");
            None
        }
    });
    at.unwrap_or(now)
}

/// Describes the operations of this file.
pub(crate) fn operations() -> Vec<Operation> {
    vec![
        Operation::new(
            "list_deliveries",
            "List deliveries",
            "Lists pending and completed deliveries, newest first.",
        )
        .id(WEBHOOK_ID, WEBHOOK)
        .errors([Code::WebhookNotFound])
        .query(RequestSchema::of_query(read_deliveries))
        .responds_page("deliveries", "Delivery", DELIVERY_EXAMPLE),
        Operation::new(
            "replay_webhook",
            "Replay events",
            "Delivers the events since a time again, with the same `webhook-id`. Pending \
             deliveries are not delayed.",
        )
        .id(WEBHOOK_ID, WEBHOOK)
        .errors([Code::WebhookNotFound])
        .body(
            RequestSchema::of(|fields| read_replay(fields, Timestamp::UNIX_EPOCH)),
            [("since", r#"{"since":"2026-01-01T00:00:00.000Z"}"#)],
        )
        .responds(
            202,
            "The replay has started.",
            Schema::object([
                required("id", Schema::uuid()),
                required("webhook_id", Schema::uuid()),
                required("since", Schema::time()),
                required(
                    "events_since",
                    Schema::integer(0..).about("Number of events of all kinds since that time."),
                ),
            ]),
            REPLAY_WEBHOOK_RESPONSE,
        )
        .errors([Code::WebhookDisabled]),
        Operation::new(
            "redeliver_delivery",
            "Redeliver an event",
            "Delivers the event again. Pending deliveries are not delayed.",
        )
        .id("ID of the delivery.", DELIVERY)
        .empty_body()
        .responds(202, "The new delivery.", Schema::reference("Delivery"), PENDING_DELIVERY_EXAMPLE)
        .errors([Code::DeliveryNotFound, Code::WebhookDisabled]),
        Operation::new(
            "skip_delivery",
            "Skip a delivery",
            "Turns a delivery with the status `pending` or `failed` into a dead letter, so that the next delivery of its \
             contact is attempted. An attempt in progress ends first; if the endpoint accepts the event, the delivery has \
             succeeded.",
        )
        .id("ID of the delivery.", DELIVERY)
        .empty_body()
        .responds(200, "The skipped delivery.", Schema::reference("Delivery"), SKIPPED_DELIVERY_EXAMPLE)
        .errors([Code::DeliveryNotFound, Code::NotSkippable]),
    ]
}

const REPLAY_WEBHOOK_RESPONSE: &str = r#"{"id":"01a2b3c4-0000-7000-8000-00000000000d","webhook_id":"01a2b3c4-0000-7000-8000-000000000007","since":"2026-01-01T00:00:00.000Z","events_since":12}"#;
