//! The application's endpoints, and what is on its way to them.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use domain::check::{Fields, Item, Items, Patch};
use domain::events::EventKind;
use domain::id::{AccountId, DeliveryId};
use domain::json::{Object, Value};
use domain::webhooks_out::delivery::{DeliveryStatus, WebhookStatus};
use domain::webhooks_out::header;
use engine::access::api_key::Caller;
use engine::ports::{DeliveryFilter, PageRequest, PageStart, StoredDelivery, WebhookEndpoint};
use engine::webhooks_out::endpoint;
use engine::webhooks_out::endpoint::{Choice, MAX_WEBHOOKS};
use engine::{Deps, directory};
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};

use crate::api::events::stream::unknown_kind;
use crate::api::request_context::{Audited, Authorized, IdOrName};
use crate::api::response::object;
use crate::api::{ApiError, Code, pagination, request_body, response};

/// The word for every kind of event.
pub(crate) const EVERYTHING: &str = "*";
/// What stands for the value of a header: it may be a secret.
const HIDDEN: &str = "***";
/// The longest name, in characters.
pub(crate) const MAX_NAME: usize = 100;
/// The most accounts that an endpoint names.
pub(crate) const MAX_ACCOUNTS: usize = 100;

/// Lists endpoints, oldest first.
pub(crate) async fn list_webhooks(
    State(deps): State<Arc<Deps>>,
    Authorized(caller): Authorized,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let query = request_body::query(query.as_deref())?;
    let (search, page) = request_body::read(&query, |fields| {
        let search = fields.optional("search").string(1..=200).map(str::to_lowercase);
        (search, pagination::page_request("webhooks", fields))
    })?;
    let directory = deps.directory.current();
    let matches = |record: &&Arc<WebhookEndpoint>| {
        let Some(search) = &search else { return true };
        record.name.to_lowercase().contains(search) || record.url.to_lowercase().contains(search)
    };
    let found: Vec<_> = directory
        .webhooks_of(caller.workspace())
        .filter(matches)
        .filter(|record| covers(&deps, &caller, &record.accounts))
        .collect();
    Ok(pagination::page("webhooks", page, pagination::cut(&found, page), |record| show(record)))
}

/// One endpoint.
pub(crate) async fn get_webhook(
    State(deps): State<Arc<Deps>>,
    Authorized(caller): Authorized,
    IdOrName(id): IdOrName,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    request_body::no_query(query.as_deref())?;
    Ok(response::success(StatusCode::OK, &show(&*find(&deps, &caller, &id)?)))
}

/// Makes an endpoint; its secret is shown this once.
pub(crate) async fn create_webhook(
    State(deps): State<Arc<Deps>>,
    Audited(caller, by): Audited,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let object = request_body::json(&deps, &headers, body).await?;
    let choice = request_body::read(&object, |fields| read_choice(&deps, &caller, fields, None))?;
    let choice = choice.ok_or_else(|| ApiError::invalid_at("", "the endpoint is incomplete"))?;
    let Some(record) = endpoint::create(&deps, &by, caller.workspace(), choice).await? else {
        let message = format!("There are {MAX_WEBHOOKS} webhooks already, and no more may be made.");
        return Err(ApiError::new(Code::TooMany, message).with("limit", i64::from(MAX_WEBHOOKS)));
    };
    Ok(response::success(StatusCode::CREATED, &with_secret(&record)))
}

/// Changes the fields given.
pub(crate) async fn update_webhook(
    State(deps): State<Arc<Deps>>,
    Audited(caller, by): Audited,
    IdOrName(id): IdOrName,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    find(&deps, &caller, &id)?;
    let object = request_body::json(&deps, &headers, body).await?;
    // What the change does not name stays as it is, and another process may have changed that a moment ago.
    directory::refresh(&deps).await?;
    let record = find(&deps, &caller, &id)?;
    let choice = request_body::read(&object, |fields| read_choice(&deps, &caller, fields, Some(&record)))?;
    let choice = choice.ok_or_else(|| ApiError::invalid_at("", "the endpoint is incomplete"))?;
    let switches_on = object.get("enabled").and_then(Value::as_bool) == Some(true);
    let changed = endpoint::change(&deps, &by, &record, choice, switches_on).await?;
    let changed = changed.ok_or_else(|| not_found(&id))?;
    Ok(response::success(StatusCode::OK, &show(&changed)))
}

/// Removes an endpoint.
pub(crate) async fn delete_webhook(
    State(deps): State<Arc<Deps>>,
    Audited(caller, by): Audited,
    IdOrName(id): IdOrName,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    request_body::no_query(query.as_deref())?;
    let record = find(&deps, &caller, &id)?;
    if endpoint::remove(&deps, &by, &record).await? {
        Ok(StatusCode::NO_CONTENT.into_response())
    } else {
        Err(not_found(&id))
    }
}

