//! Users.

use crate::api::access::users::{read_change, read_list, read_new};
use domain::access::permission::Role;
use domain::check::RequestSchema;

use crate::api::error::Code;
use crate::api::openapi::example::USER;
use crate::api::openapi::operation::Operation;
use crate::api::openapi::schema::{Schema, boolean, format, id, named, need, shown, text, time, word};

fn role() -> Schema {
    word(Role::ALL.map(Role::as_str))
}

/// The routes.
pub(crate) fn operations() -> Vec<Operation> {
    let id_of = "ID of the user.";
    vec![
        Operation::new("list_users", "List users", "Oldest first.")
            .reads_query(RequestSchema::of_query(read_list))
            .lists("users", "User", SHOWN),
        Operation::new("create_user", "Create a user", "")
            .reads(
                RequestSchema::of(read_new),
                [("agent", r#"{"email":"ada@example.com","name":"Ada Byron","role":"agent","password":"a long sentence"}"#)],
            )
            .gives(201, "The user.", named("User"), SHOWN)
            .fails([Code::EmailTaken]),
        Operation::new("get_user", "Get a user", "Every user may read their own record.")
            .id(id_of, USER)
            .gives(200, "The user.", named("User"), SHOWN)
            .fails([Code::UserNotFound]),
        Operation::new(
            "update_user",
            "Update a user",
            "Changes the given fields. `null` clears `name`; no other field can be cleared. Every user may \
             change their own name and password.",
        )
        .id(id_of, USER)
        .reads(RequestSchema::of(read_change), [("name", r#"{"name":"Ada King"}"#)])
        .gives(200, "The user.", named("User"), SHOWN)
        .fails([Code::UserNotFound, Code::EmailTaken, Code::LastOwner]),
        Operation::new("delete_user", "Delete a user", "Deletes the user and ends their sessions.")
            .id(id_of, USER)
            .gives_nothing("The user is deleted.")
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
