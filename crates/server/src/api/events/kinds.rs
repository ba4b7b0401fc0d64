//! Names of event kinds in requests.

use crate::api::openapi::schema::Schema;
use domain::check::{Item, nearest};
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

/// Returns the reason why an event name is refused, with the most similar valid name.
pub(crate) fn unknown_kind(name: &str) -> String {
    let names: Vec<_> = EventKind::ALL.iter().map(|kind| kind.as_str()).collect();
    match nearest(name, &names) {
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