/// Posts a test event to an endpoint, and answers with how that went.
pub(crate) async fn test_webhook(
    State(deps): State<Arc<Deps>>,
    Audited(caller, by): Audited,
    IdOrName(id): IdOrName,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    request_body::nothing(&deps, &headers, body).await?;
    let record = find(&deps, &caller, &id)?;
    let tested = endpoint::test(&deps, &by, &record).await?;
    let position = tested.ok_or_else(|| not_found(&id))?;
    let delivery = one_delivery(&deps, &caller, position).await?.ok_or_else(|| not_found(&id))?;
    Ok(response::success(StatusCode::OK, &show_delivery(delivery)))
}

/// Gives an endpoint a new secret, which is shown this once.
pub(crate) async fn rotate_webhook_secret(
    State(deps): State<Arc<Deps>>,
    Audited(caller, by): Audited,
    IdOrName(id): IdOrName,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    request_body::nothing(&deps, &headers, body).await?;
    let record = find(&deps, &caller, &id)?;
    let changed = endpoint::rotate(&deps, &by, &record).await?.ok_or_else(|| not_found(&id))?;
    Ok(response::success(StatusCode::OK, &with_secret(&changed)))
}

/// Lists what is on its way to an endpoint, and what has been, newest first.
pub(crate) async fn list_deliveries(
    State(deps): State<Arc<Deps>>,
    Authorized(caller): Authorized,
    IdOrName(id): IdOrName,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let query = request_body::query(query.as_deref())?;
    let (status, page) = request_body::read(&query, |fields| {
        let words = DeliveryStatus::ALL.map(DeliveryStatus::as_str);
        let status = fields.optional("status").one_of(&words).and_then(|word| word.parse().ok());
        (status, pagination::page_request("deliveries", fields))
    })?;
    let record = find(&deps, &caller, &id)?;
    let filter = DeliveryFilter { webhook: Some(record.id), status, position: None };
    let found = deps.deliveries.list_deliveries(caller.workspace(), &filter, page).await?;
    Ok(pagination::page("deliveries", page, found, show_delivery))
}

/// Hands the events since a time to an endpoint again, beside what is on its way.
pub(crate) async fn replay_webhook(
    State(deps): State<Arc<Deps>>,
    Audited(caller, by): Audited,
    IdOrName(id): IdOrName,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let record = find(&deps, &caller, &id)?;
    let object_given = request_body::json(&deps, &headers, body).await?;
    let now = deps.now();
    let since = request_body::read(&object_given, |fields| {
        let since = fields.required("since");
        let at = since.string(1..).and_then(|text| match text.parse::<Timestamp>() {
            Ok(at) if at <= now => Some(at),
            Ok(_) => {
                since.refuse("must not be in the future");
                None
            }
            Err(_) => {
                since.refuse("must be a time such as 2026-05-29T10:30:00Z");
                None
            }
        });
        at.unwrap_or(now)
    })?;
    refuse_disabled(&record)?;
    let (replay, n_events) = endpoint::replay(&deps, &by, &record, since).await?;
    let n_events = i64::try_from(n_events).unwrap_or(i64::MAX);
    let data = object([
        ("id", replay.to_string().into()),
        ("webhook_id", record.id.to_string().into()),
        ("since", since.to_string().into()),
        ("events_since", n_events.into()),
    ]);
    Ok(response::success(StatusCode::ACCEPTED, &data))
}

/// Repeats one delivery, beside what is on its way.
pub(crate) async fn redeliver_delivery(
    State(deps): State<Arc<Deps>>,
    Audited(caller, by): Audited,
    IdOrName(id): IdOrName,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    request_body::nothing(&deps, &headers, body).await?;
    let unknown = || ApiError::new(Code::DeliveryNotFound, format!("There is no delivery `{id}`."));
    let parsed: DeliveryId = id.parse().map_err(|_| unknown())?;
    let position = parsed.position(caller.workspace()).ok_or_else(unknown)?;
    let delivery = one_delivery(&deps, &caller, position).await?.filter(|delivery| delivery.id == parsed);
    let delivery = delivery.ok_or_else(unknown)?;
    let directory = deps.directory.current();
    let record = directory
        .webhook(caller.workspace(), delivery.webhook)
        .filter(|record| covers(&deps, &caller, &record.accounts))
        .ok_or_else(unknown)?;
    refuse_disabled(record)?;
    let repeated = endpoint::redeliver(&deps, &by, record, delivery.id).await?.ok_or_else(unknown)?;
    let position = repeated.position(caller.workspace()).ok_or_else(unknown)?;
    let delivery = one_delivery(&deps, &caller, position).await?.ok_or_else(unknown)?;
    Ok(response::success(StatusCode::ACCEPTED, &show_delivery(delivery)))
}

