//! Parts of the document that are the same for all operations: headers, error responses, security schemes.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use domain::json::{Object, Value};

use super::names::{self, Names};
use super::operation::{Answer, Body, JSON, Operation, Parameter, json};
use super::schema::{Schema, id, integer, named, only, text};
use super::{Resource, errors, example, outside};
use crate::api::error::Code;
use crate::api::media::openapi::{BYTES, OCTETS};
use crate::api::response::object;
use crate::api::route_access::{Route, RouteAccess};
use crate::api::session_cookie;

const ABOUT: &str = "\
Waypost sends WhatsApp messages through Meta's Cloud API and reports their status.

- **Authentication**: send an API key in `X-API-Key` or `Authorization: Bearer`, or use the session of a user who has logged in.
- **Success** is `{\"status\":\"success\",\"data\":…}`. **Errors** are `{\"status\":\"error\",\"message\":…,\"code\":…}`: `code` is stable and for programs, `message` is for developers, `details.errors` has each validation error with a JSON pointer.
- **429 and 5xx** guarantee that nothing was sent: repeat the request after `Retry-After` seconds. **202** with the status `unknown` means that the outcome is not known: do not send the message again.
- **`Idempotency-Key`** makes a send safe to repeat for 24 hours.
- **Unknown fields and parameters** are refused with 400. In a body, `null` is the same as a missing field; in a `PUT`, `null` clears the field.
- **Fields may be added** to responses. Times are RFC 3339 in UTC, IDs are UUIDs, phone numbers begin with `+`.
- Every response has `X-Request-Id`. With a valid key it also has `X-RateLimit-Limit`, `X-RateLimit-Remaining` and `X-RateLimit-Reset`.
- An unknown path is 404 `not_found`. A method that the path does not support is 405 `method_not_allowed`.";

/// `info`.
pub(crate) fn info() -> Value {
    object([
        ("title", "Waypost".into()),
        ("version", env!("CARGO_PKG_VERSION").into()),
        ("summary", "A self-hosted WhatsApp Business messaging gateway.".into()),
        ("description", ABOUT.into()),
        ("license", object([("name", "MIT".into()), ("identifier", "MIT".into())])),
    ])
}

/// Description of one operation.
pub(crate) fn operation(tag: &str, route: &Route, operation: &Operation, shared: &mut Object) -> Value {
    let mut shown = outline(tag, operation, about(route, operation), security(route));
    if let RouteAccess::Permission(permission) | RouteAccess::SelfOr(permission) = route.access {
        shown.insert("x-permission", permission.as_str());
    }
    shown.insert("responses", responses(route, operation, shared));
    Value::Object(shown)
}

/// Description of an operation, without its responses.
pub(crate) fn outline(tag: &str, operation: &Operation, about: String, security: Vec<Value>) -> Object {
    let mut shown = Object::new();
    shown.insert("operationId", operation.name);
    shown.insert("summary", operation.summary);
    shown.insert("description", about);
    shown.insert("tags", vec![Value::from(tag)]);
    shown.insert("security", security);
    if !operation.parameters.is_empty() {
        shown.insert("parameters", operation.parameters.iter().map(parameter).collect::<Vec<_>>());
    }
    if let Some(body) = &operation.body {
        shown.insert("requestBody", request_body(body));
    }
    shown
}

/// Description of an operation, with the permission that the caller needs.
pub(crate) fn about(route: &Route, operation: &Operation) -> String {
    let needs = match route.access {
        RouteAccess::Public => "No authentication.".to_owned(),
        RouteAccess::Authenticated => "Needs any key or session.".to_owned(),
        RouteAccess::SelfOr(permission) => {
            format!("Needs the permission `{}`, or to be the user.", permission.as_str())
        }
        RouteAccess::Permission(permission) => match permission.scope() {
            Some(scope) => {
                format!("Needs the permission `{}` (scope `{}`).", permission.as_str(), scope.as_str())
            }
            None => format!("Needs the permission `{}`, which no key has.", permission.as_str()),
        },
    };
    if operation.about.is_empty() { needs } else { format!("{}\n\n{needs}", operation.about) }
}

fn is_safe(route: &Route) -> bool {
    route.method == "GET"
}

/// Security requirement of all these schemes together.
pub(crate) fn needing(names: &[&str]) -> Value {
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
    vec![needing(&["key"]), needing(&["bearer"]), needing(session)]
}

fn parameter(parameter: &Parameter) -> Value {
    let mut shown = Object::new();
    shown.insert("name", parameter.name.as_str());
    shown.insert("in", parameter.place);
    if parameter.is_required {
        shown.insert("required", true);
    }
    if !parameter.about.is_empty() {
        shown.insert("description", parameter.about.as_str());
    }
    let schema = Value::from(parameter.schema.clone());
    if schema.get("type").and_then(Value::as_str) == Some("array") {
        // Parted by commas.
        shown.insert("style", "form");
        shown.insert("explode", false);
    }
    shown.insert("schema", schema);
    if let Some(example) = &parameter.example {
        shown.insert("example", example.clone());
    }
    Value::Object(shown)
}

