//! Meta's webhook payload, split into its changes.
//!
//! One payload contains up to a thousand updates of several accounts. The body is split first, then each change is
//! decoded separately, so that a change that cannot be decoded does not affect the others.
//!
//! **Invariant:** only a body that is not JSON is an error. Everything else in the body is in the span of a change,
//! except empty lists and the envelope itself.
//!
//! **Invariant:** a change's span refers to the received body, and contains exactly the bytes of the element.

mod account;
mod call;
mod echo;
mod fields;
mod message;
mod preference;
mod status;
mod template;
mod user;

use bytes::Bytes;
use domain::webhooks_in::update::WebhookUpdate;
use engine::ports::WebhookChange;
use jiff::Timestamp;

use self::user::ContactIndex;
use crate::escapes;
use crate::json_reader::Json;

/// Error: the webhook body is not JSON.
#[derive(Debug, thiserror::Error)]
#[error("reading a webhook body as JSON")]
pub struct NotJson(#[source] serde_json::Error);

/// Splits a body into its changes, in their order.
///
/// # Errors
/// [`NotJson`] if the body is not a JSON text in UTF-8. Every other body is accepted.
pub fn decode_webhook(body: &Bytes) -> Result<Vec<WebhookChange>, NotJson> {
    let json = escapes::replace_invalid_escapes(body);
    let root = Json::parse(&json).map_err(NotJson)?;
    let mut splitter = ChangeSplitter::default();
    splitter.body(root);
    if splitter.has_only_unexpected {
        // Nothing in the body has the shape of a webhook: the whole body becomes one change.
        let first = splitter.changes.into_iter().next();
        return Ok(first.map(|change| WebhookChange { span: span(root), ..change }).into_iter().collect());
    }
    Ok(splitter.changes)
}

/// Lists whose elements are one update each. The value of any other field is one update.
const FIELDS_OF_LISTS: [&str; 6] =
    ["messages", "calls", "user_preferences", "user_id_update", "smb_message_echoes", "message_echoes"];

/// Lists that such a field contains.
const LISTS: [&str; 7] =
    ["messages", "statuses", "calls", "message_echoes", "user_preferences", "user_id_update", "errors"];

struct ChangeSplitter {
    changes: Vec<WebhookChange>,
    /// `true` if no change so far has the shape that a webhook has in its position.
    has_only_unexpected: bool,
}

impl Default for ChangeSplitter {
    fn default() -> Self {
        Self { changes: Vec::new(), has_only_unexpected: true }
    }
}

/// The account that a change concerns.
#[derive(Clone, Copy, Default)]
struct ChangeContext<'a> {
    waba_id: Option<&'a str>,
    phone_number_id: Option<&'a str>,
    field: &'a str,
    time: Option<Timestamp>,
}

/// Returns the update of an element, or the reason why there is none.
type Decoded = Result<WebhookUpdate, String>;

impl ChangeSplitter {
    fn body(&mut self, root: Json<'_>) {
        if !root.is_object() {
            return self.push_unexpected(ChangeContext::default(), root, "the body", "an object");
        }
        let mut has_entry = false;
        for (_, entries) in root.members().filter(|(name, _)| name == "entry") {
            has_entry = true;
            if !entries.is_array() {
                self.push_unexpected(ChangeContext::default(), root, "`entry`", "an array");
            }
            entries.elements().for_each(|entry| self.entry(entry));
        }
        if !has_entry {
            self.push(ChangeContext::default(), root, Err("the body has no `entry`".to_owned()));
        }
    }

    fn entry(&mut self, entry: Json<'_>) {
        let id = entry.get("id").and_then(Json::scalar);
        let time = entry.get("time").and_then(Json::scalar).and_then(|time| fields::from_seconds(&time));
        let context = ChangeContext { waba_id: id.as_deref(), time, ..ChangeContext::default() };
        if !entry.is_object() {
            return self.push_unexpected(context, entry, "an element of `entry`", "an object");
        }
        // Some of Meta's samples have the field one level too high or too low.
        let field = entry.get("field").and_then(Json::string);
        let context = ChangeContext { field: field.as_deref().unwrap_or_default(), ..context };
        let mut has_changes = false;
        for (_, changes) in entry.members().filter(|(name, _)| name == "changes") {
            has_changes = true;
            if !changes.is_array() {
                self.push_unexpected(context, entry, "`changes`", "an array");
            }
            changes.elements().for_each(|change| self.change(context, change));
        }
        if !has_changes {
            self.push(context, entry, Err("an element of `entry` has no `changes`".to_owned()));
        }
    }

