//! The `info` and the `components` of the document.

use domain::json::{Object, Value};

use crate::api::cookies::Cookie;
use crate::api::error::Code;
use crate::api::openapi::operation::json;
use crate::api::openapi::schema::Schema;
use crate::api::openapi::{errors, example};
use crate::api::response::object;

const ABOUT: &str = "\
Waypost sends WhatsApp messages through Meta's Cloud API and reports their status.

- **Authentication**: send an API key in `X-API-Key` or `Authorization: Bearer`, or use the session of a user who has logged in.
- **Success** is `{\"status\":\"success\",\"data\":…}`. **Errors** are `{\"status\":\"error\",\"message\":…,\"code\":…}`: `code` is stable and for programs, `message` is for developers, `details.errors` has each validation error with a JSON pointer.
- **429 and 5xx** guarantee that nothing was sent: repeat the request after `Retry-After` seconds. **202** with the status `unknown` means that the outcome is not known: do not send the message again.
- **`Idempotency-Key`** makes a request that creates or causes something safe to repeat for 24 hours.
- **Unknown fields and parameters** are rejected with 400. In a body, `null` is the same as a missing field; in a `PUT`, `null` clears the field.
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

/// The `components` of the document.
pub(crate) fn components(schemas: Object, responses: Object) -> Value {
    let mut examples = Object::new();
    for code in Code::ALL {
        examples.insert(
            code.as_str(),
            object([("summary", code.description().into()), ("value", error_example(*code))]),
        );
    }
    object([
        ("schemas", schemas.into()),
        ("responses", responses.into()),
        ("headers", shared_headers().into()),
        ("examples", examples.into()),
        ("securitySchemes", security_schemes()),
    ])
}

/// Example of an error response with this code.
fn error_example(code: Code) -> Value {
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
    add("RequestId", header("ID of the request, as in the log.", true, Schema::uuid()));
    add("RateLimitLimit", header("Allowed requests of this kind per minute.", true, Schema::integer(1..)));
    add("RateLimitRemaining", header("Remaining requests.", true, Schema::integer(0..)));
    add(
        "RateLimitReset",
        header(
            "Time at which the full limit is available again, in Unix seconds.",
            true,
            Schema::integer(0..),
        ),
    );
    add("RetryAfter", header(wait, true, Schema::integer(1..)));
    add("RetryAfterIfAny", header(wait, false, Schema::integer(1..)));
    add(
        "Replayed",
        header(
            "`true`: this is the response to the first request with this key.",
            false,
            Schema::constant("true"),
        ),
    );
    headers
}

fn security_schemes() -> Value {
    let scheme = |kind: &str, location: &str, name: &str, about: &str| {
        object([
            ("type", kind.into()),
            ("in", location.into()),
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
            scheme(
                "apiKey",
                "cookie",
                Cookie::Session.plain_name(),
                "Session cookie of `POST /api/auth/login`. Where `public_url` is `https`, its name begins with \
                 `__Host-`.",
            ),
        ),
        (
            "csrf",
            scheme(
                "apiKey",
                "header",
                "X-CSRF-Token",
                "Required with the session cookie for requests other than GET: `csrf_token` of the \
                 login.",
            ),
        ),
    ])
}
