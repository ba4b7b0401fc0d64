//! An API key as an argument, and as a result.

use std::sync::Arc;

use anyhow::bail;
use domain::access::api_key::ApiKey;
use domain::id::{AccountId, KeyId};
use domain::time::rfc3339;
use engine::ports::Directory;
use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};

use super::workspace_arg::Opened;

/// Returns the key with an ID, prefix or name. If several keys have it, only the keys count for which `is_usable` is true.
///
/// # Errors
/// If there is no such key, or several.
pub(super) fn find_key(
    opened: &Opened,
    wanted: &str,
    is_usable: fn(&ApiKey) -> bool,
) -> anyhow::Result<Arc<ApiKey>> {
    let keys = keys_of(opened, &opened.deps.directory.current());
    let id = wanted.parse::<KeyId>().ok();
    if let Some(key) = keys.iter().find(|key| Some(key.id) == id) {
        return Ok(key.clone());
    }
    let prefix = wanted.trim_end_matches('…');
    let mut found: Vec<_> =
        keys.iter().filter(|key| key.prefix == prefix || key.name == wanted).cloned().collect();
    if found.iter().any(|key| is_usable(key)) {
        // A name can be used again after its key was revoked.
        found.retain(|key| is_usable(key));
    }
    match found.as_slice() {
        [] => bail!("there is no key with the ID, prefix or name `{wanted}`: see `waypost keys list`"),
        [key] => Ok(key.clone()),
        several => {
            let ids: Vec<_> = several.iter().map(|key| key.id.to_string()).collect();
            bail!("{} keys have the name `{wanted}`: use one of the IDs {}", ids.len(), ids.join(", "))
        }
    }
}

/// Returns the keys of the workspace, oldest first.
pub(super) fn keys_of(opened: &Opened, directory: &Directory) -> Vec<Arc<ApiKey>> {
    let own = directory.keys.values().filter(|key| key.workspace == opened.workspace);
    let mut keys: Vec<_> = own.cloned().collect();
    keys.sort_by_key(|key| (key.created_at, key.id));
    keys
}

/// Returns a new key in JSON, with the secret.
pub(super) fn key_json_with_secret(key: &ApiKey, secret: &SecretString) -> Value {
    let mut shown = key_json(key);
    if let Some(shown) = shown.as_object_mut() {
        shown.insert("key".to_owned(), json!(secret.expose_secret()));
    }
    shown
}

/// Returns a key in JSON.
pub(super) fn key_json(key: &ApiKey) -> Value {
    let time = |at: Option<Timestamp>| at.map(rfc3339);
    json!({
        "id": key.id.to_string(),
        "name": key.name,
        "prefix": key.prefix,
        "scopes": key.scopes.iter().map(|scope| scope.as_str()).collect::<Vec<_>>(),
        "accounts": key.accounts.iter().map(AccountId::to_string).collect::<Vec<_>>(),
        "test": key.is_test,
        "rate_per_minute": key.rate_per_minute,
        "rate_burst": key.rate_burst,
        "created_at": rfc3339(key.created_at),
        "expires_at": time(key.expires_at),
        "revoked_at": time(key.revoked_at),
        "last_used_at": time(key.last_used_at),
    })
}
