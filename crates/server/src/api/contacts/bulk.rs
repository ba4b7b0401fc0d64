//! Many contacts in one call.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use domain::contacts::contact::ContactChange;
use domain::contacts::opt_out::OptOutReason;
use domain::id::WorkspaceId;
use domain::json::Value;
use engine::contacts::{Batch, Request};
use engine::ports::ContactTarget;
use engine::{By, Deps, contacts};

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
    Audited(caller, by): Audited,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let object = request_body::json(&deps, &headers, body).await?;
    request_body::read(&object, |fields| {
        let _items = fields.required("contacts").array(1..=MAX_ITEMS);
    })?;
    refuse_bound(&deps, &caller)?;
    let items = object.get("contacts").and_then(Value::as_array).unwrap_or_default();
    let results = put(&deps, &by, caller.workspace(), items).await?;
    Ok(response::success(StatusCode::OK, &response::object([("results", Value::Array(results))])))
}

async fn put(deps: &Deps, by: &By, workspace: WorkspaceId, items: &[Value]) -> Result<Vec<Value>, ApiError> {
    let read: Vec<Result<ContactChange, ApiError>> = items.iter().map(read).collect();
    let requests = read.iter().filter_map(|read| read.as_ref().ok()).map(|change| Request {
        target: ContactTarget::Matching,
        change: change.clone(),
        reason: OptOutReason::Api,
    });
    let mut ends =
        contacts::put_all(deps, (by, Batch::List), workspace, requests.collect()).await?.into_iter();
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
    request_body::read(object, |fields| {
        let change = ContactChange::read(fields);
        change.check_new(fields);
        change
    })
}
