//! The OpenAPI 3.1 document of the API, served at `GET /api/openapi.json`: collects the descriptions of all subjects.
//!
//! **Invariant:** every route is described, and nothing else except the operations of [`other_routes`] and [`v1`]; every
//! error code belongs to an operation. Tests send each example to its handler, and compare every response in every test
//! with its schema.

mod other_routes;
#[cfg(test)]
mod tests;
mod v1;

use std::sync::LazyLock;

use axum::body::Body;
use axum::extract::RawQuery;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use bytes::Bytes;
use domain::json::{Object, Value};
use sha2::{Digest, Sha256};

use crate::api::error::ApiError;
use crate::api::middleware::V1_SEND_PATH;
use crate::api::openapi::names::{SchemaNames, pascal_case};
use crate::api::openapi::operation::{JSON, Operation};
use crate::api::openapi::operation_object::operation_object;
use crate::api::openapi::schema::Schema;
use crate::api::openapi::{components, errors, print};
use crate::api::request_context::RequestContext;
use crate::api::request_head;
use crate::api::routes::ROUTES;
use crate::api::{request_body, response, serialize};

/// The served document, with its `ETag`.
static SERVED: LazyLock<(Bytes, String)> = LazyLock::new(|| {
    let bytes = serde_json::to_vec(&document()).unwrap_or_default();
    let digest: [u8; 32] = Sha256::digest(&bytes).into();
    (bytes.into(), format!("\"{}\"", serialize::hex(&digest)))
});

