//! JSON of API keys, users and audit entries in responses.

use domain::access::api_key::ApiKey;
use domain::access::audit::AuditEntry;
use domain::access::user::User;
use domain::json::{Object, Value};

use crate::api::response::object;
use crate::api::serialize::{optional, time};

/// A key, without what opens the door.
pub(crate) fn serialize_api_key(key: &ApiKey) -> Value {
    Value::Object(api_key_object(key))
}

/// The same, to add to.
pub(crate) fn api_key_object(key: &ApiKey) -> Object {
    let words = |words: Vec<String>| Value::Array(words.into_iter().map(Value::from).collect());
    let number = |number: Option<u32>| number.map_or(Value::Null, |number| i64::from(number).into());
    let mut shown = Object::new();
    shown.insert("id", key.id.to_string());
    shown.insert("name", key.name.as_str());
    shown.insert("prefix", key.prefix.as_str());
    shown.insert("scopes", words(key.scopes.iter().map(|scope| scope.as_str().to_owned()).collect()));
    shown.insert("accounts", words(key.accounts.iter().map(ToString::to_string).collect()));
    shown.insert("test", key.is_test);
    shown.insert("rate_per_minute", number(key.rate_per_minute));
    shown.insert("rate_burst", number(key.rate_burst));
    shown.insert("expires_at", key.expires_at.map_or(Value::Null, time));
    shown.insert("replaced_by", optional(key.replaced_by.map(|id| id.to_string())));
    shown.insert("created_at", time(key.created_at));
    shown.insert("last_used_at", key.last_used_at.map_or(Value::Null, time));
    shown
}

/// A user, without the password's hash.
pub(crate) fn serialize_user(user: &User) -> Value {
    object([
        ("id", user.id.to_string().into()),
        ("email", user.email.as_str().into()),
        ("name", optional(user.name.as_deref())),
        ("role", user.role.as_str().into()),
        ("disabled", user.is_disabled.into()),
        ("created_at", time(user.created_at)),
        ("updated_at", time(user.updated_at)),
        ("last_login_at", user.last_login_at.map_or(Value::Null, time)),
    ])
}

/// An entry of the audit log.
pub(crate) fn serialize_audit_entry(entry: AuditEntry) -> Value {
    let actor = object([
        ("kind", entry.actor.kind.as_str().into()),
        ("id", optional(entry.actor.id)),
        ("name", entry.actor.name.into()),
    ]);
    let subject = object([
        ("kind", entry.subject.kind.as_str().into()),
        ("id", entry.subject.id.into()),
        ("name", optional(entry.subject.name)),
    ]);
    object([
        ("id", entry.id.to_string().into()),
        ("at", time(entry.at)),
        ("actor", actor),
        ("action", entry.action.as_str().into()),
        ("subject", subject),
        ("client_address", optional(entry.client.map(|client| client.to_string()))),
        ("request_id", optional(entry.request_id)),
        ("details", Value::Object(entry.details)),
    ])
}