async fn one_delivery(
    deps: &Deps,
    caller: &Caller,
    position: i64,
) -> Result<Option<StoredDelivery>, ApiError> {
    let filter = DeliveryFilter { position: Some(position), ..DeliveryFilter::default() };
    let one = PageRequest { per_page: 1, start: PageStart::Page(1) };
    Ok(deps.deliveries.list_deliveries(caller.workspace(), &filter, one).await?.rows.into_iter().next())
}

fn refuse_disabled(record: &WebhookEndpoint) -> Result<(), ApiError> {
    if record.shown_status() == WebhookStatus::Disabled {
        let message =
            "This webhook is disabled: nothing is sent to it. Enable it first (PUT with `enabled: true`).";
        return Err(ApiError::new(Code::WebhookDisabled, message));
    }
    Ok(())
}

fn not_found(id: &str) -> ApiError {
    ApiError::new(Code::WebhookNotFound, format!("There is no webhook `{id}`."))
}

fn find(deps: &Deps, caller: &Caller, id: &str) -> Result<Arc<WebhookEndpoint>, ApiError> {
    let parsed = id.parse().map_err(|_| not_found(id))?;
    let directory = deps.directory.current();
    let found = directory.webhook(caller.workspace(), parsed).cloned();
    found.filter(|record| covers(deps, caller, &record.accounts)).ok_or_else(|| not_found(id))
}

/// Whether a caller may see all that an endpoint of these accounts hears: who sees some accounts only has nothing to do
/// with an endpoint that hears of others.
fn covers(deps: &Deps, caller: &Caller, accounts: &[AccountId]) -> bool {
    let Some(visible) = caller.visible(deps) else { return true };
    !accounts.is_empty() && accounts.iter().all(|account| visible.contains(account))
}

/// Reads what is chosen. What a change does not name stays as it is; `null` clears what may be empty.
fn read_choice(
    deps: &Deps,
    caller: &Caller,
    fields: &Fields<'_, '_>,
    before: Option<&WebhookEndpoint>,
) -> Option<Choice> {
    let field = |name| match fields.change(name) {
        Patch::Set(item) => item,
        Patch::Unchanged if before.is_some() => fields.optional(name),
        Patch::Unchanged => fields.required(name),
        Patch::Clear => {
            let item = fields.optional(name);
            item.refuse("cannot be null");
            item
        }
    };
    let name = field("name").string(1..=MAX_NAME).map(str::to_owned);
    let url_field = field("url");
    let url = url_field.string(1..).and_then(|url| match deps.webhook_sender.check_url(url) {
        Ok(()) => Some(url.to_owned()),
        Err(error) => {
            url_field.refuse(format!("this address cannot be called: {error}"));
            None
        }
    });
    let events = field("events").array(1..=EventKind::ALL.len()).map(|items| read_events(&items));
    let accounts = match fields.change("accounts") {
        Patch::Unchanged => None,
        Patch::Clear => Some(Vec::new()),
        Patch::Set(item) => Some(read_accounts(deps, caller, &item)),
    };
    let after = accounts.as_deref().or_else(|| before.map(|before| before.accounts.as_slice()));
    if !covers(deps, caller, after.unwrap_or_default()) {
        let place = fields.place().key("accounts");
        fields.violations().refuse(&place, "must name accounts: this key sees some of them only");
    }
    let headers = match fields.change("headers") {
        Patch::Unchanged => None,
        Patch::Clear => Some(Vec::new()),
        Patch::Set(item) => item.object().map(|fields| read_headers(fields, before)),
    };
    let is_enabled = match fields.change("enabled") {
        Patch::Unchanged => None,
        Patch::Clear => Some(true),
        Patch::Set(item) => item.boolean(),
    };
    Some(Choice {
        name: name.or_else(|| before.map(|before| before.name.clone()))?,
        url: url.or_else(|| before.map(|before| before.url.clone()))?,
        events: events.or_else(|| before.map(|before| before.events.clone()))?,
        accounts: accounts.or_else(|| before.map(|before| before.accounts.clone())).unwrap_or_default(),
        headers: headers.or_else(|| before.map(|before| before.headers.clone())).unwrap_or_default(),
        is_enabled: is_enabled.or_else(|| before.map(|before| before.is_enabled)).unwrap_or(true),
    })
}

/// Kinds of events; `None` is everything.
fn read_events(items: &Items<'_, '_>) -> Option<Vec<EventKind>> {
    let mut kinds = Vec::new();
    let mut is_everything = false;
    for item in items.iter() {
        let Some(word) = item.string(1..) else { continue };
        match word.parse() {
            Ok(kind) if !kinds.contains(&kind) => kinds.push(kind),
            Ok(_) => {}
            Err(_) if word == EVERYTHING => is_everything = true,
            Err(_) => item.refuse(unknown_kind(word)),
        }
    }
    (!is_everything).then_some(kinds)
}

