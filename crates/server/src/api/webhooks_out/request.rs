//! Request bodies of webhook endpoints.

use domain::check::{Fields, Item, Items, Patch};
use domain::events::EventKind;
use domain::id::AccountId;
use domain::json::Value;
use domain::webhooks_out::delivery::WebhookOrdering;
use domain::webhooks_out::header;
use engine::Deps;
use engine::access::caller::Caller;
use engine::ports::WebhookEndpoint;
use engine::webhooks_out::endpoint::EndpointOptions;
use secrecy::{ExposeSecret, SecretString};

use crate::api::events::kinds::{ALL_EVENTS, kind_or_all_schema, unknown_kind};
use crate::api::openapi::schema::Schema;
use crate::api::webhooks_out::lookup::covers;
use crate::api::webhooks_out::serialize::HIDDEN;

/// Maximum length of a name, in characters.
pub(crate) const MAX_NAME: usize = 100;

/// Maximum number of accounts of an endpoint.
pub(crate) const MAX_ACCOUNTS: usize = 100;

/// Reads the settings of an endpoint. In a change, missing settings keep their values, and `null` clears the settings that
/// can be empty. Without a caller the reader can only be described.
pub(crate) fn read_webhook(
    caller: Option<(&Deps, &Caller)>,
    fields: &Fields<'_, '_>,
    before: Option<&WebhookEndpoint>,
) -> Option<EndpointOptions> {
    read_settings(caller, fields, before, before.is_none())
}

/// Reads the settings of a new endpoint, or of a change.
pub(crate) fn read_settings(
    caller: Option<(&Deps, &Caller)>,
    fields: &Fields<'_, '_>,
    before: Option<&WebhookEndpoint>,
    is_new: bool,
) -> Option<EndpointOptions> {
    let field = |name| match fields.change(name) {
        Patch::Set(_) if fields.is_described() && is_new => fields.required(name),
        Patch::Set(_) if fields.is_described() => fields.given(name, "cannot be null"),
        Patch::Set(item) => item,
        Patch::Unchanged if !is_new => fields.optional(name),
        Patch::Unchanged => fields.required(name),
        Patch::Clear => {
            let item = fields.optional(name);
            item.refuse("cannot be null");
            item
        }
    };
    let name = field("name").about("Name of the webhook.").string(1..=MAX_NAME).map(str::to_owned);
    let url_field = field("url").about("URL of the endpoint: `https`, at a public address.").format("uri");
    let check = |url: &str| caller.map_or(Ok(()), |(deps, _)| deps.webhook_sender.check_url(url));
    let url = url_field.string(1..).and_then(|url| match check(url) {
        Ok(()) => Some(url.to_owned()),
        Err(error) => {
            url_field.refuse(format!("this URL cannot be called: {error}"));
            None
        }
    });
    let events = field("events").about("Events that are delivered. `*`: all events.");
    let events = events.array(1..=EventKind::ALL.len()).map(|items| read_events(&items));
    let accounts = match fields.change("accounts") {
        Patch::Unchanged => None,
        Patch::Clear => Some(Vec::new()),
        Patch::Set(item) => Some(read_accounts(caller, &item.about(ACCOUNTS))),
    };
    let after = accounts.as_deref().or_else(|| before.map(|before| before.accounts.as_slice()));
    if caller.is_some_and(|(deps, caller)| !covers(deps, caller, after.unwrap_or_default())) {
        let pointer = fields.pointer().key("accounts");
        fields.violations().refuse(
            &pointer,
            "must list accounts: this API key has no access to some accounts of the workspace",
        );
    }
    let headers = match fields.change("headers") {
        Patch::Unchanged => None,
        Patch::Clear => Some(Vec::new()),
        Patch::Set(item) => item
            .about("Additional headers of each request. Responses show `***` instead of their values.")
            .written_as(headers_schema)
            .object()
            .map(|fields| read_headers(fields, before)),
    };
    let is_enabled = match fields.change("enabled") {
        Patch::Unchanged => None,
        Patch::Clear => Some(true),
        Patch::Set(item) => item.about("`false`: deliveries wait until the webhook is enabled.").boolean(),
    };
    let orderings = WebhookOrdering::ALL.map(WebhookOrdering::as_str);
    let ordering = match fields.change("ordering") {
        Patch::Unchanged => None,
        Patch::Clear => Some(WebhookOrdering::BestEffort),
        Patch::Set(item) => item.about(ORDERING).one_of(&orderings).and_then(|name| name.parse().ok()),
    };
    Some(EndpointOptions {
        name: name.or_else(|| before.map(|before| before.name.clone()))?,
        url: url.or_else(|| before.map(|before| before.url.clone()))?,
        events: events.or_else(|| before.map(|before| before.events.clone()))?,
        accounts: accounts.or_else(|| before.map(|before| before.accounts.clone())).unwrap_or_default(),
        headers: headers.or_else(|| before.map(|before| before.headers.clone())).unwrap_or_default(),
        ordering: ordering
            .or_else(|| before.map(|before| before.ordering))
            .unwrap_or(WebhookOrdering::BestEffort),
        is_enabled: is_enabled.or_else(|| before.map(|before| before.is_enabled)).unwrap_or(true),
    })
}

