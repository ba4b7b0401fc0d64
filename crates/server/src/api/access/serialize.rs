//! JSON of API keys, users and audit entries in responses.

use crate::api::openapi::schema::Property;
use crate::api::openapi::schema::Schema;
use crate::api::openapi::schema::required;
use domain::access::api_key::ApiKey;
use domain::access::api_key::KeyScope;
use domain::access::audit::ActorKind;
use domain::access::audit::AuditAction;
use domain::access::audit::AuditEntry;
use domain::access::audit::AuditTargetKind;
use domain::access::permission::Role;
use domain::access::user::User;
use domain::json::{Object, Value};

use crate::api::response::object;
use crate::api::serialize::{or_null, time, time_or_null};

/// JSON of an API key without the key itself.
pub(crate) fn serialize_api_key(key: &ApiKey) -> Value {
    Value::Object(api_key_object(key))
}

/// JSON object of an API key without the key itself.
pub(crate) fn api_key_object(key: &ApiKey) -> Object {
    let strings = |strings: Vec<String>| Value::Array(strings.into_iter().map(Value::from).collect());
    let number = |number: Option<u32>| number.map_or(Value::Null, |number| i64::from(number).into());
    let mut json = Object::new();
    json.insert("id", key.id.to_string());
    json.insert("name", key.name.as_str());
    json.insert("prefix", key.prefix.as_str());
    json.insert("scopes", strings(key.scopes.iter().map(|scope| scope.as_str().to_owned()).collect()));
    json.insert("accounts", strings(key.accounts.iter().map(ToString::to_string).collect()));
    json.insert("test", key.is_test);
    json.insert("rate_per_minute", number(key.rate_per_minute));
    json.insert("rate_burst", number(key.rate_burst));
    json.insert("expires_at", time_or_null(key.expires_at));
    json.insert("replaced_by", or_null(key.replaced_by.map(|id| id.to_string())));
    json.insert("created_at", time(key.created_at));
    json.insert("last_used_at", time_or_null(key.last_used_at));
    json
}

/// JSON of a user without the hash of the password.
pub(crate) fn serialize_user(user: &User) -> Value {
    object([
        ("id", user.id.to_string().into()),
        ("email", user.email.as_str().into()),
        ("name", or_null(user.name.as_deref())),
        ("role", user.role.as_str().into()),
        ("disabled", user.is_disabled.into()),
        ("created_at", time(user.created_at)),
        ("updated_at", time(user.updated_at)),
        ("last_login_at", time_or_null(user.last_login_at)),
    ])
}

/// JSON of an entry of the audit log.
pub(crate) fn serialize_audit_entry(entry: AuditEntry) -> Value {
    let actor = object([
        ("kind", entry.actor.kind.as_str().into()),
        ("id", or_null(entry.actor.id)),
        ("name", entry.actor.name.into()),
    ]);
    let subject = object([
        ("kind", entry.subject.kind.as_str().into()),
        ("id", entry.subject.id.into()),
        ("name", or_null(entry.subject.name)),
    ]);
    object([
        ("id", entry.id.to_string().into()),
        ("at", time(entry.at)),
        ("actor", actor),
        ("action", entry.action.as_str().into()),
        ("subject", subject),
        ("client_address", or_null(entry.client.map(|client| client.to_string()))),
        ("request_id", or_null(entry.request_id)),
        ("details", Value::Object(entry.details)),
    ])
}

/// Returns the named schemas of API keys.
pub(crate) fn api_key_schemas() -> Vec<(&'static str, Schema)> {
    let mut created = api_key_properties();
    created.push(required(
        "key",
        Schema::string(1..).about("The key itself. Only this response contains the key."),
    ));
    vec![("ApiKey", Schema::object(api_key_properties())), ("ApiKeyWithSecret", Schema::object(created))]
}

