//! `GET /api/openapi.json`: the whole API, described (OpenAPI 3.1).
//!
//! Each file below describes one resource: its routes (`operations`) and what they show (`schemas`). What every route
//! has (who may call it, the headers, the errors that can always be) is added here, from the list of routes.
//! A new route needs an [`Operation`] that is named like its handler, in the file of its resource:
//!
//! ```text
//! Operation::new("get_contact", "Read a contact", "")
//!     .id("The id of the contact.", CONTACT)
//!     .gives(200, "The contact.", named("Contact"), SHOWN)
//!     .fails([Code::ContactNotFound])
//! ```
//!
//! **Invariant:** every route of the list is described, and nothing else but what `outside` names; every code of an error is the answer of some
//! route. Tests send each example to the real handler and hold each answer of every test against its schema.

pub(crate) mod errors;
pub(crate) mod example;
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

use self::operation::Operation;
use self::schema::Schema;
use super::routes::ROUTES;
use crate::api::error::ApiError;
use crate::api::request_context::RequestContext;
use crate::api::{request_body, response, serialize};

/// The document as it is served, with its tag.
static SERVED: LazyLock<(Bytes, String)> = LazyLock::new(|| {
    let bytes = serde_json::to_vec(&document()).unwrap_or_default();
    let digest: [u8; 32] = Sha256::digest(&bytes).into();
    (bytes.into(), format!("\"{}\"", serialize::hex(&digest)))
});

/// Answers with the document.
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

/// A resource: the name and the words of its heading, its routes, and the shapes that it shows.
pub(crate) struct Resource {
    name: &'static str,
    about: &'static str,
    operations: Vec<Operation>,
    schemas: Vec<(&'static str, Schema)>,
}

/// Every resource, in the order of the page.
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
        messages::openapi::send, "Sending", "Messages go out: one, or many at once.";
        messages::openapi, "Messages", "What became of messages, and what customers wrote.";
        media::openapi, "Media", "Files that customers sent, and files for customers.";
        templates::openapi, "Templates", "Messages that Meta has approved beforehand.";
        contacts::openapi, "Contacts", "The people.";
        accounts::openapi, "Accounts", "The WhatsApp senders.";
        events::openapi, "Events", "All that happens, asked for or streamed.";
        webhooks_out::openapi, "Webhooks", "All that happens, posted to you.";
        access::openapi::api_keys, "API keys", "What programs call with.";
        access::openapi::users, "Users", "People who log in.";
        access::openapi::session, "Session", "Login, logout, who calls, and this document.";
        access::openapi::audit, "Audit log", "Who did what.";
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
    document.insert("paths", paths);
    document.insert("webhooks", crate::api::webhooks_out::openapi::posted());
    document.insert("components", parts::components(&resources, responses));
    Value::Object(document)
}

/// The document as people read it: `docs/openapi.json`.
pub(crate) fn printed() -> String {
    print::printed(&document())
}

/// The routes, in the order of their list. Answers that several have go to `responses`.
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