fn read_accounts(deps: &Deps, caller: &Caller, item: &Item<'_, '_>) -> Vec<AccountId> {
    let directory = deps.directory.current();
    let mut accounts = Vec::new();
    let Some(items) = item.array(1..=MAX_ACCOUNTS) else { return accounts };
    for item in items.iter() {
        let Some(name) = item.string(1..) else { continue };
        match directory.account(caller.workspace(), name) {
            Some(record) if caller.may_see(deps, record.account.id) => accounts.push(record.account.id),
            Some(_) | None => item.refuse(format!("there is no account `{name}`")),
        }
    }
    accounts
}

/// Headers by name. A value that is hidden in answers may be sent back as it was shown: it stays what it was.
fn read_headers(fields: Fields<'_, '_>, before: Option<&WebhookEndpoint>) -> Vec<(String, SecretString)> {
    let given = fields.object();
    if given.len() > header::MAX_HEADERS {
        fields.refuse(format!("must not have more than {} headers", header::MAX_HEADERS));
    }
    let mut headers: Vec<(String, SecretString)> = Vec::new();
    for (name, value) in given.iter() {
        let refuse = |reason: String| fields.violations().refuse(&fields.place().key(name), reason);
        let Some(value) = value.as_str() else {
            refuse(format!("must be a string, is {}", value.kind_name()));
            continue;
        };
        let known = before
            .filter(|_| value == HIDDEN)
            .and_then(|before| before.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)));
        let value = known.map_or(value, |(_, value)| value.expose_secret());
        match header::validate(name, value) {
            Ok(()) if headers.iter().any(|(known, _)| known.eq_ignore_ascii_case(name)) => {
                refuse("is given twice, in another case".to_owned());
            }
            Ok(()) => headers.push((name.to_owned(), value.into())),
            Err(error) => refuse(error.to_string()),
        }
    }
    fields.finish_open();
    headers
}

fn show(record: &WebhookEndpoint) -> Value {
    Value::Object(shown(record))
}

fn with_secret(record: &WebhookEndpoint) -> Value {
    let mut shown = shown(record);
    shown.insert("secret", record.secret.expose_secret());
    Value::Object(shown)
}

fn shown(record: &WebhookEndpoint) -> Object {
    let events: Vec<Value> = match &record.events {
        None => vec![EVERYTHING.into()],
        Some(kinds) => kinds.iter().map(|kind| kind.as_str().into()).collect(),
    };
    let accounts: Vec<Value> = record.accounts.iter().map(|account| account.to_string().into()).collect();
    let headers: Object =
        record.headers.iter().map(|(name, _)| (name.clone(), Value::from(HIDDEN))).collect();
    let mut shown = Object::new();
    shown.insert("id", record.id.to_string());
    shown.insert("name", record.name.as_str());
    shown.insert("url", record.url.as_str());
    shown.insert("events", events);
    shown.insert("accounts", if accounts.is_empty() { Value::Null } else { accounts.into() });
    shown.insert("headers", headers);
    shown.insert("enabled", record.is_enabled && record.status != WebhookStatus::Disabled);
    shown.insert("status", record.shown_status().as_str());
    shown.insert("status_reason", record.status_reason.clone().map_or(Value::Null, Value::from));
    shown.insert("created_at", record.created_at.to_string());
    shown.insert("updated_at", record.updated_at.to_string());
    shown
}

fn show_delivery(delivery: StoredDelivery) -> Value {
    let time = |at: Option<Timestamp>| at.map_or(Value::Null, |at| at.to_string().into());
    let number = |number: Option<i64>| number.map_or(Value::Null, Value::from);
    let event = delivery.event.as_ref();
    object([
        ("id", delivery.id.to_string().into()),
        ("webhook_id", delivery.webhook.to_string().into()),
        ("event_id", event.map_or(Value::Null, |event| event.id.to_string().into())),
        ("event", event.map_or(Value::Null, |event| event.kind.as_str().into())),
        ("redelivery", delivery.is_redelivery.into()),
        ("attempt", i64::from(delivery.n_attempts).into()),
        ("status", delivery.status.as_str().into()),
        ("http_status", number(delivery.http_status.map(i64::from))),
        ("latency_ms", number(delivery.latency_ms.map(i64::from))),
        ("response", delivery.response.map_or(Value::Null, Value::from)),
        ("at", time(delivery.at)),
        ("next_attempt_at", time(delivery.next_attempt_at)),
        ("created_at", time(Some(delivery.created_at))),
    ])
}
