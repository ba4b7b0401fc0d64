//! Names of event kinds in requests.

use crate::api::openapi::schema::Schema;
use domain::check::{Item, nearest_of};
use domain::events::EventKind;

/// The name that stands for all event kinds.
pub(crate) const ALL_EVENTS: &str = "*";

/// Reads event names, separated by commas; `None` means all events.
pub(crate) fn event_kinds(item: &Item<'_, '_>) -> Option<Vec<EventKind>> {
    let mut kinds = Vec::new();
    let names = item.string(1..)?;
    if names == ALL_EVENTS {
        return None;
    }
    for name in names.split(',').map(str::trim) {
        match name.parse() {
            Ok(kind) => kinds.push(kind),
            Err(_) => item.refuse(unknown_kind(name)),
        }
    }
    Some(kinds)
}

/// Names of events in other APIs.
const SYNONYMS: &[(&str, &str)] = &[
    ("message.received", "message.incoming"),
    ("message.inbound", "message.incoming"),
    ("message.new", "message.incoming"),
    ("message.created", "message.incoming"),
    ("message", "message.incoming"),
    ("messages", "message.incoming"),
    ("message.accepted", "message.sent"),
    ("message.undelivered", "message.failed"),
    ("message.error", "message.failed"),
    ("message.rejected", "message.failed"),
    ("message.opened", "message.read"),
    ("message.seen", "message.read"),
    ("contact.changed", "contact.updated"),
    ("contact.new", "contact.created"),
    ("template.updated", "template.status"),
    ("message_template_status_update", "template.status"),
    ("account.updated", "account.status"),
    ("account_update", "account.status"),
];

/// Returns the reason why an event name is refused, with the most similar valid name.
pub(crate) fn unknown_kind(name: &str) -> String {
    let names: Vec<_> = EventKind::ALL.iter().map(|kind| kind.as_str()).collect();
    match nearest_of(name, &names, SYNONYMS) {
        Some(nearest) => format!("unknown event `{name}`; did you mean `{nearest}`?"),
        None => format!("unknown event `{name}`"),
    }
}

/// Returns the schema of a kind of event.
pub(crate) fn kind_schema() -> Schema {
    Schema::enumeration(EventKind::ALL.iter().map(|kind| kind.as_str()))
}

/// Returns the schema of a kind of event, or of [`ALL_EVENTS`].
pub(crate) fn kind_or_all_schema() -> Schema {
    Schema::enumeration(EventKind::ALL.iter().map(|kind| kind.as_str()).chain([ALL_EVENTS]))
}
