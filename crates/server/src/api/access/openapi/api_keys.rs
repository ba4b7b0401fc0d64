//! API keys.

use domain::access::api_key::KeyScope;

use crate::api::access::api_keys::{MAX_ACCOUNTS, MAX_NAME, MAX_OVERLAP, MOST_CALLS, OVERLAP};
use crate::api::error::Code;
use crate::api::openapi::example::KEY;
use crate::api::openapi::operation::Operation;
use crate::api::openapi::schema::{
    Field, Schema, body, boolean, id, integer, line, list, may, named, need, shown, text, time, word,
};

fn scope() -> Schema {
    word(KeyScope::ALL.map(KeyScope::as_str))
}

/// The routes.
pub(crate) fn operations() -> Vec<Operation> {
    let calls = |about: &str| integer(1..=MOST_CALLS).about(about);
    let wish = body([
        need("name", line(MAX_NAME)),
        need("scopes", list(scope(), 1..=KeyScope::ALL.len())),
        may(
            "accounts",
            list(text(1..=200), ..=MAX_ACCOUNTS).about("Ids or names of the accounts that it may use; empty is all."),
        ),
        may("test", boolean().about("A test key uses sandbox accounts only, a live one only the others. Without it: as the key that makes it.")),
        may("rate_per_minute", calls("Sends in any 60 seconds; without it the configured limit.")),
        may("rate_burst", calls("Sends in any second; without it the configured limit.")),
        may("expires_at", time().about("When it stops working; in the future.")),
    ]);
    let overlap = integer(0..=MAX_OVERLAP).default_of(OVERLAP).about("How long the old one lives on.");
    vec![
        Operation::new("list_api_keys", "List keys", "Those that are not revoked, newest first.")
            .search("A part of the name or the prefix.", 200)
            .lists("api_keys", "ApiKey", SHOWN),
        Operation::new("create_api_key", "Make a key", "The key itself is shown this once. Nobody gives a key more than they have.")
            .takes(wish, [("shop", r#"{"name":"shop","scopes":["send","read"],"rate_per_minute":300}"#)])
            .gives(201, "The key.", named("CreatedApiKey"), CREATED),
        Operation::new("get_api_key", "Read a key", "")
            .id("The id of the key.", KEY)
            .gives(200, "The key.", named("ApiKey"), SHOWN)
            .fails([Code::ApiKeyNotFound]),
        Operation::new("revoke_api_key", "Revoke a key", "It stops working at once.")
            .id("The id of the key.", KEY)
            .gives_nothing("It is revoked.")
            .fails([Code::ApiKeyNotFound]),
        Operation::new(
            "rotate_api_key",
            "Put a new key in the place of one",
            "Both work for a while; what was sent with the old one under an `Idempotency-Key` is not sent again with the new one.",
        )
        .id("The id of the key.", KEY)
        .may_take([may("overlap_seconds", overlap)], r#"{"overlap_seconds":3600}"#)
        .gives(201, "The new key.", named("CreatedApiKey"), CREATED)
        .fails([Code::ApiKeyNotFound, Code::NotRotatable]),
    ]
}

/// The shapes by name.
pub(crate) fn schemas() -> Vec<(&'static str, Schema)> {
    let mut created = fields();
    created.push(need("key", text(1..).about("The key itself; shown this once.")));
    vec![("ApiKey", shown(fields())), ("CreatedApiKey", shown(created))]
}

fn fields() -> Vec<Field> {
    vec![
        need("id", id()),
        need("name", text(1..)),
        need("prefix", text(1..).about("How the key begins.")),
        need("scopes", list(scope(), 1..)),
        need("accounts", list(id(), ..).about("Empty: all.")),
        need("test", boolean()),
        need("rate_per_minute", integer(1..).or_null().about("Null: the configured limit.")),
        need("rate_burst", integer(1..).or_null().about("Null: the configured limit.")),
        need("expires_at", time().or_null()),
        need("replaced_by", id().or_null().about("The key that was made in its place.")),
        need("created_at", time()),
        need("last_used_at", time().or_null().about("To the minute.")),
    ]
}

const SHOWN: &str = r#"{"id":"01a2b3c4-0000-7000-8000-000000000005","name":"shop","prefix":"wp_test_4kQz",
    "scopes":["send","read"],"accounts":[],"test":true,"rate_per_minute":300,"rate_burst":null,"expires_at":null,
    "replaced_by":null,"created_at":"2026-05-29T10:30:00Z","last_used_at":null}"#;

const CREATED: &str = r#"{"id":"01a2b3c4-0000-7000-8000-000000000005","name":"shop","prefix":"wp_test_4kQz",
    "scopes":["send","read"],"accounts":[],"test":true,"rate_per_minute":300,"rate_burst":null,"expires_at":null,
    "replaced_by":null,"created_at":"2026-05-29T10:30:00Z","last_used_at":null,"key":"wp_test_4kQz…"}"#;
