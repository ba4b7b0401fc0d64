//! What the document is put together from, beside what each route says of itself.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use domain::json::{Object, Value};

use super::operation::{Answer, Body, JSON, Operation, Parameter, json};
use super::schema::{Schema, id, integer, named, only, shown, text, word};
use super::{Resource, errors, example, outside};
use crate::api::error::Code;
use crate::api::response::object;
use crate::api::route_access::{Route, RouteAccess};
use crate::api::session_cookie;

const ABOUT: &str = "\
Waypost sends WhatsApp messages through Meta's Cloud API and tells what becomes of them.

- **Call** with an API key in `X-API-Key` or `Authorization: Bearer`, or with the session of a person who logged in.
- **Success** is `{\"status\":\"success\",\"data\":…}`; **errors** are `{\"status\":\"error\",\"message\":…,\"code\":…}`: `code` is for programs, `message` for people, `details.errors` names each fault with a JSON pointer.
- **429 and 5xx** mean that nothing was sent: try again after `Retry-After` seconds. **202** with the status `unknown` means that nobody knows yet: do not send it again.
- **`Idempotency-Key`** makes a send safe to repeat for 24 hours.
- **Unknown fields and parameters** are refused with 400. In a body, `null` is as good as nothing; in a `PUT` it clears.
- **Fields may be added** to answers. Times are RFC 3339 in UTC, ids are UUIDs, numbers of phones are shown as `+…`.
- Every answer has `X-Request-Id`; with a valid key also `X-RateLimit-Limit`, `X-RateLimit-Remaining` and `X-RateLimit-Reset`.
- An address that is not there is 404 `not_found`, a method that it does not take 405 `method_not_allowed`.";

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

/// One route.
pub(crate) fn operation(tag: &str, route: &Route, operation: &Operation, shared: &mut Object) -> Value {
    let mut shown = outline(tag, operation, about(route, operation), security(route));
    if let RouteAccess::Permission(permission) | RouteAccess::SelfOr(permission) = route.access {
        shown.insert("x-permission", permission.as_str());
    }
    shown.insert("responses", responses(route, operation, shared));
    Value::Object(shown)
}

/// What a route says of itself, but for its answers.
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

/// The words of a route, with what a caller needs.
pub(crate) fn about(route: &Route, operation: &Operation) -> String {
    let needs = match route.access {
        RouteAccess::Public => "Anybody may call.".to_owned(),
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

/// All of these together.
pub(crate) fn needing(names: &[&str]) -> Value {
    let mut all = Object::new();
    for name in names {
        all.insert(name, Vec::<Value>::new());
    }
    Value::Object(all)
}

/// How a caller says who it is.
pub(crate) fn security(route: &Route) -> Vec<Value> {
    if route.access == RouteAccess::Public {
        return Vec::new();
    }
    let session: &[&str] = if is_safe(route) { &["session"] } else { &["session", "csrf"] };
    vec![needing(&["key"]), needing(&["bearer"]), needing(session)]
}

fn parameter(parameter: &Parameter) -> Value {
    let mut shown = Object::new();
    shown.insert("name", parameter.name);
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

/// The answers. Refusals that are the same on many routes stand in `shared`.
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

/// Every error that the route can answer with, by its status.
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

/// A refusal with more codes than this is hardly the same on two routes.
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

/// Every error that the route can answer with.
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

/// The headers of every answer.
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

/// An answer, with these headers beside its own.
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
        shown.insert("content", object([(media_type, Value::Object(content))]));
    }
    Value::Object(shown)
}

fn refusal(is_known: bool, status: u16, codes: &[Code]) -> Value {
    let mut examples = Object::new();
    for code in codes {
        let word = code.as_str();
        examples.insert(word, object([("$ref", format!("#/components/examples/{word}").into())]));
    }
    let words = shown([super::schema::need("code", word(codes.iter().map(|code| code.as_str())))]);
    let schema = Schema::default().set("allOf", vec![named("Error").into(), Value::from(words)]);
    let content = object([("schema", schema.into()), ("examples", examples.into())]);
    object([
        ("description", refusal_about(status, codes).into()),
        ("headers", headers(is_known, wait_of(codes)).into()),
        ("content", object([(JSON, content)])),
    ])
}

/// What a refusal means.
pub(crate) fn refusal_about(status: u16, codes: &[Code]) -> String {
    let reason = StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason());
    let words = codes.iter().map(|code| format!("\n- `{}`: {}", code.as_str(), code.about()));
    format!("{}.{}", reason.unwrap_or("Error"), words.collect::<String>())
}

/// Whether a refusal says how long to wait: always, perhaps, or never.
pub(crate) fn wait_of(codes: &[Code]) -> Option<bool> {
    let may = codes.iter().any(|code| errors::may_have_wait(*code));
    may.then(|| codes.iter().all(|code| errors::has_wait(*code)))
}

/// What is named and used in several places.
pub(crate) fn components(resources: &[Resource], responses: Object) -> Value {
    let mut schemas = Object::new();
    for (name, schema) in resources.iter().flat_map(|resource| &resource.schemas) {
        schemas.insert(name, schema.clone());
    }
    for (name, schema) in outside::schemas() {
        schemas.insert(name, schema);
    }
    schemas.insert("Error", errors::error());
    schemas.insert("ErrorDetails", errors::details());
    schemas.insert("Faults", errors::faults());
    schemas.insert("MetaError", errors::meta_error());
    schemas.insert("Failure", errors::failure());
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

/// The whole answer with this code.
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
    let wait = "Whole seconds to wait before the next try.";
    let mut headers = Object::new();
    let mut add = |name: &str, header: Value| drop(headers.insert(name, header));
    add("RequestId", header("The id of this call; the log has it, too.", true, id()));
    add("RateLimitLimit", header("Calls of this kind in a minute.", true, integer(1..)));
    add("RateLimitRemaining", header("How many of them are left.", true, integer(0..)));
    add("RateLimitReset", header("When all are there again, in Unix seconds.", true, integer(0..)));
    add("RetryAfter", header(wait, true, integer(1..)));
    add("RetryAfterIfAny", header(wait, false, integer(1..)));
    add("Replayed", header("`true`: the answer to the first request with this key.", false, only("true")));
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
        ("description", "The same key as a bearer token.".into()),
    ]);
    let metrics = object([
        ("type", "http".into()),
        ("scheme", "bearer".into()),
        ("description", "The `metrics.token` of the configuration, if there is one.".into()),
    ]);
    let signature = "`sha256=` and the hex HMAC-SHA256 of the body; the key is the account's app secret.";
    object([
        ("key", scheme("apiKey", "header", "X-API-Key", "A key: `wp_live_…` or `wp_test_…`.")),
        ("bearer", bearer),
        ("metrics", metrics),
        ("signature", scheme("apiKey", "header", "X-Hub-Signature-256", signature)),
        (
            "session",
            scheme("apiKey", "cookie", session_cookie::NAME, "The cookie of `POST /api/auth/login`."),
        ),
        (
            "csrf",
            scheme(
                "apiKey",
                "header",
                "X-CSRF-Token",
                "Together with the cookie, wherever something is changed: the `csrf_token` of the login.",
            ),
        ),
    ])
}

/// The header that makes a send safe to repeat.
pub(crate) fn idempotency_key() -> Schema {
    text(1..=crate::api::messages::send_request::MAX_KEY).set("pattern", "^[ -~]+$")
}
