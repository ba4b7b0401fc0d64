//! Users.

use domain::access::permission::Role;
use domain::access::user::{MAX_EMAIL, MAX_PASSWORD, MIN_PASSWORD};

use crate::api::access::api_keys::MAX_NAME;
use crate::api::access::users::LONGEST;
use crate::api::error::Code;
use crate::api::openapi::example::USER;
use crate::api::openapi::operation::Operation;
use crate::api::openapi::schema::{
    Schema, body, boolean, format, id, keep, line, may, named, need, shown, text, time, word,
};

fn role() -> Schema {
    word(Role::ALL.map(Role::as_str))
}

fn email() -> Schema {
    format("email").set("maxLength", i64::try_from(MAX_EMAIL).unwrap_or(i64::MAX))
}

fn password() -> Schema {
    text(MIN_PASSWORD..=MAX_PASSWORD).set("format", "password")
}

/// The routes.
pub(crate) fn operations() -> Vec<Operation> {
    let name = || line(MAX_NAME);
    let new = body([
        need("email", email().about("The name to log in with.")),
        may("name", name()),
        need("role", role()),
        need("password", password()),
    ]);
    let change = body([
        keep("email", email()),
        may("name", name()),
        keep("role", role()),
        keep("disabled", boolean().about("Whether they are locked out.")),
        keep("password", password()),
        may("current_password", text(1..=LONGEST).about("Required to change your own password.")),
    ]);
    let id_of = "The id of the user.";
    vec![
        Operation::new("list_users", "List users", "Oldest first.")
            .query("email", "The whole address, in any case.", text(1..=LONGEST))
            .query("role", "The role.", role())
            .search("A part of the name or the address.", 200)
            .lists("users", "User", SHOWN),
        Operation::new("create_user", "Add a user", "")
            .takes(
                new,
                [("agent", r#"{"email":"ada@example.com","name":"Ada Byron","role":"agent","password":"a long sentence"}"#)],
            )
            .gives(201, "The user.", named("User"), SHOWN)
            .fails([Code::EmailTaken]),
        Operation::new("get_user", "Read a user", "Everybody may read themselves.")
            .id(id_of, USER)
            .gives(200, "The user.", named("User"), SHOWN)
            .fails([Code::UserNotFound]),
        Operation::new(
            "update_user",
            "Change a user",
            "Changes what is given; a `name` of `null` is cleared, nothing else can be. Everybody may change their own \
             name and password.",
        )
        .id(id_of, USER)
        .takes(change, [("name", r#"{"name":"Ada King"}"#)])
        .gives(200, "The user.", named("User"), SHOWN)
        .fails([Code::UserNotFound, Code::EmailTaken, Code::LastOwner]),
        Operation::new("delete_user", "Remove a user", "All their sessions end.")
            .id(id_of, USER)
            .gives_nothing("They are removed.")
            .fails([Code::UserNotFound, Code::LastOwner]),
    ]
}

/// The shapes by name.
pub(crate) fn schemas() -> Vec<(&'static str, Schema)> {
    let user = shown([
        need("id", id()),
        need("email", format("email")),
        need("name", text(1..).or_null()),
        need("role", role()),
        need("disabled", boolean()),
        need("created_at", time()),
        need("updated_at", time()),
        need("last_login_at", time().or_null()),
    ]);
    vec![("User", user)]
}

pub(crate) const SHOWN: &str = r#"{"id":"01a2b3c4-0000-7000-8000-000000000006","email":"ada@example.com",
    "name":"Ada Byron","role":"agent","disabled":false,"created_at":"2026-05-29T10:30:00Z",
    "updated_at":"2026-05-29T10:30:00Z","last_login_at":null}"#;