    fn change(&mut self, context: ChangeContext<'_>, change: Json<'_>) {
        if !change.is_object() {
            return self.push_unexpected(context, change, "an element of `changes`", "an object");
        }
        self.has_only_unexpected = false;
        let value = change.get("value");
        let named = change.get("field").and_then(Json::string);
        let misplaced = || value.and_then(|value| value.get("field")).and_then(Json::string);
        let named = named.or_else(misplaced);
        let field = named.as_deref().unwrap_or(context.field);
        let has_list = |name: &&str| value.and_then(|value| value.get(name)).is_some_and(Json::is_array);
        let field = if field.is_empty() && ["messages", "statuses"].iter().any(has_list) {
            "messages"
        } else {
            field
        };
        let number = value.and_then(|value| value.get("metadata")?.get("phone_number_id")?.scalar());
        let context = ChangeContext { field, phone_number_id: number.as_deref(), ..context };
        let Some(value) = value.filter(|value| value.is_object()) else {
            return self.push(context, change, Err("a change has no `value` that is an object".to_owned()));
        };
        if FIELDS_OF_LISTS.contains(&field) {
            return self.lists(context, change, value);
        }
        // A partner's entry names the partner's business; the account is in the value.
        let named = (field == "account_update").then(|| account::waba_of(value)).flatten();
        let context = ChangeContext { waba_id: named.as_deref().or(context.waba_id), ..context };
        let decoded = match field {
            "" => Err("a change has no `field`".to_owned()),
            _ if template::FIELDS.contains(&field) => template::decode(value),
            _ if account::FIELDS.contains(&field) => Ok(account::decode(field, value)),
            _ => Ok(WebhookUpdate::Other),
        };
        self.push(context, change, decoded);
    }

    fn lists(&mut self, context: ChangeContext<'_>, change: Json<'_>, value: Json<'_>) {
        let contacts = ContactIndex::read(value);
        let mut has_list = false;
        for (name, list) in value.members().filter(|(name, _)| name != "contacts") {
            let is_known = LISTS.contains(&&*name);
            if list.is_array() {
                has_list = true;
                for element in list.elements() {
                    self.push(context, element, decode(context.field, &name, element, &contacts));
                }
            } else if is_known && !list.is_null() {
                has_list = true;
                let what = format!("`{name}`");
                self.push(context, list, Err(unexpected(&what, list, "an array")));
            }
        }
        if !has_list {
            self.push(context, change, Err("a change has none of its field's lists".to_owned()));
        }
    }

    fn push_unexpected(&mut self, context: ChangeContext<'_>, json: Json<'_>, what: &str, wanted: &str) {
        self.push(context, json, Err(unexpected(what, json, wanted)));
    }

    fn push(&mut self, context: ChangeContext<'_>, json: Json<'_>, decoded: Decoded) {
        let (update, undecodable) = match decoded {
            Ok(update) => (update, None),
            Err(reason) => (WebhookUpdate::Other, Some(reason)),
        };
        self.changes.push(WebhookChange {
            waba_id: context.waba_id.map(str::to_owned),
            phone_number_id: context.phone_number_id.map(str::to_owned),
            field: context.field.to_owned(),
            time: context.time,
            update,
            span: span(json),
            undecodable,
        });
    }
}

/// Decodes one element of a list, by the name of the list. Message echoes are not inbound messages, in whichever list
/// they are.
fn decode(field: &str, list: &str, element: Json<'_>, contacts: &ContactIndex<'_>) -> Decoded {
    if LISTS.contains(&list) && !element.is_object() {
        return Err(unexpected("an element", element, "an object"));
    }
    match (field, list) {
        ("messages", "messages") => message::decode(element, contacts).map(WebhookUpdate::Message),
        ("messages", "statuses") => status::decode(element, contacts),
        ("messages" | "calls", "calls") => call::decode(element, contacts),
        ("smb_message_echoes", "message_echoes") => echo::decode(element, contacts),
        ("user_preferences", "user_preferences") => preference::decode(element, contacts),
        ("user_id_update", "user_id_update") => preference::decode_user_id_update(element, contacts),
        (_, "errors") => Ok(account::error(element)),
        _ => Ok(WebhookUpdate::Other),
    }
}

fn unexpected(what: &str, json: Json<'_>, wanted: &str) -> String {
    format!("{what} is {}, not {wanted}", json.kind_name())
}

fn span(json: Json<'_>) -> (u32, u32) {
    // A body has at most a few megabytes.
    let small = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    (small(json.start()), small(json.text().len()))
}