fn api_key_properties() -> Vec<Property> {
    vec![
        required("id", Schema::uuid()),
        required("name", Schema::string(1..)),
        required("prefix", Schema::string(1..).about("First characters of the key.")),
        required("scopes", Schema::array(Schema::enumeration(KeyScope::ALL.map(KeyScope::as_str)), 1..)),
        required(
            "accounts",
            Schema::array(Schema::uuid(), ..)
                .about("IDs of the accounts that the key may use. Empty: all accounts."),
        ),
        required("test", Schema::boolean()),
        required(
            "rate_per_minute",
            Schema::integer(1..).or_null().about("`null`: the limit of the configuration."),
        ),
        required(
            "rate_burst",
            Schema::integer(1..).or_null().about("`null`: the limit of the configuration."),
        ),
        required("expires_at", Schema::time().or_null()),
        required(
            "replaced_by",
            Schema::uuid().or_null().about("ID of the key that replaces this key after a rotation."),
        ),
        required("created_at", Schema::time()),
        required("last_used_at", Schema::time().or_null().about("Time of the last use, to the minute.")),
    ]
}

pub(crate) const API_KEY_EXAMPLE: &str = r#"{"id":"01a2b3c4-0000-7000-8000-000000000005","name":"shop","prefix":"wp_test_4kQz",
    "scopes":["send","read"],"accounts":[],"test":true,"rate_per_minute":300,"rate_burst":null,"expires_at":null,
    "replaced_by":null,"created_at":"2026-05-29T10:30:00.000Z","last_used_at":null}"#;

pub(crate) const CREATED_API_KEY_EXAMPLE: &str = r#"{"id":"01a2b3c4-0000-7000-8000-000000000005","name":"shop","prefix":"wp_test_4kQz",
    "scopes":["send","read"],"accounts":[],"test":true,"rate_per_minute":300,"rate_burst":null,"expires_at":null,
    "replaced_by":null,"created_at":"2026-05-29T10:30:00.000Z","last_used_at":null,"key":"wp_test_4kQz…"}"#;

/// Returns the named schemas of users.
pub(crate) fn user_schemas() -> Vec<(&'static str, Schema)> {
    let user = Schema::object([
        required("id", Schema::uuid()),
        required("email", Schema::format("email")),
        required("name", Schema::string(1..).or_null()),
        required("role", Schema::enumeration(Role::ALL.map(Role::as_str))),
        required("disabled", Schema::boolean()),
        required("created_at", Schema::time()),
        required("updated_at", Schema::time()),
        required("last_login_at", Schema::time().or_null()),
    ]);
    vec![("User", user)]
}

pub(crate) const USER_EXAMPLE: &str = r#"{"id":"01a2b3c4-0000-7000-8000-000000000006","email":"ada@example.com",
    "name":"Ada Byron","role":"agent","disabled":false,"created_at":"2026-05-29T10:30:00.000Z",
    "updated_at":"2026-05-29T10:30:00.000Z","last_login_at":null}"#;

/// Returns the named schemas of the audit log.
pub(crate) fn audit_schemas() -> Vec<(&'static str, Schema)> {
    let actor = Schema::object([
        required("kind", Schema::enumeration(ActorKind::ALL.iter().map(|kind| kind.as_str()))),
        required("id", Schema::string(1..).or_null()),
        required("name", Schema::string(..)),
    ]);
    let subject = Schema::object([
        required("kind", Schema::enumeration(AuditTargetKind::ALL.iter().map(|kind| kind.as_str()))),
        required("id", Schema::string(1..)),
        required("name", Schema::string(..).or_null()),
    ]);
    let entry = Schema::object([
        required("id", Schema::uuid()),
        required("at", Schema::time()),
        required("actor", actor),
        required("action", Schema::enumeration(AuditAction::ALL.iter().map(|action| action.as_str()))),
        required("subject", subject),
        required("client_address", Schema::string(1..).or_null().about("IP address of the caller.")),
        required("request_id", Schema::string(1..).or_null()),
        required("details", Schema::any_object().about("New settings, without secrets.")),
    ]);
    vec![("AuditEntry", entry)]
}

pub(crate) const AUDIT_ENTRY_EXAMPLE: &str = r#"{"id":"01a2b3c4-0000-7000-8000-00000000000c","at":"2026-05-29T10:30:00.000Z",
    "actor":{"kind":"user","id":"01a2b3c4-0000-7000-8000-000000000006","name":"ada@example.com"},
    "action":"webhook.create","subject":{"kind":"webhook","id":"01a2b3c4-0000-7000-8000-000000000007","name":"shop"},
    "client_address":"203.0.113.7","request_id":"01a2b3c4-0000-7000-8000-0000000000ff","details":{}}"#;