fn request_body(body: &Body) -> Value {
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
    if let Some((media_type, schema, example)) = &body.other {
        let content = object([("schema", schema.clone().into()), ("example", (*example).into())]);
        contents.insert(media_type, content);
    }
    object([("required", body.is_required.into()), ("content", contents.into())])
}

/// Responses of an operation. Error responses that several operations share are added to `shared`.
fn responses(route: &Route, operation: &Operation, shared: &mut Object) -> Object {
    let mut responses = Object::new();
    for answer in &operation.answers {
        let headers = headers(route.access != RouteAccess::Public, None);
        responses.insert(&answer.status.to_string(), answer_of(headers, answer));
    }
    for (status, codes) in codes_by_status(route, operation) {
        let is_known = route.access != RouteAccess::Public && status != 401;
        let refusal = refusal(is_known, status, &codes);
        let response = if is_known == (status != 401) && codes.len() <= MOST_SHARED {
            let name = shared_name(&codes);
            let reference = format!("#/components/responses/{name}");
            shared.insert(&name, refusal);
            object([("$ref", reference.into())])
        } else {
            refusal
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

/// Largest number of codes of a shared error response: longer lists are hardly the same for two operations.
const MOST_SHARED: usize = 3;

/// `NotFoundOrUserNotFound`.
fn shared_name(codes: &[Code]) -> String {
    let name = |code: &Code| -> String {
        let words = code.as_str().split('_').map(|word| {
            let mut letters = word.chars();
            let first = letters.next().map(|letter| letter.to_ascii_uppercase());
            first.into_iter().chain(letters).collect::<String>()
        });
        words.collect()
    };
    codes.iter().map(name).collect::<Vec<_>>().join("Or")
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
        codes.extend([Code::PayloadTooLarge, Code::RequestTimeout]);
    }
    codes.extend([Code::Internal, Code::StoreUnavailable]);
    codes.extend(operation.codes.iter().copied());
    codes
}

/// Headers of every response.
pub(crate) fn headers(is_known: bool, has_wait: Option<bool>) -> Object {
    let mut headers = Object::new();
    let header = |name: &str| object([("$ref", format!("#/components/headers/{name}").into())]);
    headers.insert("X-Request-Id", header("RequestId"));
    if is_known {
        headers.insert("X-RateLimit-Limit", header("RateLimitLimit"));
        headers.insert("X-RateLimit-Remaining", header("RateLimitRemaining"));
        headers.insert("X-RateLimit-Reset", header("RateLimitReset"));
    }
    match has_wait {
        Some(true) => drop(headers.insert("Retry-After", header("RetryAfter"))),
        Some(false) => drop(headers.insert("Retry-After", header("RetryAfterIfAny"))),
        None => {}
    }
    headers
}

/// A response, with these headers and its own.
pub(crate) fn answer_of(mut headers: Object, answer: &Answer) -> Value {
    let mut shown = Object::new();
    shown.insert("description", answer.about);
    for (name, about, schema) in &answer.headers {
        headers.insert(name, object([("description", (*about).into()), ("schema", schema.clone().into())]));
    }
    shown.insert("headers", headers);
    if let Some((media_type, schema)) = &answer.content {
        let mut content = Object::new();
        content.insert("schema", schema.clone());
        if let Some(example) = &answer.example {
            content.insert("example", example.clone());
        }
        let mut contents = Object::new();
        if *media_type == BYTES {
            contents.insert(OCTETS, content.clone());
        }
        contents.insert(media_type, content);
        shown.insert("content", contents);
    }
    Value::Object(shown)
}

fn refusal(is_known: bool, status: u16, codes: &[Code]) -> Value {
    let mut examples = Object::new();
    for code in codes {
        let word = code.as_str();
        examples.insert(word, object([("$ref", format!("#/components/examples/{word}").into())]));
    }
    let content = object([("schema", named("Error").into()), ("examples", examples.into())]);
    object([
        ("description", refusal_about(status, codes).into()),
        ("headers", headers(is_known, wait_of(codes)).into()),
        ("content", object([(JSON, content)])),
    ])
}

/// Description of an error response.
pub(crate) fn refusal_about(status: u16, codes: &[Code]) -> String {
    let reason = StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason());
    let words = codes.iter().map(|code| format!("\n- `{}`: {}", code.as_str(), code.about()));
    format!("{}.{}", reason.unwrap_or("Error"), words.collect::<String>())
}

/// `Some(true)` if every error with these codes has `Retry-After`, `Some(false)` if some have it.
pub(crate) fn wait_of(codes: &[Code]) -> Option<bool> {
    let may = codes.iter().any(|code| errors::may_have_wait(*code));
    may.then(|| codes.iter().all(|code| errors::has_wait(*code)))
}

/// The `components` of the document.
pub(crate) fn components(schemas: Object, responses: Object) -> Value {
    let mut examples = Object::new();
    for code in Code::ALL {
        examples.insert(code.as_str(), object([("summary", code.about().into()), ("value", refused(*code))]));
    }
    object([
        ("schemas", schemas.into()),
        ("responses", responses.into()),
        ("headers", shared_headers().into()),
        ("examples", examples.into()),
        ("securitySchemes", security_schemes()),
    ])
}

/// Adds every schema that has a name of its own.
pub(super) fn define_schemas(resources: &[Resource], names: &mut Names) {
    for resource in resources {
        for (name, schema) in &resource.schemas {
            names.define(name, schema.clone());
        }
        for (name, schema) in resource.operations.iter().flat_map(|operation| operation.definitions.iter()) {
            names.define(name, Schema::from(schema.clone()));
        }
    }
    for (name, schema) in outside::schemas() {
        names.define(name, schema);
    }
    names.define("Error", errors::error());
    names.define("ErrorDetails", errors::details());
    names.define("ValidationErrors", errors::validation_errors());
    names.define("MetaError", errors::meta_error());
    names.define("Failure", errors::failure());
}

/// Gives a name to each object schema of the bodies and the responses of an operation.
pub(super) fn name_schemas(operation: &mut Value, names: &mut Names) {
    let name = names::pascal(operation.get("operationId").and_then(Value::as_str).unwrap_or_default());
    if let Some(body) = operation.get_mut("requestBody") {
        for_each_schema(body, &mut |schema| names.extract(&format!("{name}Request"), schema));
    }
    let Some(responses) = operation.get_mut("responses").and_then(Value::as_object_mut) else { return };
    for (_, response) in responses.iter_mut() {
        for_each_schema(response, &mut |schema| names.extract(&format!("{name}Response"), schema));
    }
}

/// Calls `f` with the schema of each media type of a body or a response.
fn for_each_schema(holder: &mut Value, f: &mut dyn FnMut(&mut Value)) {
    let Some(content) = holder.get_mut("content").and_then(Value::as_object_mut) else { return };
    for (_, media_type) in content.iter_mut() {
        if let Some(schema) = media_type.get_mut("schema") {
            f(schema);
        }
    }
}

/// Example of an error response with this code.
fn refused(code: Code) -> Value {
    let (message, details) = errors::example(code);
    let mut body = Object::new();
    body.insert("status", "error");
    body.insert("message", message);
    body.insert("code", code.as_str());
    let details = json(details);
    if details.as_object().is_some_and(|details| !details.is_empty()) {
        body.insert("details", details);
    }
    body.insert("request_id", example::REQUEST);
    Value::Object(body)
}

fn shared_headers() -> Object {
    let header = |about: &str, is_required: bool, schema: Schema| {
        object([("description", about.into()), ("required", is_required.into()), ("schema", schema.into())])
    };
    let wait = "Seconds to wait before the next attempt.";
    let mut headers = Object::new();
    let mut add = |name: &str, header: Value| drop(headers.insert(name, header));
    add("RequestId", header("ID of the request, as in the log.", true, id()));
    add("RateLimitLimit", header("Allowed requests of this kind per minute.", true, integer(1..)));
    add("RateLimitRemaining", header("Remaining requests.", true, integer(0..)));
    add(
        "RateLimitReset",
        header("Time at which the full limit is available again, in Unix seconds.", true, integer(0..)),
    );
    add("RetryAfter", header(wait, true, integer(1..)));
    add("RetryAfterIfAny", header(wait, false, integer(1..)));
    add(
        "Replayed",
        header("`true`: the response is that to the first request with this key.", false, only("true")),
    );
    headers
}

fn security_schemes() -> Value {
    let scheme = |kind: &str, place: &str, name: &str, about: &str| {
        object([
            ("type", kind.into()),
            ("in", place.into()),
            ("name", name.into()),
            ("description", about.into()),
        ])
    };
    let bearer = object([
        ("type", "http".into()),
        ("scheme", "bearer".into()),
        ("description", "The API key as a bearer token.".into()),
    ]);
    let metrics = object([
        ("type", "http".into()),
        ("scheme", "bearer".into()),
        ("description", "`metrics.token` of the configuration, if it is set.".into()),
    ]);
    let signature = "`sha256=` and the hexadecimal HMAC-SHA256 of the body. The key is the app secret of the \
         account.";
    object([
        ("key", scheme("apiKey", "header", "X-API-Key", "API key: `wp_live_…` or `wp_test_…`.")),
        ("bearer", bearer),
        ("metrics", metrics),
        ("signature", scheme("apiKey", "header", "X-Hub-Signature-256", signature)),
        (
            "session",
            scheme("apiKey", "cookie", session_cookie::NAME, "Session cookie of `POST /api/auth/login`."),
        ),
        (
            "csrf",
            scheme(
                "apiKey",
                "header",
                "X-CSRF-Token",
                "Required with the session cookie for requests that change something: `csrf_token` of the \
                 login.",
            ),
        ),
    ])
}

/// Schema of the header `Idempotency-Key`.
pub(crate) fn idempotency_key() -> Schema {
    text(1..=crate::api::messages::send_request::MAX_KEY).set("pattern", "^[ -~]+$")
}
