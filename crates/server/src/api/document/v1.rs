//! Description of `POST /v1/messages`, which accepts the requests of `POST /api/messages/send` and has another response
//! format.

use std::collections::BTreeSet;

use axum::http::StatusCode;
use domain::access::permission::Permission;
use domain::json::{Object, Value};

use crate::api::error::Code;
use crate::api::idempotency_key::{REPLAYED_DESCRIPTION, REPLAYED_HEADER, key_schema};
use crate::api::messages::send::SEND_ERRORS;
use crate::api::messages::send_request::send_request_schema;
use crate::api::messages::v1::V1_RATE_LIMIT_CODE;
use crate::api::middleware::V1_SEND_PATH;
use crate::api::openapi::operation::{JSON, Operation, json};
use crate::api::openapi::schema::{Schema, optional, required};
use crate::api::openapi::{errors, example, operation_object};
use crate::api::response::object;
use crate::api::route_access::{Route, RouteAccess};

/// Returns the named schemas of the responses.
pub(super) fn schemas() -> Vec<(&'static str, Schema)> {
    let sent = Schema::object([
        required("success", success(true)),
        required(
            "message_id",
            Schema::string(1..).about("Meta's message ID; Waypost's ID until Meta's is known."),
        ),
        required("status", Schema::enumeration(["sent", "queued", "unknown"])),
        required(
            "recipient",
            Schema::string(1..).about("Phone number without `+`, or business-scoped user ID."),
        ),
    ]);
    let dry_run =
        Schema::object([required("success", success(true)), required("data", Schema::reference("DryRun"))]);
    let codes: BTreeSet<&str> = Code::ALL.iter().map(|code| v1_code(*code)).collect();
    let error = Schema::object([
        required("code", Schema::enumeration(codes).about("Stable error code.")),
        required("message", Schema::string(1..).about("Error message for developers.")),
        optional("retry_after_seconds", Schema::integer(1..).about("Same as the header `Retry-After`.")),
        optional("details", Schema::reference("ErrorDetails")),
        required("request_id", Schema::string(1..).about("Same as the header `X-Request-Id`.")),
    ]);
    let error = Schema::object([required("success", success(false)), required("error", error)]);
    vec![("V1Sent", sent), ("V1DryRun", dry_run), ("V1Error", error)]
}

fn success(value: bool) -> Schema {
    Schema::boolean().set("const", value)
}

/// Returns the code of an error in the format of `/v1`.
fn v1_code(code: Code) -> &'static str {
    if code.status() == StatusCode::TOO_MANY_REQUESTS { V1_RATE_LIMIT_CODE } else { code.as_str() }
}

fn send_message_v1() -> Operation {
    Operation::new(
        "send_message_v1",
        "Send a message (v1 format)",
        "Sends one message like `POST /api/messages/send`, with the same keys, limits and checks, but with the response \
         format of the hosted service's other public API. A body for Meta's Cloud API is accepted.",
    )
    .header(
        "Idempotency-Key",
        "As in `POST /api/messages/send`. Both endpoints share the records of used keys.",
        key_schema(),
    )
    .body(
        send_request_schema(),
        [(
            "text",
            r#"{"messaging_product":"whatsapp","recipient_type":"individual","to":"15550100001","type":"text","text":{"body":"Hello"}}"#,
        )],
    )
    .responds_raw(
        200,
        "Meta accepted the message. With `dry_run`: the results of the checks.",
        JSON,
        Schema::any_of([Schema::reference("V1Sent"), Schema::reference("V1DryRun")]),
    )
    .response_example(json(
        r#"{"success":true,"message_id":"wamid.HBgLMTU1NTAxMDAwMDEVAgARGBI5MDU1MTgxOUNEMjM5ODE4NzAA","status":"sent","recipient":"15550100001"}"#,
    ))
    .response_header(REPLAYED_HEADER, REPLAYED_DESCRIPTION, Schema::constant("true"))
    .responds_raw(
        202,
        "The message is in the queue (`queued`), or its outcome is not known (`unknown`). Do not send the message again.",
        JSON,
        Schema::reference("V1Sent"),
    )
    .response_example(json(
        r#"{"success":true,"message_id":"01a2b3c4-0000-7000-8000-000000000001","status":"queued","recipient":"15550100001"}"#,
    ))
    .response_header(REPLAYED_HEADER, REPLAYED_DESCRIPTION, Schema::constant("true"))
    .errors(SEND_ERRORS)
}

/// Returns the Operation Object.
pub(super) fn operation_object() -> Value {
    let permission = Permission::SendMessages;
    let route = Route {
        method: "POST",
        path: V1_SEND_PATH,
        access: RouteAccess::Permission(permission),
        handler: "send_message_v1",
    };
    let operation = send_message_v1();
    let description = operation_object::description(&route, &operation);
    let security = operation_object::security(&route);
    let mut object =
        operation_object::outline("Sending", &operation, description, route.body_bounds(), security);
    object.insert("x-permission", permission.as_str());
    let mut responses = Object::new();
    for response in &operation.responses {
        let headers = operation_object::headers(true, None);
        let response_object = operation_object::response_object(headers, response);
        responses.insert(&response.status.to_string(), response_object);
    }
    for (status, codes) in operation_object::codes_by_status(&route, &operation) {
        responses.insert(&status.to_string(), error_response(status, &codes));
    }
    object.insert("responses", responses);
    Value::Object(object)
}

fn error_response(status: u16, codes: &[Code]) -> Value {
    let mut examples = Object::new();
    for code in codes {
        examples.insert(code.as_str(), object([("value", error_example(*code))]));
    }
    let content = object([("schema", Schema::reference("V1Error").into()), ("examples", examples.into())]);
    let headers = operation_object::headers(status != 401, operation_object::retry_after_of(codes));
    object([
        ("description", operation_object::error_description(status, codes).into()),
        ("headers", headers.into()),
        ("content", object([(JSON, content)])),
    ])
}

fn error_example(code: Code) -> Value {
    let (message, details) = errors::example(code);
    let mut error = Object::new();
    error.insert("code", v1_code(code));
    error.insert("message", message);
    if errors::has_retry_after(code) {
        error.insert("retry_after_seconds", 4);
    }
    let details = json(details);
    if details.as_object().is_some_and(|details| !details.is_empty()) {
        error.insert("details", details);
    }
    error.insert("request_id", example::REQUEST);
    object([("success", false.into()), ("error", error.into())])
}
