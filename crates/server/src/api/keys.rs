//! API keys.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use domain::access::api_key::{ApiKey, KeyScope};
use domain::check::Item;
use domain::id::KeyId;
use engine::Deps;
use engine::access::api_key::grant;
use engine::access::api_key::grant::KeyWish;
use engine::ports::{ApiKeyFilter, PageRequest, PageStart};
use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret, SecretString};

use super::messages::parsed;
use super::visit::{Acting, Allowed, Named};
use super::{ApiError, Code, answer, body, list, show};

/// The longest name, in characters.
pub(super) const MAX_NAME: usize = 100;
/// The most accounts in a key's list.
pub(super) const MAX_ACCOUNTS: usize = 1000;
/// The most calls in a window that a limit may allow: as good as none.
pub(super) const MOST_CALLS: i64 = 1_000_000_000;
/// How long a rotated key lives on if nobody says.
pub(super) const OVERLAP: i64 = 24 * 3600;
/// How long it may.
pub(super) const MAX_OVERLAP: i64 = 30 * 24 * 3600;

/// Lists the keys that are not revoked, newest first.
pub(crate) async fn list_keys(
    State(deps): State<Arc<Deps>>,
    Allowed(caller): Allowed,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let query = body::query(query.as_deref())?;
    let (search, page) = body::read(&query, |fields| {
        (fields.optional("search").string(1..=200).map(str::to_owned), list::page_request("api_keys", fields))
    })?;
    let found =
        deps.access.list_api_keys(caller.workspace(), &ApiKeyFilter { id: None, search }, page).await?;
    Ok(list::page("api_keys", page, found, |key| show::key(&key)))
}

/// One key.
pub(crate) async fn get_key(
    State(deps): State<Arc<Deps>>,
    Allowed(caller): Allowed,
    Named(id): Named,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    body::no_query(query.as_deref())?;
    let filter = ApiKeyFilter { id: Some(key_id(&id)?), search: None };
    let one = PageRequest { per_page: 1, start: PageStart::Page(1) };
    let found = deps
        .access
        .list_api_keys(caller.workspace(), &filter, one)
        .await?
        .rows
        .pop()
        .ok_or_else(not_found)?;
    Ok(answer::success(StatusCode::OK, &show::key(&found)))
}

fn key_id(id: &str) -> Result<KeyId, ApiError> {
    id.parse().map_err(|_| not_found())
}

pub(super) fn not_found() -> ApiError {
    ApiError::new(Code::ApiKeyNotFound, "There is no API key with this id, or it was revoked.")
}

/// Makes a key; it is shown once.
pub(crate) async fn create_key(
    State(deps): State<Arc<Deps>>,
    Acting(caller, by): Acting,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let object = body::json(&deps, &headers, body).await?;
    let now = deps.now();
    let wish = body::read(&object, |fields| {
        let limit = |name| fields.optional(name).integer(1..=MOST_CALLS).and_then(|n| u32::try_from(n).ok());
        KeyWish {
            name: name(&fields.required("name")).unwrap_or_default(),
            scopes: scopes(&fields.required("scopes")),
            accounts: accounts(&fields.optional("accounts")),
            is_test: fields.optional("test").boolean(),
            rate_per_minute: limit("rate_per_minute"),
            rate_burst: limit("rate_burst"),
            expires_at: future(fields.optional("expires_at"), now),
        }
    })?;
    let reach = caller.reach();
    let (key, secret) = grant::make(&deps, &by, caller.workspace(), reach.as_ref(), wish).await?;
    Ok(show_once(&key, &secret))
}

/// A key, for the one time that it is shown.
fn show_once(key: &ApiKey, secret: &SecretString) -> Response {
    let mut shown = show::key_object(key);
    shown.insert("key", secret.expose_secret());
    answer::secret(answer::success(StatusCode::CREATED, &shown))
}

/// Something to see, on one line.
pub(super) fn name(item: &Item<'_, '_>) -> Option<String> {
    let text = item.string(1..=MAX_NAME)?;
    if text.trim().is_empty() || text.chars().any(char::is_control) {
        item.refuse("must be something to see, without control characters");
        return None;
    }
    Some(text.trim().to_owned())
}

fn scopes(item: &Item<'_, '_>) -> Vec<KeyScope> {
    let words = KeyScope::ALL.map(|scope| (scope.as_str(), scope));
    let items = item.array(1..=KeyScope::ALL.len());
    items
        .iter()
        .flat_map(|items| items.iter().filter_map(|item| item.choice(&words)).collect::<Vec<_>>())
        .collect()
}

fn accounts(item: &Item<'_, '_>) -> Vec<String> {
    let Some(items) = item.array(0..=MAX_ACCOUNTS) else { return Vec::new() };
    items.iter().filter_map(|item| item.string(1..=200).map(str::to_owned)).collect()
}

fn future(item: Item<'_, '_>, now: Timestamp) -> Option<Timestamp> {
    let at: Timestamp = parsed(item, "must be a time such as 2026-05-29T10:30:00Z (RFC 3339)")?;
    if at <= now {
        item.refuse("must be in the future");
        return None;
    }
    Some(at)
}

/// Puts a new key in the place of one, which lives on for a while.
pub(crate) async fn rotate_key(
    State(deps): State<Arc<Deps>>,
    Acting(caller, by): Acting,
    Named(id): Named,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let object = body::object(&body::bytes(&deps, &headers, body).await?, true)?;
    let overlap = body::read(&object, |fields| fields.optional("overlap_seconds").integer(0..=MAX_OVERLAP))?;
    let overlap = SignedDuration::from_secs(overlap.unwrap_or(OVERLAP));
    let reach = caller.reach();
    let key = (caller.workspace(), key_id(&id)?);
    let (key, secret) = grant::rotate(&deps, &by, key, reach.as_ref(), overlap).await?;
    Ok(show_once(&key, &secret))
}

/// Takes a key back.
pub(crate) async fn revoke_key(
    State(deps): State<Arc<Deps>>,
    Acting(caller, by): Acting,
    Named(id): Named,
) -> Result<Response, ApiError> {
    let reach = caller.reach();
    grant::revoke(&deps, &by, caller.workspace(), reach.as_ref(), key_id(&id)?).await?;
    Ok(answer::no_content())
}
