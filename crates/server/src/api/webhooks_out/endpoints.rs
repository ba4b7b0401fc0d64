//! Webhook endpoints: list, get, create, update, delete, test, rotate the secret.

use crate::api::events::kinds::{event_kind, kind_schema};
use crate::api::openapi::example::WEBHOOK;
use crate::api::openapi::operation::Operation;
use crate::api::openapi::schema::Schema;
use crate::api::webhooks_out::lookup::WEBHOOK_ID;
use crate::api::webhooks_out::request::read_settings;
use crate::api::webhooks_out::serialize::CREATED_WEBHOOK_EXAMPLE;
use crate::api::webhooks_out::serialize::DELIVERY_EXAMPLE;
use crate::api::webhooks_out::serialize::WEBHOOK_EXAMPLE;
use domain::check::Fields;
use domain::check::RequestSchema;
use domain::events::EventKind;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use domain::json::Value;
use engine::ports::WebhookEndpoint;
use engine::webhooks_out::endpoint;
use engine::webhooks_out::endpoint::MAX_WEBHOOKS;
use engine::{Deps, directory};

use crate::api::error::{ApiError, Code};
use crate::api::pagination::PageQuery;
use crate::api::request_context::{Audited, Authorized, IdOrName};
use crate::api::webhooks_out::deliveries::find_delivery;
use crate::api::webhooks_out::lookup::{covers, find, not_found};
use crate::api::webhooks_out::request::read_webhook;
use crate::api::webhooks_out::serialize::{
    serialize_delivery, serialize_webhook, serialize_webhook_with_secret,
};
use crate::api::{request_body, response};

/// Lists endpoints, oldest first.
pub(crate) async fn list_webhooks(
    State(deps): State<Arc<Deps>>,
    Authorized(caller): Authorized,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let query = request_body::query(query.as_deref())?;
    let (search, page) = request_body::read(&query, read_list)?;
    let page = page.open(&deps, &caller)?;
    let directory = deps.directory.current();
    let matches = |record: &&Arc<WebhookEndpoint>| {
        let Some(search) = &search else { return true };
        record.name.to_lowercase().contains(search) || record.url.to_lowercase().contains(search)
    };
    let found: Vec<_> = directory
        .webhooks_of(caller.workspace())
        .filter(matches)
        .filter(|record| covers(&deps, &caller, &record.accounts))
        .collect();
    page.respond(page.slice(&found), |record| serialize_webhook(record))
}

/// Returns one endpoint.
pub(crate) async fn get_webhook(
    State(deps): State<Arc<Deps>>,
    Authorized(caller): Authorized,
    IdOrName(id): IdOrName,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    request_body::reject_query(query.as_deref())?;
    Ok(response::success(StatusCode::OK, &serialize_webhook(&*find(&deps, &caller, &id)?)))
}

/// Creates an endpoint. The response contains its secret, which is not returned again.
pub(crate) async fn create_webhook(
    State(deps): State<Arc<Deps>>,
    Audited(caller, audit): Audited,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let object = request_body::json(&headers, body).await?;
    let options = request_body::read(&object, |fields| read_webhook(Some((&deps, &caller)), fields, None))?;
    let options = options.ok_or_else(|| ApiError::invalid_at("", "the endpoint is incomplete"))?;
    let Some(record) = endpoint::create_webhook(&deps, &audit, caller.workspace(), options).await? else {
        let message = format!("The workspace has the maximum of {MAX_WEBHOOKS} webhooks.");
        return Err(ApiError::new(Code::TooMany, message).with("limit", i64::from(MAX_WEBHOOKS)));
    };
    Ok(response::secret(response::success(StatusCode::CREATED, &serialize_webhook_with_secret(&record))))
}

/// Changes the given fields.
pub(crate) async fn update_webhook(
    State(deps): State<Arc<Deps>>,
    Audited(caller, audit): Audited,
    IdOrName(id): IdOrName,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    find(&deps, &caller, &id)?;
    let object = request_body::json(&headers, body).await?;
    // The other fields keep their values, which another process may have just changed.
    directory::refresh(&deps).await?;
    let record = find(&deps, &caller, &id)?;
    let options =
        request_body::read(&object, |fields| read_webhook(Some((&deps, &caller)), fields, Some(&record)))?;
    let options = options.ok_or_else(|| ApiError::invalid_at("", "the endpoint is incomplete"))?;
    let is_enabling = object.get("enabled").and_then(Value::as_bool) == Some(true);
    let changed = endpoint::update_webhook(&deps, &audit, &record, options, is_enabling).await?;
    let changed = changed.ok_or_else(|| not_found(&id))?;
    Ok(response::success(StatusCode::OK, &serialize_webhook(&changed)))
}

/// Deletes an endpoint.
pub(crate) async fn delete_webhook(
    State(deps): State<Arc<Deps>>,
    Audited(caller, audit): Audited,
    IdOrName(id): IdOrName,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    request_body::reject_query(query.as_deref())?;
    let record = find(&deps, &caller, &id)?;
    if endpoint::delete_webhook(&deps, &audit, &record).await? {
        Ok(StatusCode::NO_CONTENT.into_response())
    } else {
        Err(not_found(&id))
    }
}

