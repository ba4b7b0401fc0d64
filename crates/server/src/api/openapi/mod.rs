//! The OpenAPI 3.1 document of the API, served at `GET /api/openapi.json`.
//!
//! The file `openapi.rs` beside the handlers of a subject describes its operations (`operations`) and the schemas of its
//! responses (`schemas`). The schemas of requests are not written down: `RequestSchema` describes the readers of the
//! handlers. This module adds what every operation has (permission, headers, common errors), from the list of routes.
//! A new route needs an [`Operation`] with the name of its handler:
//!
//! ```text
//! Operation::new("get_contact", "Get a contact", "")
//!     .id("ID of the contact.", CONTACT)
//!     .gives(200, "The contact.", named("Contact"), SHOWN)
//!     .fails([Code::ContactNotFound])
//! ```
//!
//! **Invariant:** every route is described, and nothing else except the operations of `outside`; every error code belongs
//! to an operation. Tests send each example to its handler, and compare every response in every test with its schema.

pub(crate) mod errors;
pub(crate) mod example;
pub(crate) mod names;
pub(crate) mod operation;
pub(crate) mod outside;
pub(crate) mod parts;
pub(crate) mod print;
pub(crate) mod schema;
#[cfg(test)]
mod tests;

use std::sync::LazyLock;

use axum::body::Body;
use axum::extract::RawQuery;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use bytes::Bytes;
use domain::json::{Object, Value};
use sha2::{Digest, Sha256};

use self::names::Names;
use self::operation::Operation;
use self::schema::Schema;
use super::routes::ROUTES;
use crate::api::error::ApiError;
use crate::api::request_context::RequestContext;
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
    request_body::no_query(query.as_deref())?;
    let (bytes, tag) = &*SERVED;
    let known = headers.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    let is_known = known.is_some_and(|known| known.split(',').any(|one| one.trim() == tag));
    let mut response =
        if is_known { response::no_content() } else { Response::new(Body::from(bytes.clone())) };
    if is_known {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    } else {
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    let tag = HeaderValue::try_from(tag).map_err(|_| ApiError::invalid_at("", "the document has no tag"))?;
    response.headers_mut().insert(header::ETAG, tag);
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    Ok(response)
}

/// A group of operations, with its name, its description and the schemas of its responses.
pub(crate) struct Resource {
    name: &'static str,
    about: &'static str,
    operations: Vec<Operation>,
    schemas: Vec<(&'static str, Schema)>,
}

/// All groups, in the order of the documentation page.
fn resources() -> Vec<Resource> {
    macro_rules! resources {
        ($($($file:ident)::+, $name:literal, $about:literal;)*) => {
            vec![$(Resource {
                name: $name,
                about: $about,
                operations: $($file)::+::operations(),
                schemas: $($file)::+::schemas(),
            }),*]
        };
    }
    use crate::api::{access, accounts, contacts, events, media, messages, templates, webhooks_out};
    resources! {
        messages::openapi::send, "Sending", "Send one message or a batch.";
        messages::openapi, "Messages", "Outbound and inbound messages.";
        media::openapi, "Media", "Files of inbound and outbound messages.";
        templates::openapi, "Templates", "Message templates that Meta has approved.";
        contacts::openapi, "Contacts", "People who write to you or receive your messages.";
        accounts::openapi, "Accounts", "WhatsApp phone numbers that send messages.";
        events::openapi, "Events", "Events by polling or as a stream.";
        webhooks_out::openapi, "Webhooks", "Events that Waypost delivers to your endpoints.";
        access::openapi::api_keys, "API keys", "Credentials of programs.";
        access::openapi::users, "Users", "People who log in.";
        access::openapi::session, "Session", "Login, logout, the caller and this document.";
        access::openapi::audit, "Audit log", "Administrative changes.";
    }
}

/// The whole document.
pub(crate) fn document() -> Value {
    let resources = resources();
    let mut document = Object::new();
    document.insert("openapi", "3.1.0");
    document.insert("info", parts::info());
    document.insert("servers", vec![response::object([("url", "/".into())])]);
    let tag = |resource: &Resource| {
        response::object([("name", resource.name.into()), ("description", resource.about.into())])
    };
    let further = outside::TAGS
        .map(|(name, about)| response::object([("name", name.into()), ("description", about.into())]));
    document.insert("tags", resources.iter().map(tag).chain(further).collect::<Vec<_>>());
    let mut responses = Object::new();
    let mut paths = paths(&resources, &mut responses);
    outside::add(&mut paths);
    let mut names = Names::default();
    parts::define_schemas(&resources, &mut names);
    for (_, methods) in paths.iter_mut() {
        let Some(methods) = methods.as_object_mut() else { continue };
        methods.iter_mut().for_each(|(_, operation)| parts::name_schemas(operation, &mut names));
    }
    document.insert("paths", paths);
    document.insert("webhooks", crate::api::webhooks_out::openapi::posted());
    document.insert("components", parts::components(names.in_order(), responses));
    Value::Object(document)
}

/// The document, formatted for people: `docs/openapi.json`.
pub(crate) fn printed() -> String {
    print::printed(&document())
}

/// The operations, in the order of the list of routes. Shared responses are added to `responses`.
fn paths(resources: &[Resource], responses: &mut Object) -> Object {
    let mut paths = Object::new();
    for route in ROUTES {
        let described = resources.iter().find_map(|resource| {
            let operation = resource.operations.iter().find(|operation| operation.name == route.name())?;
            Some((resource, operation))
        });
        let Some((resource, operation)) = described else { continue };
        let path = format!("/api{}", route.path);
        if paths.get(&path).is_none() {
            paths.insert(&path, Object::new());
        }
        if let Some(methods) = paths.get_mut(&path).and_then(Value::as_object_mut) {
            let shown = parts::operation(resource.name, route, operation, responses);
            methods.insert(&route.method.to_ascii_lowercase(), shown);
        }
    }
    paths
}
