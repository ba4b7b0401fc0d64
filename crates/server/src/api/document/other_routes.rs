//! Descriptions of routes that are not in the list of routes: the webhook endpoint for Meta, health checks, metrics.

use domain::check::RequestSchema;
use domain::json::{Object, Value};

use crate::api::openapi::operation::{JSON, Operation, json};
use crate::api::openapi::operation_object;
use crate::api::openapi::schema::{Schema, required};
use crate::api::response::object;
use crate::meta_webhook::endpoint;
use crate::request_bodies::bounds;

const PLAIN: &str = "text/plain";

/// Names and descriptions of the tags of these routes.
pub(super) const TAGS: [(&str, &str); 2] = [
    ("Meta", "Webhook endpoint for Meta. Enter its URL as the callback URL at Meta."),
    ("Operations", "Health checks and metrics."),
];

/// Adds these routes to the paths of the document.
pub(super) fn add(paths: &mut Object) {
    let get = |operation: Value| object([("get", operation)]);
    let no_security = Vec::new();
    let verify = plain_object("Meta", &verify_meta_webhook(), no_security.clone());
    let signature = vec![operation_object::scheme_requirement(&["signature"])];
    let receive = plain_object("Meta", &receive_meta_webhook(), signature);
    paths.insert("/webhooks/meta", object([("get", verify), ("post", receive)]));
    paths.insert("/healthz", get(plain_object("Operations", &get_health(), no_security.clone())));
    paths.insert("/readyz", get(plain_object("Operations", &get_readiness(), no_security)));
    let open_or_token =
        vec![operation_object::scheme_requirement(&[]), operation_object::scheme_requirement(&["metrics"])];
    paths.insert("/metrics", get(plain_object("Operations", &get_metrics(), open_or_token)));
}

/// Returns an Operation Object with the described responses only, and the response to a path or query that is too long.
fn plain_object(tag: &str, operation: &Operation, security: Vec<Value>) -> Value {
    let operation = &with_long_query(operation.clone());
    let description = operation.description.to_owned();
    let mut object = operation_object::outline(tag, operation, description, bounds::META_WEBHOOK, security);
    let mut responses = Object::new();
    for response in &operation.responses {
        let response_object = operation_object::response_object(Object::new(), response);
        responses.insert(&response.status.to_string(), response_object);
    }
    object.insert("responses", responses);
    Value::Object(object)
}

/// Adds the response to a path or query that is too long, unless the operation describes its status itself.
fn with_long_query(operation: Operation) -> Operation {
    if operation.responses.iter().any(|response| response.status == 400) {
        return operation;
    }
    operation.responds_raw(
        400,
        "The path or the query is longer than its limit.",
        JSON,
        Schema::reference("Error"),
    )
}

fn verify_meta_webhook() -> Operation {
    Operation::new(
        "verify_meta_webhook",
        "Verify the callback URL",
        "Meta calls this endpoint when the callback URL is set. Returns the challenge if an account has the \
         verify token.",
    )
    .required_query("hub.mode", "", Schema::constant("subscribe"), "subscribe")
    .required_query(
        "hub.verify_token",
        "`verify_token` of an account.",
        Schema::string(1..=endpoint::MAX_PARAMETER),
        "a-word-of-yours",
    )
    .required_query(
        "hub.challenge",
        "Text that the response must contain.",
        Schema::string(..=endpoint::MAX_PARAMETER),
        "1158201444",
    )
    .responds_raw(200, "The challenge.", PLAIN, Schema::string(..))
    .response_example("1158201444")
    .responds_raw(
        403,
        "No account has the verify token, or a parameter is missing.",
        PLAIN,
        Schema::string(..),
    )
}

const META_WEBHOOK: &str = r#"{"object":"whatsapp_business_account","entry":[{"id":"555010000000201","changes":[{"field":"messages","value":{
    "messaging_product":"whatsapp","metadata":{"display_phone_number":"15550109999","phone_number_id":"555010000000301"},
    "contacts":[{"profile":{"name":"Maya Osei"},"wa_id":"447700900124"}],
    "messages":[{"from":"447700900124","id":"wamid.HBgMNDQ3NzAwOTAwMTI0FQIAEhgUM0E2MDk1NTJGQjE5QzJEMzA5QkEA","timestamp":"1780050600","type":"text","text":{"body":"Hello"}}]}}]}]}"#;

fn receive_meta_webhook() -> Operation {
    let payload = Schema::any().about("Webhook of Meta. Only the signature is validated.");
    let payload = RequestSchema { schema: payload.into(), definitions: Object::new() };
    Operation::new(
        "receive_meta_webhook",
        "Receive a webhook from Meta",
        "Receives inbound messages, statuses, and updates of templates and accounts. The response comes after \
         the webhook is stored. Meta repeats every webhook that is not answered with 200.",
    )
    .body(payload, [("message", META_WEBHOOK)])
    .responds_empty(200, "The webhook is stored.")
    .responds_raw(
        400,
        "The signature is valid, but the body is not JSON. A query that is longer than its limit has an error in JSON.",
        PLAIN,
        Schema::string(..),
    )
    .responds_raw(
        401,
        "The signature is missing or malformed, or it matches no account's app secret.",
        PLAIN,
        Schema::string(..),
    )
    .responds_raw(408, "The body did not arrive within 20 seconds, or nothing of it arrived for 10 seconds.", PLAIN, Schema::string(..))
    .responds_raw(413, "The body is larger than 4 MiB.", PLAIN, Schema::string(..))
    .responds_empty(503, "The database accepts no writes, or the memory for the bodies of requests is in use.")
    .response_header("Retry-After", "Seconds to wait before the next attempt.", Schema::integer(1..))
}

fn get_health() -> Operation {
    Operation::new(
        "get_health",
        "Check that the process is alive",
        "Responds as long as the process is running.",
    )
    .responds_raw(
        200,
        "The process is alive.",
        JSON,
        Schema::object([required("status", Schema::constant("ok"))]),
    )
    .response_example(json(r#"{"status":"ok"}"#))
}

fn get_readiness() -> Operation {
    let state = |status: &str, store: &str| {
        Schema::object([
            required("status", Schema::constant(status)),
            required("store", Schema::constant(store)),
        ])
    };
    Operation::new("get_readiness", "Check readiness", "Checks that the database accepts writes.")
        .responds_raw(200, "Ready.", JSON, state("ready", "ok"))
        .response_example(json(r#"{"status":"ready","store":"ok"}"#))
        .responds_raw(503, "Not ready.", JSON, state("not_ready", "unavailable"))
        .response_example(json(r#"{"status":"not_ready","store":"unavailable"}"#))
}

fn get_metrics() -> Operation {
    Operation::new(
        "get_metrics",
        "Get metrics",
        "Metrics for Prometheus; docs/metrics.md lists them. If `metrics.token` is configured, the request \
         must contain the token. With `metrics.enabled: false`, the response is 404.",
    )
    .responds_raw(200, "Metrics in Prometheus' text format.", PLAIN, Schema::string(..))
    .responds_raw(401, "The token is not the configured token.", PLAIN, Schema::string(..))
    .response_header("WWW-Authenticate", "`Bearer`.", Schema::constant("Bearer"))
}
