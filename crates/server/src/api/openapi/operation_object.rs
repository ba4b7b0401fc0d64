//! Operation Objects of the document, with the parts that are the same for all operations: security, headers, errors.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use domain::access::permission::Permission;
use domain::json::{Object, Value};

use crate::api::error::Code;
use crate::api::idempotency_key::{REPLAYED_DESCRIPTION, REPLAYED_HEADER, key_schema};
use crate::api::openapi::errors;
use crate::api::openapi::names::pascal_case;
use crate::api::openapi::operation::{
    ANY_TYPE, JSON, Operation, OperationResponse, Parameter, RequestBody, ResponseHeader, json,
};
use crate::api::openapi::schema::Schema;
use crate::api::response::object;
use crate::api::route_access::{Idempotency, Route, RouteAccess};
use crate::request_bodies::bounds::BodyBounds;

/// Media type of a file for code generators, which do not know `*/*`.
const OCTET_STREAM: &str = "application/octet-stream";

/// Returns the Operation Object of a route. Error responses that several operations share are added to `shared`.
pub(crate) fn operation_object(
    tag: &str,
    route: &Route,
    operation: &Operation,
    shared: &mut Object,
) -> Value {
    let operation = &with_idempotency_key(route, operation.clone());
    let mut object =
        outline(tag, operation, description(route, operation), route.body_bounds(), security(route));
    if let RouteAccess::Permission(permission) | RouteAccess::SelfOr(permission) = route.access {
        object.insert("x-permission", permission.as_str());
    }
    object.insert("responses", responses(route, operation, shared));
    Value::Object(object)
}

/// Adds the header `Idempotency-Key` to the operation of a route that accepts the header. Sends describe it themselves.
fn with_idempotency_key(route: &Route, operation: Operation) -> Operation {
    match route.idempotency() {
        Idempotency::None | Idempotency::Send => return operation,
        Idempotency::Json | Idempotency::Stream => {}
    }
    let mut operation = operation
        .header(
            "Idempotency-Key",
            "Makes the request safe to repeat for 24 hours: a repeated request with the same body gets the response to \
             the first request.",
            key_schema(),
        )
        .errors([Code::IdempotencyMismatch, Code::IdempotencyInProgress, Code::IdempotencyInterrupted]);
    for response in &mut operation.responses {
        response.headers.push(ResponseHeader {
            name: REPLAYED_HEADER,
            description: REPLAYED_DESCRIPTION,
            schema: Schema::constant("true"),
        });
    }
    operation
}

/// Returns the Operation Object without its responses.
pub(crate) fn outline(
    tag: &str,
    operation: &Operation,
    description: String,
    bounds: BodyBounds,
    security: Vec<Value>,
) -> Object {
    let mut object = Object::new();
    object.insert("operationId", operation.name);
    object.insert("summary", operation.summary);
    object.insert("description", description);
    object.insert("tags", vec![Value::from(tag)]);
    object.insert("security", security);
    if !operation.parameters.is_empty() {
        object.insert("parameters", operation.parameters.iter().map(parameter).collect::<Vec<_>>());
    }
    if let Some(body) = &operation.body {
        object.insert("requestBody", request_body(body, bounds.max_bytes));
    }
    object
}

/// Returns the description of an operation, with the permission that the caller needs.
pub(crate) fn description(route: &Route, operation: &Operation) -> String {
    let access = match route.access {
        RouteAccess::Public => "No authentication.".to_owned(),
        RouteAccess::Authenticated => "Needs any key or session.".to_owned(),
        RouteAccess::SelfOr(permission) => {
            format!("Needs the permission `{}`, or to be the user.", permission.as_str())
        }
        RouteAccess::Permission(permission) => {
            format!("Needs the permission `{}` ({}).", permission.as_str(), scopes_text(permission))
        }
    };
    if operation.description.is_empty() { access } else { format!("{}\n\n{access}", operation.description) }
}

