//! API keys: list, get, create, rotate and revoke.

use crate::api::access::serialize::API_KEY_EXAMPLE;
use crate::api::access::serialize::CREATED_API_KEY_EXAMPLE;
use crate::api::error::Code;
use crate::api::openapi::example::KEY;
use crate::api::openapi::operation::Operation;
use crate::api::openapi::schema::Schema;
use domain::check::RequestSchema;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use domain::access::api_key::{ApiKey, KeyScope};
use domain::check::{Fields, Item};
use domain::id::KeyId;
use engine::Deps;
use engine::access::api_key::delegation;
use engine::access::api_key::delegation::{NewApiKeyRequest, RotateApiKeyRequest};
use engine::ports::{ApiKeyFilter, PageRequest, PageStart};
use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret, SecretString};

use crate::api::access::serialize::{api_key_object, serialize_api_key};
use crate::api::error::ApiError;
use crate::api::field::parsed;
use crate::api::pagination::PageQuery;
use crate::api::request_context::{Audited, Authorized, IdOrName};
use crate::api::{request_body, response};

/// Maximum length of a name, in characters.
pub(crate) const MAX_NAME: usize = 100;
/// Maximum number of accounts of a key.
pub(crate) const MAX_ACCOUNTS: usize = 1000;
/// Maximum value of a rate limit.
pub(crate) const MAX_CALLS: i64 = 1_000_000_000;
/// Default time for which a rotated key stays valid, in seconds.
pub(crate) const DEFAULT_OVERLAP: i64 = 24 * 3600;
/// Maximum time for which a rotated key stays valid, in seconds.
pub(crate) const MAX_OVERLAP: i64 = 30 * 24 * 3600;

/// Lists the keys that are not revoked, newest first.
pub(crate) async fn list_api_keys(
    State(deps): State<Arc<Deps>>,
    Authorized(caller): Authorized,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let query = request_body::query(query.as_deref())?;
    let (search, page) = request_body::read(&query, read_list)?;
    let page = page.open(&deps, &caller)?;
    let found = page
        .read(deps.api_keys.list_api_keys(
            caller.workspace(),
            &ApiKeyFilter { id: None, search },
            page.request(),
        ))
        .await?;
    page.respond(found, |key| serialize_api_key(&key))
}

/// Reads the query of a list of API keys.
pub(crate) fn read_list(fields: &Fields<'_, '_>) -> (Option<String>, PageQuery) {
    let search = fields.optional("search").about("Part of the name or of the prefix.");
    (search.string(1..=200).map(str::to_owned), PageQuery::read("api_keys", fields))
}

/// Returns one API key.
pub(crate) async fn get_api_key(
    State(deps): State<Arc<Deps>>,
    Authorized(caller): Authorized,
    IdOrName(id): IdOrName,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    request_body::reject_query(query.as_deref())?;
    let filter = ApiKeyFilter { id: Some(key_id(&id)?), search: None };
    let one = PageRequest { per_page: 1, start: PageStart::Page(1) };
    let found = deps
        .api_keys
        .list_api_keys(caller.workspace(), &filter, one)
        .await?
        .rows
        .pop()
        .ok_or_else(ApiError::api_key_not_found)?;
    Ok(response::success(StatusCode::OK, &serialize_api_key(&found)))
}

fn key_id(id: &str) -> Result<KeyId, ApiError> {
    id.parse().map_err(|_| ApiError::api_key_not_found())
}

/// Creates an API key. Only this response contains the key itself.
pub(crate) async fn create_api_key(
    State(deps): State<Arc<Deps>>,
    Audited(caller, audit): Audited,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let object = request_body::json(&headers, body).await?;
    let now = deps.now();
    let request = request_body::read(&object, |fields| read_new(fields, now))?;
    let access = caller.key_access();
    let (key, secret) =
        delegation::create_api_key(&deps, &audit, caller.workspace(), access.as_ref(), request).await?;
    Ok(created_response(&key, &secret))
}

/// Reads the body of a new API key.
pub(crate) fn read_new(fields: &Fields<'_, '_>, now: Timestamp) -> NewApiKeyRequest {
    let limit = |name, about| {
        let item = fields.optional(name).about(about);
        item.integer(1..=MAX_CALLS).and_then(|n| u32::try_from(n).ok())
    };
    NewApiKeyRequest {
        name: name(&fields.required("name").about("Name of the key. No other active key has this name."))
            .unwrap_or_default(),
        scopes: scopes(&fields.required("scopes").about("Scopes of the key.")),
        accounts: accounts(
            &fields
                .optional("accounts")
                .about("IDs or names of the accounts that the key may use. Empty: all accounts."),
        ),
        is_test: fields.optional("test").about(TEST).boolean(),
        rate_per_minute: limit(
            "rate_per_minute",
            "Sends allowed in any 60 seconds. Default: `limits.per_minute` of the configuration.",
        ),
        rate_burst: limit(
            "rate_burst",
            "Sends allowed in any second. Default: `limits.burst` of the configuration.",
        ),
        expires_at: future(
            fields.optional("expires_at").about("Time at which the key expires. Must be in the future."),
            now,
        ),
    }
}

/// Documentation of `test`.
const TEST: &str = "`true`: a test key, which can use sandbox accounts only. `false`: a live key, which can use all \
                    other accounts. Default: the kind of the key that makes the request.";

