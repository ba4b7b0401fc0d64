//! Create or update many contacts in one request.

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

use crate::api::contacts::lookup::require_all_accounts;
use crate::api::contacts::outcome::{result_status, serialize_result, stored_contact};
use crate::api::error::ApiError;
use crate::api::request_context::Audited;
use crate::api::{request_body, response};

/// Maximum number of contacts of one request.
pub(crate) const MAX_ITEMS: usize = 1_000;

/// Creates or updates contacts, each by its phone number or user id. An invalid contact fails separately; the other
/// contacts are stored in one transaction.
pub(crate) async fn bulk_upsert_contacts(
    State(deps): State<Arc<Deps>>,
    Audited(caller, audit): Audited,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let object = request_body::json(&headers, body).await?;
    request_body::read(&object, |fields| read_items(fields).is_some())?;
    require_all_accounts(&deps, &caller)?;
    let items = object.get("contacts").and_then(Value::as_array).unwrap_or_default();
    let results = upsert(&deps, &audit, caller.workspace(), items).await?;
    Ok(response::success(StatusCode::OK, &response::object([("results", Value::Array(results))])))
}

/// Reads the list of contacts; each contact is read by itself.
pub(crate) fn read_items<'a, 'f>(fields: &'f Fields<'a, '_>) -> Option<Items<'a, 'f>> {
    fields.required("contacts").array(1..=MAX_ITEMS)
}

async fn upsert(
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
    let mut upserted =
        contacts::upsert_contacts(deps, audit, ContactBatch::List, workspace, requests.collect())
            .await?
            .into_iter();
    let results = read.into_iter().enumerate().map(|(index, read)| {
        let outcome = read.and_then(|_| {
            let upserted = upserted.next().unwrap_or(engine::ports::UpsertContactResult::NotFound);
            let status = result_status(&upserted);
            stored_contact(upserted).map(|(_, contact)| (status, contact))
        });
        serialize_result(index, outcome)
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
    vec![
        Operation::new(
            "bulk_upsert_contacts",
            "Create or update many contacts",
            "Finds each contact by its phone number or user ID and creates or updates it. An invalid contact is rejected with its errors; the other contacts are stored in one transaction.",
        )
        .body(
            RequestSchema::of(|fields| {
                for item in read_items(fields).iter().flat_map(|items| items.iter()) {
                    item.shared("CreateContactRequest", describe_item);
                }
            }),
            [("two", BULK_UPSERT_CONTACTS_REQUEST)],
        )
        .responds(
            200,
            "Result for each item.",
            Schema::object([required(
                "results",
                Schema::array(
                    Schema::one_of([
                        Schema::reference("BulkUpsertedContact"),
                        Schema::reference("BulkRefusedContact"),
                    ]),
                    1..=MAX_ITEMS,
                ),
            )]),
            BULK_UPSERT_CONTACTS_RESPONSE,
        ),
    ]
}

const BULK_UPSERT_CONTACTS_REQUEST: &str = r#"{"contacts":[{"phone_number":"+447700900124","name":"Maya Osei","tags":["vip"]},{"phone_number":"+447700900125","stage":"lead"}]}"#;

const BULK_UPSERT_CONTACTS_RESPONSE: &str = r#"{"results":[{"index":0,"id":"01a2b3c4-0000-7000-8000-000000000003","status":"created"},
    {"index":1,"code":"invalid_request","message":"The request is not valid: `/email` must be an e-mail address, such as maya@example.com.",
    "errors":[{"pointer":"/email","reason":"must be an e-mail address, such as maya@example.com"}]}]}"#;

fn describe_item(item: Item<'_, '_>) {
    if let Some(fields) = item.object() {
        let _described = ContactChange::read_new(&fields);
        fields.finish();
    }
}