/// Returns the scopes that give a permission, as text.
pub(crate) fn scopes_text(permission: Permission) -> String {
    let names: Vec<_> = permission.scopes().iter().map(|scope| format!("`{}`", scope.as_str())).collect();
    let alternatives = names.join(" or ");
    match (names.as_slice(), permission.additional_scope()) {
        ([], _) => "users only".to_owned(),
        (_, None) => format!("scope {alternatives}"),
        (_, Some(also)) => format!("scope `{}`, and {alternatives}", also.as_str()),
    }
}

fn is_safe(route: &Route) -> bool {
    route.method == "GET"
}

/// Security requirement of all these schemes together.
pub(crate) fn scheme_requirement(names: &[&str]) -> Value {
    let mut all = Object::new();
    for name in names {
        all.insert(name, Vec::<Value>::new());
    }
    Value::Object(all)
}

/// Security requirements of an operation.
pub(crate) fn security(route: &Route) -> Vec<Value> {
    if route.access == RouteAccess::Public {
        return Vec::new();
    }
    let session: &[&str] = if is_safe(route) { &["session"] } else { &["session", "csrf"] };
    vec![scheme_requirement(&["key"]), scheme_requirement(&["bearer"]), scheme_requirement(session)]
}

fn parameter(parameter: &Parameter) -> Value {
    let mut object = Object::new();
    object.insert("name", parameter.name.as_str());
    object.insert("in", parameter.location);
    if parameter.is_required {
        object.insert("required", true);
    }
    if !parameter.description.is_empty() {
        object.insert("description", parameter.description.as_str());
    }
    let schema = Value::from(parameter.schema.clone());
    if schema.get("type").and_then(Value::as_str) == Some("array") {
        // The values are separated by commas.
        object.insert("style", "form");
        object.insert("explode", false);
    }
    object.insert("schema", schema);
    if let Some(example) = &parameter.example {
        object.insert("example", example.clone());
    }
    Value::Object(object)
}

fn request_body(body: &RequestBody, max_bytes: u64) -> Value {
    let mut content = Object::new();
    content.insert("schema", body.schema.clone());
    if !body.examples.is_empty() {
        let mut examples = Object::new();
        for (name, text) in &body.examples {
            examples.insert(name, object([("value", json(text))]));
        }
        content.insert("examples", examples);
    }
    let mut contents = Object::new();
    contents.insert(body.media_type, content);
    if let Some(alternative) = &body.alternative {
        let schema = alternative.schema.clone();
        let content = object([("schema", schema.into()), ("example", alternative.example.into())]);
        contents.insert(alternative.media_type, content);
    }
    let description = format!("At most {max_bytes} bytes.");
    object([
        ("description", description.into()),
        ("required", body.is_required.into()),
        ("content", contents.into()),
    ])
}

/// Responses of an operation. Error responses that several operations share are added to `shared`.
fn responses(route: &Route, operation: &Operation, shared: &mut Object) -> Object {
    let mut responses = Object::new();
    for response in &operation.responses {
        let headers = headers(route.access != RouteAccess::Public, None);
        responses.insert(&response.status.to_string(), response_object(headers, response));
    }
    for (status, codes) in codes_by_status(route, operation) {
        let has_rate_limit = route.access != RouteAccess::Public && status != 401;
        let written = error_response(has_rate_limit, status, &codes);
        let response = if has_rate_limit == (status != 401) && codes.len() <= MOST_SHARED {
            let name = shared_name(&codes);
            let reference = format!("#/components/responses/{name}");
            shared.insert(&name, written);
            object([("$ref", reference.into())])
        } else {
            written
        };
        responses.insert(&status.to_string(), response);
    }
    responses
}

/// Error codes of an operation, by HTTP status.
pub(crate) fn codes_by_status(route: &Route, operation: &Operation) -> BTreeMap<u16, Vec<Code>> {
    let mut by_status: BTreeMap<u16, Vec<Code>> = BTreeMap::new();
    for code in codes(route, operation) {
        let codes = by_status.entry(code.status().as_u16()).or_default();
        if !codes.contains(&code) {
            codes.push(code);
        }
    }
    by_status
}

