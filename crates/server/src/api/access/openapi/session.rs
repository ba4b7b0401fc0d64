//! Login, logout, who calls, and the document itself.

use crate::api::access::session::read_login;
use domain::access::api_key::KeyScope;
use domain::access::permission::{Permission, Role};
use domain::check::RequestSchema;

use crate::api::error::Code;
use crate::api::openapi::operation::{Answer, JSON, Operation};
use crate::api::openapi::schema::{
    Schema, any_object, format, id, list, named, need, only, pattern, shown, tagged, text, time, word,
};

/// The routes.
pub(crate) fn operations() -> Vec<Operation> {
    let session = shown([
        need("user", named("User")),
        need("csrf_token", text(1..).about("Value of the header `X-CSRF-Token`.")),
        need("expires_at", time().about("Time at which the session ends.")),
    ]);
    let logged_in = format!(
        r#"{{"user":{},"csrf_token":"Zm9yIHRoZSBoZWFkZXI","expires_at":"2026-05-30T10:30:00Z"}}"#,
        super::users::SHOWN
    );
    vec![
        Operation::new(
            "log_in",
            "Log in",
            "Starts a session and sets its cookie. Requests that change something also need the header \
             `X-CSRF-Token`. After several wrong passwords, further attempts are delayed.",
        )
        .reads(
            RequestSchema::of(read_login),
            [("ada", r#"{"email":"ada@example.com","password":"a long sentence"}"#)],
        )
        .gives(200, "The session.", session, &logged_in)
        .with_header("Set-Cookie", "The session cookie.", text(1..))
        .fails([Code::InvalidCredentials, Code::RateLimited]),
        Operation::new(
            "log_out",
            "Log out",
            "Ends the session of the caller. An API key has no session: the \
             response is 403.",
        )
        .takes_nothing()
        .gives_nothing("The session has ended.")
        .with_header("Set-Cookie", "Removes the session cookie.", text(1..)),
        Operation::new(
            "get_me",
            "Get the caller",
            "Returns the API key or the user that makes the request, with \
             its permissions.",
        )
        .gives(200, "The API key or the user.", named("Me"), ME),
        openapi(),
    ]
}

fn openapi() -> Operation {
    let tag = || pattern("^\"[0-9a-f]{64}\"$");
    Operation::new(
        "get_openapi",
        "Get the OpenAPI document",
        "This document, in OpenAPI 3.1. The page `/docs` shows it.",
    )
    .header(
        "If-None-Match",
        "`ETag` of an earlier response. The response is 304 if nothing has changed.",
        text(..),
    )
    .answer(Answer {
        status: 200,
        about: "The OpenAPI document.",
        content: Some((JSON, any_object())),
        example: None,
        headers: Vec::new(),
    })
    .with_header("ETag", "SHA-256 of the content.", tag())
    .answer(Answer {
        status: 304,
        about: "Nothing has changed.",
        content: None,
        example: None,
        headers: Vec::new(),
    })
    .with_header("ETag", "SHA-256 of the content.", tag())
}

/// The shapes by name.
pub(crate) fn schemas() -> Vec<(&'static str, Schema)> {
    let workspace = || need("workspace", shown([need("id", id()), need("name", text(..))]));
    let permissions = || {
        let words = Permission::ALL.iter().map(|permission| permission.as_str());
        need("permissions", list(word(words), ..))
    };
    let key = shown([
        need("kind", only("api_key")),
        need("key", named("ApiKey")),
        need("scopes", list(word(KeyScope::ALL.map(KeyScope::as_str)), ..)),
        workspace(),
        permissions(),
    ]);
    let user = shown([
        need("kind", only("user")),
        need("user", named("User")),
        need("role", word(Role::ALL.map(Role::as_str))),
        need("csrf_token", text(1..)),
        need("expires_at", format("date-time")),
        workspace(),
        permissions(),
    ]);
    let me = tagged("kind", [("api_key", "CallingApiKey".to_owned()), ("user", "CallingUser".to_owned())]);
    vec![("CallingApiKey", key), ("CallingUser", user), ("Me", me)]
}

const ME: &str = r#"{"kind":"api_key","key":{"id":"01a2b3c4-0000-7000-8000-000000000005","name":"shop",
    "prefix":"wp_test_4kQz","scopes":["read"],"accounts":[],"test":true,"rate_per_minute":null,"rate_burst":null,
    "expires_at":null,"replaced_by":null,"created_at":"2026-05-29T10:30:00Z","last_used_at":"2026-05-29T10:31:00Z"},
    "scopes":["read"],"workspace":{"id":"01a2b3c4-0000-7000-8000-00000000000b","name":"default"},
    "permissions":["messages.read","contacts.read","templates.read","accounts.read","events.read"]}"#;