/// Reads kinds of events; `None` means all events.
fn read_events(items: &Items<'_, '_>) -> Option<Vec<EventKind>> {
    let mut kinds = Vec::new();
    let mut is_all = false;
    for item in items.iter() {
        let item = item.written_as(|| kind_or_all_schema().into());
        let Some(word) = item.string(1..) else { continue };
        match word.parse() {
            Ok(kind) if !kinds.contains(&kind) => kinds.push(kind),
            Ok(_) => {}
            Err(_) if word == ALL_EVENTS => is_all = true,
            Err(_) => item.refuse(unknown_kind(word)),
        }
    }
    (!is_all).then_some(kinds)
}

/// Documentation of `accounts`.
const ACCOUNTS: &str = "IDs or names of accounts: only their events are delivered. `null`: events of all accounts. A key \
                        that is limited to some accounts must name accounts.";

/// Documentation of `ordering`.
const ORDERING: &str = "`best_effort` (default): after the second failed attempt of an event, later events of the same \
                        contact are delivered, and its retries continue beside them; order the events of a contact by \
                        `sequence`. `strict`: later events of the contact wait until the event is accepted, becomes a \
                        dead letter or is skipped.";

/// JSON Schema of `headers`.
fn headers_schema() -> Value {
    let number = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
    let value = Schema::pattern("^[!-~]([ -~]*[!-~])?$").set("maxLength", number(header::MAX_VALUE_BYTES));
    let headers = Schema::map(value)
        .set("maxProperties", number(header::MAX_HEADERS))
        .set("propertyNames", Schema::pattern("^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}$"));
    headers.into()
}

fn read_accounts(caller: Option<(&Deps, &Caller)>, item: &Item<'_, '_>) -> Vec<AccountId> {
    let mut accounts = Vec::new();
    let Some(items) = item.array(1..=MAX_ACCOUNTS) else { return accounts };
    for item in items.iter() {
        let (Some(name), Some((deps, caller))) = (item.string(1..), caller) else { continue };
        let directory = deps.directory.current();
        match directory.account(caller.workspace(), name) {
            Some(record) if caller.can_see_account(deps, record.account.id) => {
                accounts.push(record.account.id)
            }
            Some(_) | None => item.refuse(format!("there is no account `{name}`")),
        }
    }
    accounts
}

/// Reads the headers by name. The value `***`, which responses contain, keeps the present value.
fn read_headers(fields: Fields<'_, '_>, before: Option<&WebhookEndpoint>) -> Vec<(String, SecretString)> {
    let given = fields.object();
    if given.len() > header::MAX_HEADERS {
        fields.refuse(format!("must not have more than {} headers", header::MAX_HEADERS));
    }
    let mut headers: Vec<(String, SecretString)> = Vec::new();
    for (name, value) in given.iter() {
        let refuse = |reason: String| fields.violations().refuse(&fields.pointer().key(name), reason);
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
                refuse("appears twice, with different case".to_owned());
            }
            Ok(()) => headers.push((name.to_owned(), value.into())),
            Err(error) => refuse(error.to_string()),
        }
    }
    fields.finish_open();
    headers
}
