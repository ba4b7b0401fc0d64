//! Many contacts in one call.

use crate::api::openapi::operation::Operation;
use crate::api::openapi::schema::Schema;
use crate::api::openapi::schema::required;
use domain::check::Item;
use domain::check::RequestSchema;
use domain::check::{Fields, Items};
use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use domain::contacts::contact::ContactChange;
use domain::contacts::opt_out::OptOutReason;
use domain::id::WorkspaceId;
use domain::json::Value;
use engine::contacts::{ContactBatch, ContactRequest};
use engine::ports::ContactTarget;
use engine::{AuditContext, Deps, contacts};

use crate::api::contacts::lookup::refuse_bound;
use crate::api::contacts::outcome::{done, result, word};
use crate::api::error::ApiError;
use crate::api::request_context::Audited;
use crate::api::{request_body, response};

/// The most contacts of one call.
pub(crate) const MAX_ITEMS: usize = 1_000;

/// Writes down contacts, each by its number or user id: new ones are made, known ones changed. One that is wrong fails
/// alone; the others are one transaction.
pub(crate) async fn bulk_upsert_contacts(
    State(deps): State<Arc<Deps>>,
    Audited(caller, audit): Audited,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let object = request_body::json(&deps, &headers, body).await?;
    request_body::read(&object, |fields| read_items(fields).is_some())?;
    refuse_bound(&deps, &caller)?;
    let items = object.get("contacts").and_then(Value::as_array).unwrap_or_default();
    let results = put(&deps, &audit, caller.workspace(), items).await?;
    Ok(response::success(StatusCode::OK, &response::object([("results", Value::Array(results))])))
}

/// Reads the list of contacts; each contact is read by itself.
pub(crate) fn read_items<'a, 'f>(fields: &'f Fields<'a, '_>) -> Option<Items<'a, 'f>> {
    fields.required("contacts").array(1..=MAX_ITEMS)
}

async fn put(
    deps: &Deps,
    audit: &AuditContext,
    workspace: WorkspaceId,
    items: &[Value],
) -> Result<Vec<Value>, ApiError> {
    let read: Vec<Result<ContactChange, ApiError>> = items.iter().map(read).collect();
    let requests = read.iter().filter_map(|read| read.as_ref().ok()).map(|change| ContactRequest {
        target: ContactTarget::Matching,
        change: change.clone(),
        reason: OptOutReason::Api,
    });
    let mut ends = contacts::upsert_contacts(deps, audit, ContactBatch::List, workspace, requests.collect())
        .await?
        .into_iter();
    let results = read.into_iter().enumerate().map(|(index, read)| {
        let end = read.and_then(|_| {
            let end = ends.next().unwrap_or(engine::ports::UpsertContactResult::NotFound);
            let word = word(&end);
            done(end).map(|(_, contact)| (word, contact))
        });
        result(index, end)
    });
    Ok(results.collect())
}

fn read(item: &Value) -> Result<ContactChange, ApiError> {
    let Value::Object(object) = item else {
        return Err(ApiError::invalid_at("", format!("must be an object, is {}", item.kind_name())));
    };
    request_body::read(object, ContactChange::read_new)
}

/// Describes the operation of this file.
pub(crate) fn operations() -> Vec<Operation> {
    vec![Operation::new(
        "bulk_upsert_contacts",
        "Create or update many contacts",
        "Finds each contact by its phone number or user ID and creates or updates it. An invalid contact is \
         refused with its errors; the other contacts are stored in one transaction.",
    )
    .body(
        RequestSchema::of(|fields| {
            for item in read_items(fields).iter().flat_map(|items| items.iter()) {
                item.shared("CreateContactRequest", describe_item);
            }
        }),
        [("two", r#"{"contacts":[{"phone_number":"+447700900124","name":"Maya Osei","tags":["vip"]},{"phone_number":"+447700900125","stage":"lead"}]}"#)],
    )
    .responds(
        200,
        "Result for each item.",
        Schema::object([required("results", Schema::array(Schema::one_of([Schema::reference("BulkUpsertedContact"), Schema::reference("BulkRefusedContact")]), 1..=MAX_ITEMS))]),
        r#"{"results":[{"index":0,"id":"01a2b3c4-0000-7000-8000-000000000003","status":"created"},
            {"index":1,"code":"invalid_request","message":"The request is not valid: `/email` must be an e-mail address, such as maya@example.com.",
            "errors":[{"pointer":"/email","reason":"must be an e-mail address, such as maya@example.com"}]}]}"#,
    )]
}

fn describe_item(item: Item<'_, '_>) {
    if let Some(fields) = item.object() {
        let _described = ContactChange::read_new(&fields);
        fields.finish();
    }
}