/// Returns the response with a new key, which contains the key itself.
fn created_response(key: &ApiKey, secret: &SecretString) -> Response {
    let mut json = api_key_object(key);
    json.insert("key", secret.expose_secret());
    response::secret(response::success(StatusCode::CREATED, &json))
}

/// Pattern of a text on one line that is not blank.
const ONE_LINE: &str =
    r"^[^\u0000-\u001f\u007f-\u009f]*[^\s\u0000-\u001f\u007f-\u009f][^\u0000-\u001f\u007f-\u009f]*$";

/// Reads a name: one line that is not blank.
pub(crate) fn name(item: &Item<'_, '_>) -> Option<String> {
    let text = item.pattern(ONE_LINE).string(1..=MAX_NAME)?;
    if text.trim().is_empty() || text.chars().any(char::is_control) {
        item.refuse("must contain a visible character and no control characters");
        return None;
    }
    Some(text.trim().to_owned())
}

fn scopes(item: &Item<'_, '_>) -> Vec<KeyScope> {
    let scopes = KeyScope::ALL.map(|scope| (scope.as_str(), scope));
    let items = item.array(1..=KeyScope::ALL.len());
    items
        .iter()
        .flat_map(|items| items.iter().filter_map(|item| item.choice(&scopes)).collect::<Vec<_>>())
        .collect()
}

fn accounts(item: &Item<'_, '_>) -> Vec<String> {
    let Some(items) = item.array(0..=MAX_ACCOUNTS) else { return Vec::new() };
    items.iter().filter_map(|item| item.string(1..=200).map(str::to_owned)).collect()
}

fn future(item: Item<'_, '_>, now: Timestamp) -> Option<Timestamp> {
    let at: Timestamp =
        parsed(item.format("date-time"), "must be a time such as 2026-05-29T10:30:00.000Z (RFC 3339)")?;
    if at <= now {
        item.refuse("must be in the future");
        return None;
    }
    Some(at)
}

/// Replaces a key by a new key. The old key stays valid for a time.
pub(crate) async fn rotate_api_key(
    State(deps): State<Arc<Deps>>,
    Audited(caller, audit): Audited,
    IdOrName(id): IdOrName,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let object = request_body::object(&request_body::bytes(&headers, body).await?, true)?;
    let overlap = request_body::read(&object, read_rotation)?;
    let overlap = SignedDuration::from_secs(overlap.unwrap_or(DEFAULT_OVERLAP));
    let access = caller.key_access();
    let request = RotateApiKeyRequest { workspace: caller.workspace(), id: key_id(&id)?, overlap };
    let (key, secret) = delegation::rotate_api_key(&deps, &audit, access.as_ref(), request).await?;
    Ok(created_response(&key, &secret))
}

/// Reads the body of a rotation: the seconds for which the old key stays valid.
pub(crate) fn read_rotation(fields: &Fields<'_, '_>) -> Option<i64> {
    let about = format!("Seconds for which the old key stays valid. Default: {DEFAULT_OVERLAP}.");
    fields.optional("overlap_seconds").about(&about).integer(0..=MAX_OVERLAP)
}

/// Revokes a key.
pub(crate) async fn revoke_api_key(
    State(deps): State<Arc<Deps>>,
    Audited(caller, audit): Audited,
    IdOrName(id): IdOrName,
) -> Result<Response, ApiError> {
    let access = caller.key_access();
    delegation::revoke_api_key(&deps, &audit, caller.workspace(), access.as_ref(), key_id(&id)?).await?;
    Ok(response::no_content())
}

/// Describes the operations of this file.
pub(crate) fn operations() -> Vec<Operation> {
    vec![
        Operation::new(
            "list_api_keys",
            "List API keys",
            "Lists the API keys that are not revoked, newest first.",
        )
        .query(RequestSchema::of_query(read_list))
        .responds_page("api_keys", "ApiKey", API_KEY_EXAMPLE),
        Operation::new(
            "create_api_key",
            "Create an API key",
            "The response contains the key itself. No later response contains the key again. A caller cannot give a key more permissions than the caller has.",
        )
        .body(
            RequestSchema::of(|fields| read_new(fields, Timestamp::UNIX_EPOCH)),
            [("shop", r#"{"name":"shop","scopes":["send","read"],"rate_per_minute":300}"#)],
        )
        .responds(
            201,
            "The API key.",
            Schema::reference("ApiKeyWithSecret"),
            CREATED_API_KEY_EXAMPLE,
        )
        .errors([Code::ApiKeyExists]),
        Operation::new("get_api_key", "Get an API key", "")
            .id("ID of the API key.", KEY)
            .responds(200, "The API key.", Schema::reference("ApiKey"), API_KEY_EXAMPLE)
            .errors([Code::ApiKeyNotFound]),
        Operation::new("revoke_api_key", "Revoke an API key", "The key becomes invalid immediately.")
            .id("ID of the API key.", KEY)
            .responds_empty(204, "The API key is revoked.")
            .errors([Code::ApiKeyNotFound]),
        Operation::new(
            "rotate_api_key",
            "Rotate an API key",
            "Creates a new key with the same settings. The old key stays valid for `overlap_seconds`. Both \
             keys share their `Idempotency-Key` records.",
        )
        .id("ID of the API key.", KEY)
        .optional_body(RequestSchema::of(read_rotation), r#"{"overlap_seconds":3600}"#)
        .responds(201, "The new API key.", Schema::reference("ApiKeyWithSecret"), CREATED_API_KEY_EXAMPLE)
        .errors([Code::ApiKeyNotFound, Code::NotRotatable]),
    ]
}
