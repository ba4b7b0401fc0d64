//! Outcomes of contact changes, as responses and as result rows.

use crate::api::openapi::schema::Schema;
use crate::api::openapi::schema::optional;
use crate::api::openapi::schema::required;
use axum::http::StatusCode;
use domain::contacts::contact::MAX_CUSTOM_FIELDS;
use domain::json::{Object, Value};
use engine::ports::{Contact, UpsertContactResult};

use crate::api::error::{ApiError, Code};
use crate::api::response::object;

/// Returns the HTTP status and the stored contact, or the error of a contact that was not stored.
pub(crate) fn stored_contact(result: UpsertContactResult) -> Result<(StatusCode, Contact), ApiError> {
    match result {
        UpsertContactResult::Created(contact) => Ok((StatusCode::CREATED, contact)),
        UpsertContactResult::Updated(contact) | UpsertContactResult::Unchanged(contact) => {
            Ok((StatusCode::OK, contact))
        }
        UpsertContactResult::Conflict(id) => {
            let message = "Another contact has this phone number or user id.";
            Err(ApiError::new(Code::ContactExists, message).with("contact_id", id.to_string()))
        }
        UpsertContactResult::NotFound => {
            Err(ApiError::new(Code::ContactNotFound, "The contact does not exist."))
        }
        UpsertContactResult::NoIdentifier => Err(ApiError::invalid_at(
            "/phone_number",
            "cannot be cleared: a contact must have a phone number or a user id",
        )),
        UpsertContactResult::TooManyFields(n) => Err(ApiError::invalid_at(
            "/custom_fields",
            format!("must have at most {MAX_CUSTOM_FIELDS} members, would have {n}"),
        )),
    }
}

/// Returns the status of a result row.
pub(crate) fn result_status(result: &UpsertContactResult) -> &'static str {
    match result {
        UpsertContactResult::Created(_) => "created",
        UpsertContactResult::Updated(_) => "updated",
        UpsertContactResult::Unchanged(_) => "unchanged",
        UpsertContactResult::Conflict(_)
        | UpsertContactResult::NotFound
        | UpsertContactResult::NoIdentifier
        | UpsertContactResult::TooManyFields(_) => "failed",
    }
}

/// JSON of the result of one contact of a list.
pub(crate) fn serialize_result(index: usize, outcome: Result<(&'static str, Contact), ApiError>) -> Value {
    let index = Value::from(i64::try_from(index).unwrap_or(i64::MAX));
    match outcome {
        Ok((status, contact)) => {
            object([("index", index), ("id", contact.id.to_string().into()), ("status", status.into())])
        }
        Err(error) => {
            let mut json = Object::new();
            json.insert("index", index);
            json.insert("code", error.code().as_str());
            json.insert("message", error.message());
            let details = error.details();
            json.insert("errors", details.get("errors").cloned().unwrap_or_else(|| Vec::new().into()));
            if let Some(id) = details.get("contact_id") {
                json.insert("contact_id", id.clone());
            }
            Value::Object(json)
        }
    }
}

/// Returns the named schemas of result rows.
pub(crate) fn schemas() -> Vec<(&'static str, Schema)> {
    let done = Schema::object([
        required("index", Schema::integer(0..).about("Index of the contact in `contacts`.")),
        required("id", Schema::uuid()),
        required("status", Schema::enumeration(["created", "updated", "unchanged"])),
    ]);
    let refused = Schema::object([
        required("index", Schema::integer(0..).about("Index of the contact in `contacts`.")),
        required("code", Schema::enumeration(Code::ALL.iter().map(|code| code.as_str()))),
        required("message", Schema::string(1..)),
        required("errors", Schema::reference("ValidationErrors")),
        optional(
            "contact_id",
            Schema::uuid().about(
                "With `contact_exists`: ID of the contact that has the phone number or \
             user ID.",
            ),
        ),
    ]);
    vec![("BulkUpsertedContact", done), ("BulkRefusedContact", refused)]
}
