//! Routes that are not in the list: the second dialect, Meta's door, and what those need who run the gateway.
//!
//! **Invariant:** a test asks the program at each of these addresses; nothing here is added from the list of routes, but
//! for the second dialect, which is the same send.

use crate::api::messages::openapi::send::send_request;
use axum::http::StatusCode;
use domain::access::permission::Permission;
use domain::json::{Object, Value};

use super::operation::{Answer, JSON, Operation};
use super::parts;
use super::schema::{Schema, any_of, anything, boolean, integer, may, named, need, only, shown, text, word};
use super::{errors, example};
use crate::api::error::Code;
use crate::api::messages::openapi::send;
use crate::api::messages::v1::V1_RATE_LIMIT_CODE;
use crate::api::middleware::V1_SEND_PATH;
use crate::api::response::object;
use crate::api::route_access::{Route, RouteAccess};

const PLAIN: &str = "text/plain";

/// The resources that only these routes have: name and words.
pub(crate) const TAGS: [(&str, &str); 2] = [
    ("Meta", "Webhook endpoint for Meta. Enter its URL as the callback URL at Meta."),
    ("Operations", "Health checks and metrics."),
];

/// Adds the routes to the others.
pub(crate) fn add(paths: &mut Object) {
    let at = |post: Value| object([("post", post)]);
    paths.insert(V1_SEND_PATH, at(send_message_v1()));
    let [verify, take] = meta();
    paths.insert("/webhooks/meta", object([("get", verify), ("post", take)]));
    for (path, operation) in operations() {
        paths.insert(path, object([("get", operation)]));
    }
}

/// The shapes by name.
pub(crate) fn schemas() -> Vec<(&'static str, Schema)> {
    let sent = shown([
        need("success", yes(true)),
        need("message_id", text(1..).about("Meta's message ID; Waypost's ID until Meta's is known.")),
        need("status", word(["sent", "queued", "unknown"])),
        need("recipient", text(1..).about("Phone number without `+`, or business-scoped user ID.")),
    ]);
    let rehearsed = shown([need("success", yes(true)), need("data", named("DryRun"))]);
    let codes = Code::ALL.iter().map(|code| word_of(*code));
    let error = shown([
        need("code", word(codes.collect::<std::collections::BTreeSet<_>>()).about("Stable error code.")),
        need("message", text(1..).about("Error message for developers.")),
        may("retry_after_seconds", integer(1..).about("Same as the header `Retry-After`.")),
        may("details", named("ErrorDetails")),
        need("request_id", text(1..).about("Same as the header `X-Request-Id`.")),
    ]);
    vec![
        ("V1Sent", sent),
        ("V1DryRun", rehearsed),
        ("V1Error", shown([need("success", yes(false)), need("error", error)])),
    ]
}

fn yes(is_it: bool) -> Schema {
    boolean().set("const", is_it)
}

/// The word of the second dialect.
fn word_of(code: Code) -> &'static str {
    if code.status() == StatusCode::TOO_MANY_REQUESTS { V1_RATE_LIMIT_CODE } else { code.as_str() }
}

/// The send of the second dialect.
fn send_message_v1() -> Value {
    let route = Route {
        method: "POST",
        path: V1_SEND_PATH,
        access: RouteAccess::Permission(Permission::SendMessages),
        handler: "send_message_v1",
    };
    let about = "Sends one message like `POST /api/messages/send`, with the same keys, limits and checks, but \
         with the response format of the hosted service's other public API. A body for Meta's Cloud API is \
         accepted.";
    let replayed = "`true`: the response is that to the first request with this key.";
    let answer = |status, about, schema: Schema, example: &str| Answer {
        status,
        about,
        content: Some((JSON, schema)),
        example: Some(super::operation::json(example)),
        headers: vec![("Idempotent-Replayed", replayed, only("true"))],
    };
    let operation = Operation::new("send_message_v1", "Send a message (v1 format)", about)
        .header("Idempotency-Key", "As in `POST /api/messages/send`. Both endpoints share the records of used \
             keys.", parts::idempotency_key())
        .reads(
            send_request(),
            [(
                "text",
                r#"{"messaging_product":"whatsapp","recipient_type":"individual","to":"15550100001","type":"text","text":{"body":"Hello"}}"#,
            )],
        )
        .answer(answer(
            200,
            "Meta accepted the message. With `dry_run`: the results of the checks.",
            any_of([named("V1Sent"), named("V1DryRun")]),
            r#"{"success":true,"message_id":"wamid.HBgLMTU1NTAxMDAwMDEVAgARGBI5MDU1MTgxOUNEMjM5ODE4NzAA","status":"sent","recipient":"15550100001"}"#,
        ))
        .answer(answer(
            202,
            "The message is in the queue (`queued`), or its outcome is not known (`unknown`). Do not send it \
             again.",
            named("V1Sent"),
            r#"{"success":true,"message_id":"01a2b3c4-0000-7000-8000-000000000001","status":"queued","recipient":"15550100001"}"#,
        ))
        .fails(send::REFUSALS);
    let mut shown =
        parts::outline("Sending", &operation, parts::about(&route, &operation), parts::security(&route));
    shown.insert("x-permission", Permission::SendMessages.as_str());
    let mut responses = Object::new();
    for answer in &operation.answers {
        responses.insert(&answer.status.to_string(), parts::answer_of(parts::headers(true, None), answer));
    }
    for (status, codes) in parts::codes_by_status(&route, &operation) {
        responses.insert(&status.to_string(), refusal_v1(status, &codes));
    }
    shown.insert("responses", responses);
    Value::Object(shown)
}