/// Sends an example of an event to an endpoint and returns the delivery.
pub(crate) async fn test_webhook(
    State(deps): State<Arc<Deps>>,
    Audited(caller, audit): Audited,
    IdOrName(id): IdOrName,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let object = request_body::object(&request_body::bytes(&headers, body).await?, true)?;
    let kind = request_body::read(&object, read_test)?;
    let record = find(&deps, &caller, &id)?;
    let tested = endpoint::test_webhook(&deps, &audit, &record, kind).await?;
    let position = tested.ok_or_else(|| not_found(&id))?;
    let delivery = find_delivery(&deps, &caller, position).await?.ok_or_else(|| not_found(&id))?;
    Ok(response::success(StatusCode::OK, &serialize_delivery(delivery)))
}

/// Replaces the secret of an endpoint. The response contains the new secret, which is not returned again.
pub(crate) async fn rotate_webhook_secret(
    State(deps): State<Arc<Deps>>,
    Audited(caller, audit): Audited,
    IdOrName(id): IdOrName,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    request_body::empty(&headers, body).await?;
    let record = find(&deps, &caller, &id)?;
    let changed =
        endpoint::rotate_webhook_secret(&deps, &audit, &record).await?.ok_or_else(|| not_found(&id))?;
    Ok(response::secret(response::success(StatusCode::OK, &serialize_webhook_with_secret(&changed))))
}

/// Reads the body of a test.
pub(crate) fn read_test(fields: &Fields<'_, '_>) -> EventKind {
    let kind = fields
        .optional("event")
        .about("Event of which an example is sent. Default: `webhook.test`.")
        .written_as(|| kind_schema().into());
    event_kind(&kind).unwrap_or(EventKind::WebhookTest)
}

/// Reads the query of a list of webhooks.
pub(crate) fn read_list(fields: &Fields<'_, '_>) -> (Option<String>, PageQuery) {
    let search = fields.optional("search").about("Part of the name or of the URL.");
    (search.string(1..=200).map(str::to_lowercase), PageQuery::read("webhooks", fields))
}

/// Describes the operations of this file.
pub(crate) fn operations() -> Vec<Operation> {
    vec![
        Operation::new("list_webhooks", "List webhooks", "Oldest first.")
            .query(RequestSchema::of_query(read_list))
            .responds_page("webhooks", "Webhook", WEBHOOK_EXAMPLE),
        Operation::new(
            "create_webhook",
            "Create a webhook",
            "The response contains the secret with which you verify deliveries. No later response contains the secret again.",
        )
        .body(
            RequestSchema::of(|fields| read_settings(None, fields, None, true)),
            [("all", CREATE_WEBHOOK_REQUEST)],
        )
        .responds(201, "The webhook.", Schema::reference("WebhookWithSecret"), CREATED_WEBHOOK_EXAMPLE)
        .errors([Code::TooMany]),
        Operation::new("get_webhook", "Get a webhook", "")
            .id(WEBHOOK_ID, WEBHOOK)
            .errors([Code::WebhookNotFound])
            .responds(200, "The webhook.", Schema::reference("Webhook"), WEBHOOK_EXAMPLE),
        Operation::new(
            "update_webhook",
            "Update a webhook",
            "Changes the given fields. `null` clears `accounts` and `headers`. A header with \
             the value `***` keeps its present value. A change of the scheme, the host or the port of `url` removes the \
             headers, unless the same request contains them with their values.",
        )
        .id(WEBHOOK_ID, WEBHOOK)
        .errors([Code::WebhookNotFound])
        .body(
            RequestSchema::of(|fields| read_settings(None, fields, None, false)),
            [("some", r#"{"events":["message.incoming","message.failed"],"enabled":true}"#)],
        )
        .responds(200, "The webhook.", Schema::reference("Webhook"), WEBHOOK_EXAMPLE),
        Operation::new("delete_webhook", "Delete a webhook", "")
            .id(WEBHOOK_ID, WEBHOOK)
            .errors([Code::WebhookNotFound])
            .responds_empty(204, "The webhook is deleted."),
        Operation::new(
            "test_webhook",
            "Send a test event",
            "Sends an example of an event to the endpoint, once, and returns the result of the delivery. The endpoint need \
             not have subscribed to the event. The body of the delivery has `\"test\": true`: the message and the contact in \
             it do not exist. No other endpoint receives the example, and `GET /api/events` does not list it.",
        )
        .id(WEBHOOK_ID, WEBHOOK)
        .errors([Code::WebhookNotFound])
        .optional_body(RequestSchema::of(read_test), r#"{"event":"message.incoming"}"#)
        .responds(200, "The delivery.", Schema::reference("Delivery"), DELIVERY_EXAMPLE),
        Operation::new(
            "rotate_webhook_secret",
            "Rotate the secret of a webhook",
            "The response contains the new secret. No later response contains the secret again. For 24 hours, \
             deliveries are signed with both secrets.",
        )
        .id(WEBHOOK_ID, WEBHOOK)
        .errors([Code::WebhookNotFound])
        .empty_body()
        .responds(
            200,
            "The webhook.",
            Schema::reference("WebhookWithSecret"),
            CREATED_WEBHOOK_EXAMPLE,
        ),
    ]
}

const CREATE_WEBHOOK_REQUEST: &str = r#"{"name":"shop","url":"https://shop.example/hooks/whatsapp","events":["*"],"headers":{"X-Shop":"blue"}}"#;
