//! Request bodies of webhook endpoints.

use domain::check::{Fields, Item, Patch};
use domain::id::AccountId;
use domain::json::Value;
use domain::webhooks_out::delivery::WebhookOrdering;
use domain::webhooks_out::header;
use engine::Deps;
use engine::access::caller::Caller;
use engine::ports::WebhookEndpoint;
use engine::webhooks_out::endpoint::EndpointOptions;
use secrecy::{ExposeSecret, SecretString};

use crate::api::events::kinds::{PATTERNS, selection_of_list, selection_schema};
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
    let events = field("events").about(PATTERNS).about("Events that are delivered.");
    let events = selection_of_list(&events.written_as(|| selection_schema().into()));
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
    // The headers may contain a secret of the receiver at the former address.
    let moves = before.zip(url.as_deref()).is_some_and(|(before, url)| !is_same_receiver(&before.url, url));
    let known = before.filter(|_| !moves);
    let headers = match fields.change("headers") {
        Patch::Unchanged => None,
        Patch::Clear => Some(Vec::new()),
        Patch::Set(item) => {
            item.about(HEADERS).written_as(headers_schema).object().map(|fields| read_headers(fields, known))
        }
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
        headers: headers.or_else(|| known.map(|known| known.headers.clone())).unwrap_or_default(),
        ordering: ordering
            .or_else(|| before.map(|before| before.ordering))
            .unwrap_or(WebhookOrdering::BestEffort),
        is_enabled: is_enabled.or_else(|| before.map(|before| before.is_enabled)).unwrap_or(true),
    })
}

/// Returns `true` if two URLs have the same scheme, host and port: the requests reach the same receiver.
fn is_same_receiver(before: &str, after: &str) -> bool {
    let receiver = |url: &str| {
        let url = url::Url::parse(url).ok()?;
        Some((url.scheme().to_owned(), url.host_str()?.to_owned(), url.port_or_known_default()))
    };
    receiver(before).is_some_and(|before| receiver(after) == Some(before))
}

/// Documentation of `headers`.
const HEADERS: &str = "Additional headers of each request. Responses show `***` instead of their values. A change of the \
                       scheme, the host or the port of `url` removes the headers that the same request does not contain.";

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

/// Reads the headers by name. The value `***`, which responses contain, keeps the present value in `known`.
fn read_headers(fields: Fields<'_, '_>, known: Option<&WebhookEndpoint>) -> Vec<(String, SecretString)> {
    let given = fields.object();
    if given.len() > header::MAX_HEADERS {
        fields.refuse(format!("must not have more than {} headers", header::MAX_HEADERS));
        return Vec::new();
    }
    let mut headers: Vec<(String, SecretString)> = Vec::new();
    for (name, value) in given.iter() {
        let refuse = |reason: String| fields.violations().refuse(&fields.pointer().key(name), reason);
        let Some(value) = value.as_str() else {
            refuse(format!("must be a string, is {}", value.kind_name()));
            continue;
        };
        let value = if value == HIDDEN {
            let mut present = known.into_iter().flat_map(|known| &known.headers);
            match present.find(|(present, _)| present.eq_ignore_ascii_case(name)) {
                Some((_, value)) => value.expose_secret(),
                None => {
                    refuse(format!("`{HIDDEN}` keeps the present value, and there is none: give the value"));
                    continue;
                }
            }
        } else {
            value
        };
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
