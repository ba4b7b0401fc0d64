//! Routes that are not in the list: the second dialect, Meta's door, and what those need who run the gateway.
//!
//! **Invariant:** a test asks the program at each of these addresses; nothing here is added from the list of routes, but
//! for the second dialect, which is the same send.

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
    ("Meta", "What Meta posts here: set this address as the callback at Meta."),
    ("Operations", "For those who run it: whether it lives and can work, and how it fares."),
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
        need("message_id", text(1..).about("Meta's id; ours until Meta's is known.")),
        need("status", word(["sent", "queued", "unknown"])),
        need("recipient", text(1..).about("Digits without `+`, or the business-scoped user id.")),
    ]);
    let rehearsed = shown([need("success", yes(true)), need("data", named("Rehearsal"))]);
    let codes = Code::ALL.iter().map(|code| word_of(*code));
    let error = shown([
        need(
            "code",
            word(codes.collect::<std::collections::BTreeSet<_>>()).about("For programs; it stays the same."),
        ),
        need("message", text(1..).about("A sentence for the developer who called.")),
        may("retry_after_seconds", integer(1..).about("As in the header `Retry-After`.")),
        may("details", named("ErrorDetails")),
        need("request_id", text(1..).about("As in the header `X-Request-Id`.")),
    ]);
    vec![
        ("V1Sent", sent),
        ("V1Rehearsal", rehearsed),
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
    let about = "For clients of the hosted service's other public API: the same send as `POST /api/messages/send`, with its \
                 keys, limits, checks and statuses; only the answer is in other words. A body of Meta's Cloud API is a body \
                 here.";
    let replayed = "`true`: this is the answer to the first request with this key.";
    let answer = |status, about, schema: Schema, example: &str| Answer {
        status,
        about,
        content: Some((JSON, schema)),
        example: Some(super::operation::json(example)),
        headers: vec![("Idempotent-Replayed", replayed, only("true"))],
    };
    let operation = Operation::new("send_message_v1", "Send a message, in the second dialect", about)
        .header("Idempotency-Key", "As in `POST /api/messages/send`, and shared with it.", parts::idempotency_key())
        .takes(
            named("SendRequest"),
            [(
                "text",
                r#"{"messaging_product":"whatsapp","recipient_type":"individual","to":"15550100001","type":"text","text":{"body":"Hello"}}"#,
            )],
        )
        .answer(answer(
            200,
            "Meta took it; or, with `dry_run`, what would happen.",
            any_of([named("V1Sent"), named("V1Rehearsal")]),
            r#"{"success":true,"message_id":"wamid.HBgLMTU1NTAxMDAwMDEVAgARGBI5MDU1MTgxOUNEMjM5ODE4NzAA","status":"sent","recipient":"15550100001"}"#,
        ))
        .answer(answer(
            202,
            "It waits in the queue (`queued`), or its outcome is not known (`unknown`): do not send it again.",
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
        "Meta checks the callback",
        "Answers the challenge when the verify token is an account's.",
    )
    .must_query("hub.mode", "", only("subscribe"), "subscribe")
    .must_query("hub.verify_token", "An account's `verify_token`.", text(1..), "a-word-of-yours")
    .must_query("hub.challenge", "What to answer.", text(..), "1158201444")
    .answer(Answer { example: Some("1158201444".into()), ..said(200, "The challenge.") })
    .answer(said(403, "The verify token is no account's, or something is missing."));
    let take = Operation::new(
        "receive_meta_webhook",
        "Meta posts what happened",
        "Messages of customers, reports about ours, and changes of templates and accounts. It is answered after it is \
         written down; Meta posts again whatever is not answered with 200.",
    )
    .takes(
        anything().about("Meta's webhook, of 4 MiB at most; its signature counts, its parts may be of any kind."),
        [(
            "message",
            r#"{"object":"whatsapp_business_account","entry":[{"id":"555010000000201","changes":[{"field":"messages","value":{
                "messaging_product":"whatsapp","metadata":{"display_phone_number":"15550109999","phone_number_id":"555010000000301"},
                "contacts":[{"profile":{"name":"Maya Osei"},"wa_id":"447700900124"}],
                "messages":[{"from":"447700900124","id":"wamid.HBgMNDQ3NzAwOTAwMTI0FQIAEhgUM0E2MDk1NTJGQjE5QzJEMzA5QkEA","timestamp":"1780050600","type":"text","text":{"body":"Hello"}}]}}]}]}"#,
        )],
    )
    .answer(Answer { status: 200, about: "It is written down.", content: None, example: None, headers: Vec::new() })
    .answer(said(400, "It is signed, but no JSON."))
    .answer(said(401, "No account's app secret has signed these bytes."))
    .answer(said(408, "It did not arrive within 20 seconds."))
    .answer(said(413, "It is larger than 4 MiB."))
    .answer(Answer { status: 503, about: "The store takes no writes.", content: None, example: None, headers: Vec::new() })
    .with_header("Retry-After", "Whole seconds to wait before the next try.", integer(1..));
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
        "Whether the process lives",
        "Answers as long as it can answer anything.",
    )
    .answer(state(200, "It lives.", r#"{"status":"ok"}"#, shown([need("status", only("ok"))])));
    let stands =
        |status: &str, store: &str| shown([need("status", only(status)), need("store", only(store))]);
    let is_ready = Operation::new(
        "get_readiness",
        "Whether it can work",
        "Whether the store takes writes: without that nothing can be accepted.",
    )
    .answer(state(200, "It can.", r#"{"status":"ready","store":"ok"}"#, stands("ready", "ok")))
    .answer(state(
        503,
        "It cannot.",
        r#"{"status":"not_ready","store":"unavailable"}"#,
        stands("not_ready", "unavailable"),
    ));
    let metrics = Operation::new(
        "get_metrics",
        "Read the metrics",
        "For Prometheus; docs/metrics.md lists them. With `metrics.token` only who shows it may read; with `metrics.enabled: \
         false` there is nothing at this address.",
    )
    .answer(said(200, "The page, in Prometheus' text format."))
    .answer(said(401, "The token is not the one of the configuration."))
    .with_header("WWW-Authenticate", "`Bearer`.", only("Bearer"));
    let open_or_token = vec![parts::needing(&[]), parts::needing(&["metrics"])];
    [
        ("/healthz", own("Operations", &lives, Vec::new())),
        ("/readyz", own("Operations", &is_ready, Vec::new())),
        ("/metrics", own("Operations", &metrics, open_or_token)),
    ]
}
