//! Login, logout, who calls, and the document itself.

use domain::access::api_key::KeyScope;
use domain::access::permission::{Permission, Role};

use crate::api::access::session::LONGEST;
use crate::api::error::Code;
use crate::api::openapi::operation::{Answer, JSON, Operation};
use crate::api::openapi::schema::{
    Schema, any_object, body, format, id, list, may, named, need, one_of, only, pattern, shown, text, time,
    word,
};

/// The routes.
pub(crate) fn operations() -> Vec<Operation> {
    let who = body([
        need("email", text(1..=LONGEST)),
        need("password", text(1..=LONGEST).set("format", "password")),
        may("workspace", text(1..=LONGEST).about("The name of the workspace, for who is in several.")),
    ]);
    let session = shown([
        need("user", named("User")),
        need("csrf_token", text(1..).about("For the header `X-CSRF-Token`.")),
        need("expires_at", time().about("When the session ends.")),
    ]);
    let logged_in = format!(
        r#"{{"user":{},"csrf_token":"Zm9yIHRoZSBoZWFkZXI","expires_at":"2026-05-30T10:30:00Z"}}"#,
        super::users::SHOWN
    );
    vec![
        Operation::new(
            "log_in",
            "Log in",
            "Begins a session: its cookie opens the API, together with `X-CSRF-Token` where something is changed. After \
             some wrong passwords the next try has to wait.",
        )
        .takes(who, [("ada", r#"{"email":"ada@example.com","password":"a long sentence"}"#)])
        .gives(200, "A session.", session, &logged_in)
        .with_header("Set-Cookie", "The session.", text(1..))
        .fails([Code::InvalidCredentials, Code::RateLimited]),
        Operation::new("log_out", "Log out", "Ends the session that calls; a key has none (403).")
            .takes_nothing()
            .gives_nothing("It has ended.")
            .with_header("Set-Cookie", "Takes the cookie away.", text(1..)),
        Operation::new("get_me", "Who calls", "Who you are, and what you may do.").gives(
            200,
            "A key or a user.",
            named("Me"),
            ME,
        ),
        openapi(),
    ]
}

fn openapi() -> Operation {
    let tag = || pattern("^\"[0-9a-f]{64}\"$");
    Operation::new("get_openapi", "This document", "OpenAPI 3.1. A page to browse it is at `/docs`.")
        .header("If-None-Match", "The `ETag` of what you have: 304 if it is still that.", text(..))
        .answer(Answer {
            status: 200,
            about: "The document.",
            content: Some((JSON, any_object())),
            example: None,
            headers: Vec::new(),
        })
        .with_header("ETag", "Its SHA-256.", tag())
        .answer(Answer {
            status: 304,
            about: "You have it.",
            content: None,
            example: None,
            headers: Vec::new(),
        })
        .with_header("ETag", "Its SHA-256.", tag())
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
    vec![("Me", one_of([key, user]))]
}

const ME: &str = r#"{"kind":"api_key","key":{"id":"01a2b3c4-0000-7000-8000-000000000005","name":"shop",
    "prefix":"wp_test_4kQz","scopes":["read"],"accounts":[],"test":true,"rate_per_minute":null,"rate_burst":null,
    "expires_at":null,"replaced_by":null,"created_at":"2026-05-29T10:30:00Z","last_used_at":"2026-05-29T10:31:00Z"},
    "scopes":["read"],"workspace":{"id":"01a2b3c4-0000-7000-8000-00000000000b","name":"default"},
    "permissions":["messages.read","contacts.read","templates.read","accounts.read","events.read"]}"#;