/// Maximum number of codes of a shared error response. Two operations seldom have the same longer list.
const MOST_SHARED: usize = 3;

/// Returns the name of a shared error response, such as `NotFoundOrUserNotFound`.
fn shared_name(codes: &[Code]) -> String {
    codes.iter().map(|code| pascal_case(code.as_str())).collect::<Vec<_>>().join("Or")
}

/// Error codes of an operation.
fn codes(route: &Route, operation: &Operation) -> Vec<Code> {
    let mut codes = vec![Code::InvalidRequest];
    if route.access != RouteAccess::Public {
        codes.extend([Code::InvalidApiKey, Code::Forbidden, Code::RateLimited]);
    }
    if !is_safe(route) {
        codes.push(Code::CsrfRequired);
    }
    if route.path.contains('{') {
        codes.push(Code::NotFound);
    }
    if operation.body.is_some() {
        codes.extend([
            Code::PayloadTooLarge,
            Code::UnsupportedMediaType,
            Code::RequestTimeout,
            Code::Overloaded,
        ]);
    }
    codes.extend([Code::Internal, Code::StoreUnavailable]);
    codes.extend(operation.codes.iter().copied());
    codes
}

/// Headers of every response.
pub(crate) fn headers(has_rate_limit: bool, retry_after: Option<bool>) -> Object {
    let mut headers = Object::new();
    let header = |name: &str| object([("$ref", format!("#/components/headers/{name}").into())]);
    headers.insert("X-Request-Id", header("RequestId"));
    if has_rate_limit {
        headers.insert("X-RateLimit-Limit", header("RateLimitLimit"));
        headers.insert("X-RateLimit-Remaining", header("RateLimitRemaining"));
        headers.insert("X-RateLimit-Reset", header("RateLimitReset"));
    }
    match retry_after {
        Some(true) => drop(headers.insert("Retry-After", header("RetryAfter"))),
        Some(false) => drop(headers.insert("Retry-After", header("RetryAfterIfAny"))),
        None => {}
    }
    headers
}

/// A response, with these headers and its own.
pub(crate) fn response_object(mut headers: Object, response: &OperationResponse) -> Value {
    let mut described = Object::new();
    described.insert("description", response.description);
    for ResponseHeader { name, description, schema } in &response.headers {
        let header = object([("description", (*description).into()), ("schema", schema.clone().into())]);
        headers.insert(name, header);
    }
    described.insert("headers", headers);
    if let Some((media_type, schema)) = &response.content {
        let mut content = Object::new();
        content.insert("schema", schema.clone());
        if let Some(example) = &response.example {
            content.insert("example", example.clone());
        }
        let mut contents = Object::new();
        if *media_type == ANY_TYPE {
            contents.insert(OCTET_STREAM, content.clone());
        }
        contents.insert(media_type, content);
        described.insert("content", contents);
    }
    Value::Object(described)
}

fn error_response(has_rate_limit: bool, status: u16, codes: &[Code]) -> Value {
    let mut examples = Object::new();
    for code in codes {
        let name = code.as_str();
        examples.insert(name, object([("$ref", format!("#/components/examples/{name}").into())]));
    }
    let content = object([("schema", Schema::reference("Error").into()), ("examples", examples.into())]);
    object([
        ("description", error_description(status, codes).into()),
        ("headers", headers(has_rate_limit, retry_after_of(codes)).into()),
        ("content", object([(JSON, content)])),
    ])
}

/// Description of an error response.
pub(crate) fn error_description(status: u16, codes: &[Code]) -> String {
    let reason = StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason());
    let lines = codes.iter().map(|code| format!("\n- `{}`: {}", code.as_str(), code.description()));
    format!("{}.{}", reason.unwrap_or("Error"), lines.collect::<String>())
}

/// `Some(true)` if every error with these codes has `Retry-After`, `Some(false)` if some have it.
pub(crate) fn retry_after_of(codes: &[Code]) -> Option<bool> {
    let may = codes.iter().any(|code| errors::may_have_retry_after(*code));
    may.then(|| codes.iter().all(|code| errors::has_retry_after(*code)))
}