/// Returns the document.
pub(crate) async fn get_openapi(
    _: RequestContext,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    request_body::reject_query(query.as_deref())?;
    let (bytes, etag) = &*SERVED;
    let known = headers.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    let is_known = known.is_some_and(|known| known.split(',').any(|one| one.trim() == etag));
    let mut response =
        if is_known { response::no_content() } else { Response::new(Body::from(bytes.clone())) };
    if is_known {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    } else {
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    let etag = HeaderValue::try_from(etag).map_err(|_| ApiError::internal())?;
    response.headers_mut().insert(header::ETAG, etag);
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    Ok(response)
}

fn get_openapi_operation() -> Operation {
    let etag = || Schema::pattern("^\"[0-9a-f]{64}\"$");
    Operation::new(
        "get_openapi",
        "Get the OpenAPI document",
        "This document, in OpenAPI 3.1. The page `/docs` shows it.",
    )
    .header(
        "If-None-Match",
        "`ETag` of an earlier response. The response is 304 if nothing has changed.",
        Schema::string(..=request_head::MAX_HEADER),
    )
    .responds_raw(200, "The OpenAPI document.", JSON, Schema::any_object())
    .response_header("ETag", "SHA-256 of the content.", etag())
    .responds_empty(304, "Nothing has changed.")
    .response_header("ETag", "SHA-256 of the content.", etag())
}

/// A tag of the document: a group of operations, with the named schemas of their responses.
struct Tag {
    name: &'static str,
    description: &'static str,
    operations: Vec<Operation>,
    schemas: Vec<(&'static str, Schema)>,
}

/// Returns all tags of the API, in the order of the documentation.
fn tags() -> Vec<Tag> {
    macro_rules! tags {
        ($($name:literal, $description:literal, [$($operations:path),*], [$($schemas:path),*];)*) => {
            vec![$(Tag {
                name: $name,
                description: $description,
                operations: Vec::new().into_iter()$(.chain($operations()))*.collect(),
                schemas: Vec::new().into_iter()$(.chain($schemas()))*.collect(),
            }),*]
        };
    }
    use crate::api::access::{api_keys, audit, session, users};
    use crate::api::{access, accounts, contacts, events, media, messages, templates, webhooks_out};
    tags! {
        "Sending", "Send one message or a batch.",
            [messages::send::operations, messages::batch::operations],
            [messages::send_response::schemas, messages::dry_run::schemas];
        "Messages", "Outbound and inbound messages.",
            [messages::list::operations, messages::mark_read::operations, messages::cancel::operations,
             messages::reschedule::operations, messages::resolve::operations],
            [messages::serialize::schemas];
        "Media", "Files of inbound and outbound messages.",
            [
                media::list::operations, media::upload::operations, media::download::operations,
                media::delete::operations
            ], [media::serialize::schemas];
        "Templates", "Message templates that Meta has approved.",
            [templates::list::operations, templates::sync::operations, templates::change::operations,
             templates::preview::operations],
            [templates::serialize::schemas, templates::preview::schemas];
        "Contacts", "People who write to you or receive your messages.",
            [contacts::list::operations, contacts::change::operations, contacts::bulk::operations,
             contacts::import::operations, contacts::export::operations, contacts::messages::operations,
             contacts::window::operations],
            [contacts::outcome::schemas, contacts::serialize::schemas, contacts::import_report::schemas];
        "Accounts", "WhatsApp phone numbers that send messages.",
            [accounts::list::operations, accounts::change::operations, accounts::resume::operations,
             accounts::test::operations, accounts::registration::operations, accounts::profile::operations],
            [accounts::serialize::schemas];
        "Events", "Events by polling or as a stream.",
            [events::list::operations, events::stream::operations], [events::schemas::schemas];
        "Webhooks", "Events that Waypost delivers to your endpoints.",
            [webhooks_out::endpoints::operations, webhooks_out::deliveries::operations],
            [webhooks_out::serialize::schemas];
        "API keys", "Credentials of programs.", [api_keys::operations], [access::serialize::api_key_schemas];
        "Users", "People who log in.", [users::operations], [access::serialize::user_schemas];
        "Session", "Login, logout, the caller and this document.",
            [session::operations, document_operations], [session::schemas];
        "Audit log", "Administrative changes.", [audit::operations], [access::serialize::audit_schemas];
    }
}

fn document_operations() -> Vec<Operation> {
    vec![get_openapi_operation()]
}

/// Returns the document.
fn document() -> Value {
    let tags = tags();
    let mut document = Object::new();
    document.insert("openapi", "3.1.0");
    document.insert("info", components::info());
    document.insert("servers", vec![response::object([("url", "/".into())])]);
    let tag_object = |name: &str, description: &str| {
        response::object([("name", name.into()), ("description", description.into())])
    };
    let subjects = tags.iter().map(|tag| tag_object(tag.name, tag.description));
    let others = other_routes::TAGS.iter().map(|(name, description)| tag_object(name, description));
    document.insert("tags", subjects.chain(others).collect::<Vec<_>>());
    let mut responses = Object::new();
    let mut paths = paths(&tags, &mut responses);
    paths.insert(V1_SEND_PATH, response::object([("post", v1::operation_object())]));
    other_routes::add(&mut paths);
    let mut names = SchemaNames::default();
    define_schemas(&tags, &mut names);
    for (_, methods) in paths.iter_mut() {
        let Some(methods) = methods.as_object_mut() else { continue };
        methods.iter_mut().for_each(|(_, operation)| name_schemas(operation, &mut names));
    }
    document.insert("paths", paths);
    document.insert("webhooks", crate::api::webhooks_out::callback::webhooks());
    document.insert("components", components::components(names.in_order(), responses));
    Value::Object(document)
}

/// Returns the document as text for people: `docs/openapi.json`.
pub(crate) fn printed() -> String {
    print::printed(&document())
}

/// Returns the Path Items, in the order of the list of routes. Shared responses are added to `responses`.
fn paths(tags: &[Tag], responses: &mut Object) -> Object {
    let mut paths = Object::new();
    for route in ROUTES {
        let described = tags.iter().find_map(|tag| {
            let operation = tag.operations.iter().find(|operation| operation.name == route.name())?;
            Some((tag, operation))
        });
        let Some((tag, operation)) = described else { continue };
        let path = format!("/api{}", route.path);
        if paths.get(&path).is_none() {
            paths.insert(&path, Object::new());
        }
        if let Some(methods) = paths.get_mut(&path).and_then(Value::as_object_mut) {
            let object = operation_object(tag.name, route, operation, responses);
            methods.insert(&route.method.to_ascii_lowercase(), object);
        }
    }
    paths
}

/// Adds every schema that has a name of its own.
fn define_schemas(tags: &[Tag], names: &mut SchemaNames) {
    for tag in tags {
        for (name, schema) in &tag.schemas {
            names.define(name, schema.clone());
        }
        for (name, schema) in tag.operations.iter().flat_map(|operation| operation.definitions.iter()) {
            names.define(name, Schema::from(schema.clone()));
        }
    }
    for (name, schema) in v1::schemas() {
        names.define(name, schema);
    }
    names.define("Error", errors::error());
    names.define("ErrorDetails", errors::details());
    names.define("ValidationErrors", errors::validation_errors());
    names.define("MetaError", errors::meta_error());
    names.define("Failure", errors::failure());
}

/// Gives a name to each object schema of the bodies and the responses of an operation.
fn name_schemas(operation: &mut Value, names: &mut SchemaNames) {
    let name = pascal_case(operation.get("operationId").and_then(Value::as_str).unwrap_or_default());
    if let Some(body) = operation.get_mut("requestBody") {
        for_each_schema(body, &mut |schema| names.extract(&format!("{name}Request"), schema));
    }
    let Some(responses) = operation.get_mut("responses").and_then(Value::as_object_mut) else { return };
    for (_, response) in responses.iter_mut() {
        for_each_schema(response, &mut |schema| names.extract(&format!("{name}Response"), schema));
    }
}

/// Calls `f` with the schema of each media type of a body or a response.
fn for_each_schema(body_or_response: &mut Value, f: &mut dyn FnMut(&mut Value)) {
    let Some(content) = body_or_response.get_mut("content").and_then(Value::as_object_mut) else { return };
    for (_, media_type) in content.iter_mut() {
        if let Some(schema) = media_type.get_mut("schema") {
            f(schema);
        }
    }
}