fn refusal_v1(status: u16, codes: &[Code]) -> Value {
    let mut examples = Object::new();
    for code in codes {
        examples.insert(code.as_str(), object([("value", refused_v1(*code))]));
    }
    let content = object([("schema", named("V1Error").into()), ("examples", examples.into())]);
    object([
        ("description", parts::refusal_about(status, codes).into()),
        ("headers", parts::headers(status != 401, parts::wait_of(codes)).into()),
        ("content", object([(JSON, content)])),
    ])
}

fn refused_v1(code: Code) -> Value {
    let (message, details) = errors::example(code);
    let mut error = Object::new();
    error.insert("code", word_of(code));
    error.insert("message", message);
    if errors::has_wait(code) {
        error.insert("retry_after_seconds", 4);
    }
    let details = super::operation::json(details);
    if details.as_object().is_some_and(|details| !details.is_empty()) {
        error.insert("details", details);
    }
    error.insert("request_id", example::REQUEST);
    object([("success", false.into()), ("error", error.into())])
}

/// An answer in plain words.
fn said(status: u16, about: &'static str) -> Answer {
    Answer { status, about, content: Some((PLAIN, text(..))), example: None, headers: Vec::new() }
}

/// A route with its own answers, and no other.
fn own(tag: &str, operation: &Operation, security: Vec<Value>) -> Value {
    let mut shown = parts::outline(tag, operation, operation.about.to_owned(), security);
    let mut responses = Object::new();
    for answer in &operation.answers {
        responses.insert(&answer.status.to_string(), parts::answer_of(Object::new(), answer));
    }
    shown.insert("responses", responses);
    Value::Object(shown)
}

/// Meta's door.
fn meta() -> [Value; 2] {
    let verify = Operation::new(
        "verify_meta_webhook",
        "Verify the callback URL",
        "Meta calls this endpoint when the callback URL is set. Returns the challenge if an account has the \
         verify token.",
    )
    .must_query("hub.mode", "", only("subscribe"), "subscribe")
    .must_query("hub.verify_token", "`verify_token` of an account.", text(1..), "a-word-of-yours")
    .must_query("hub.challenge", "Text that the response must contain.", text(..), "1158201444")
    .answer(Answer { example: Some("1158201444".into()), ..said(200, "The challenge.") })
    .answer(said(403, "No account has the verify token, or a parameter is missing."));
    let take = Operation::new(
        "receive_meta_webhook",
        "Receive a webhook from Meta",
        "Receives inbound messages, statuses, and updates of templates and accounts. The response comes after \
         the webhook is stored. Meta repeats every webhook that is not answered with 200.",
    )
    .takes(
        anything().about("Webhook of Meta, at most 4 MiB. Only the signature is validated."),
        [(
            "message",
            r#"{"object":"whatsapp_business_account","entry":[{"id":"555010000000201","changes":[{"field":"messages","value":{
                "messaging_product":"whatsapp","metadata":{"display_phone_number":"15550109999","phone_number_id":"555010000000301"},
                "contacts":[{"profile":{"name":"Maya Osei"},"wa_id":"447700900124"}],
                "messages":[{"from":"447700900124","id":"wamid.HBgMNDQ3NzAwOTAwMTI0FQIAEhgUM0E2MDk1NTJGQjE5QzJEMzA5QkEA","timestamp":"1780050600","type":"text","text":{"body":"Hello"}}]}}]}]}"#,
        )],
    )
    .answer(Answer { status: 200, about: "The webhook is stored.", content: None, example: None, headers: Vec::new() })
    .answer(said(400, "The signature is valid, but the body is not JSON."))
    .answer(said(401, "The signature matches no account's app secret."))
    .answer(said(408, "The body did not arrive within 20 seconds."))
    .answer(said(413, "The body is larger than 4 MiB."))
    .answer(Answer { status: 503, about: "The database accepts no writes.", content: None, example: None, headers: Vec::new() })
    .with_header("Retry-After", "Seconds to wait before the next attempt.", integer(1..));
    [own("Meta", &verify, Vec::new()), own("Meta", &take, vec![parts::needing(&["signature"])])]
}

/// What those need who run it.
fn operations() -> [(&'static str, Value); 3] {
    let state = |status, about, words: &str, schema: Schema| Answer {
        status,
        about,
        content: Some((JSON, schema)),
        example: Some(super::operation::json(words)),
        headers: Vec::new(),
    };
    let lives = Operation::new(
        "get_health",
        "Check that the process is alive",
        "Responds as long as the process is running.",
    )
    .answer(state(
        200,
        "The process is alive.",
        r#"{"status":"ok"}"#,
        shown([need("status", only("ok"))]),
    ));
    let stands =
        |status: &str, store: &str| shown([need("status", only(status)), need("store", only(store))]);
    let is_ready =
        Operation::new("get_readiness", "Check readiness", "Checks that the database accepts writes.")
            .answer(state(200, "Ready.", r#"{"status":"ready","store":"ok"}"#, stands("ready", "ok")))
            .answer(state(
                503,
                "Not ready.",
                r#"{"status":"not_ready","store":"unavailable"}"#,
                stands("not_ready", "unavailable"),
            ));
    let metrics = Operation::new(
        "get_metrics",
        "Get metrics",
        "Metrics for Prometheus; docs/metrics.md lists them. If `metrics.token` is configured, the request \
         must contain the token. With `metrics.enabled: false`, the response is 404.",
    )
    .answer(said(200, "Metrics in Prometheus' text format."))
    .answer(said(401, "The token is not the configured token."))
    .with_header("WWW-Authenticate", "`Bearer`.", only("Bearer"));
    let open_or_token = vec![parts::needing(&[]), parts::needing(&["metrics"])];
    [
        ("/healthz", own("Operations", &lives, Vec::new())),
        ("/readyz", own("Operations", &is_ready, Vec::new())),
        ("/metrics", own("Operations", &metrics, open_or_token)),
    ]
}
