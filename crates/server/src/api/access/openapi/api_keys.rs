//! API keys.

use crate::api::access::api_keys::{read_list, read_new, read_rotation};
use domain::access::api_key::KeyScope;
use domain::check::RequestSchema;
use jiff::Timestamp;

use crate::api::error::Code;
use crate::api::openapi::example::KEY;
use crate::api::openapi::operation::Operation;
use crate::api::openapi::schema::{
    Field, Schema, boolean, id, integer, list, named, need, shown, text, time, word,
};

fn scope() -> Schema {
    word(KeyScope::ALL.map(KeyScope::as_str))
}

/// The routes.
pub(crate) fn operations() -> Vec<Operation> {
    vec![
        Operation::new(
            "list_api_keys",
            "List API keys",
            "Lists the API keys that are not revoked, newest first.",
        )
        .reads_query(RequestSchema::of_query(read_list))
        .lists("api_keys", "ApiKey", SHOWN),
        Operation::new(
            "create_api_key",
            "Create an API key",
            "The response contains the key itself. It is shown only \
             once. A caller cannot give a key more permissions than the caller has.",
        )
        .reads(
            RequestSchema::of(|fields| read_new(fields, Timestamp::UNIX_EPOCH)),
            [("shop", r#"{"name":"shop","scopes":["send","read"],"rate_per_minute":300}"#)],
        )
        .gives(201, "The API key.", named("ApiKeyWithSecret"), CREATED),
        Operation::new("get_api_key", "Get an API key", "")
            .id("ID of the API key.", KEY)
            .gives(200, "The API key.", named("ApiKey"), SHOWN)
            .fails([Code::ApiKeyNotFound]),
        Operation::new("revoke_api_key", "Revoke an API key", "The key becomes invalid immediately.")
            .id("ID of the API key.", KEY)
            .gives_nothing("The API key is revoked.")
            .fails([Code::ApiKeyNotFound]),
        Operation::new(
            "rotate_api_key",
            "Rotate an API key",
            "Creates a new key with the same settings. The old key stays valid for `overlap_seconds`. Both \
             keys share their `Idempotency-Key` records.",
        )
        .id("ID of the API key.", KEY)
        .may_read(RequestSchema::of(read_rotation), r#"{"overlap_seconds":3600}"#)
        .gives(201, "The new API key.", named("ApiKeyWithSecret"), CREATED)
        .fails([Code::ApiKeyNotFound, Code::NotRotatable]),
    ]
}

/// The shapes by name.
pub(crate) fn schemas() -> Vec<(&'static str, Schema)> {
    let mut created = fields();
    created.push(need("key", text(1..).about("The key itself. It is shown only in this response.")));
    vec![("ApiKey", shown(fields())), ("ApiKeyWithSecret", shown(created))]
}

fn fields() -> Vec<Field> {
    vec![
        need("id", id()),
        need("name", text(1..)),
        need("prefix", text(1..).about("First characters of the key.")),
        need("scopes", list(scope(), 1..)),
        need(
            "accounts",
            list(id(), ..).about("IDs of the accounts that the key may use. Empty: all accounts."),
        ),
        need("test", boolean()),
        need("rate_per_minute", integer(1..).or_null().about("`null`: the limit of the configuration.")),
        need("rate_burst", integer(1..).or_null().about("`null`: the limit of the configuration.")),
        need("expires_at", time().or_null()),
        need("replaced_by", id().or_null().about("ID of the key that replaces this key after a rotation.")),
        need("created_at", time()),
        need("last_used_at", time().or_null().about("Time of the last use, to the minute.")),
    ]
}

const SHOWN: &str = r#"{"id":"01a2b3c4-0000-7000-8000-000000000005","name":"shop","prefix":"wp_test_4kQz",
    "scopes":["send","read"],"accounts":[],"test":true,"rate_per_minute":300,"rate_burst":null,"expires_at":null,
    "replaced_by":null,"created_at":"2026-05-29T10:30:00Z","last_used_at":null}"#;

const CREATED: &str = r#"{"id":"01a2b3c4-0000-7000-8000-000000000005","name":"shop","prefix":"wp_test_4kQz",
    "scopes":["send","read"],"accounts":[],"test":true,"rate_per_minute":300,"rate_burst":null,"expires_at":null,
    "replaced_by":null,"created_at":"2026-05-29T10:30:00Z","last_used_at":null,"key":"wp_test_4kQz…"}"#;
