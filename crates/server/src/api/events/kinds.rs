//! Kinds of events and patterns of kinds in requests.

use crate::api::openapi::schema::Schema;
use domain::check::{Item, nearest_of};
use domain::events::{ALL_EVENTS, EventKind, EventSelection, MAX_PATTERNS, inclusions, is_pattern};

/// Documentation of a list of patterns.
pub(crate) const PATTERNS: &str = "`*`: all events; `message.*`: all events of a subject; `message.read`: one event. A pattern \
                                   with a leading `-`, such as `-message.read`, excludes events.";

/// Reads patterns of events, separated by commas.
pub(crate) fn selection_of_text(item: &Item<'_, '_>) -> Option<EventSelection> {
    let patterns: Vec<_> = item.string(1..)?.split(',').map(|pattern| pattern.trim().to_owned()).collect();
    if patterns.len() > MAX_PATTERNS {
        item.refuse(format!("must have at most {MAX_PATTERNS} patterns, has {}", patterns.len()));
        return None;
    }
    for pattern in patterns.iter().filter(|pattern| !is_pattern(pattern)) {
        item.refuse(unknown_pattern(pattern));
    }
    checked(item, patterns)
}

/// Reads a list of patterns of events.
pub(crate) fn selection_of_list(item: &Item<'_, '_>) -> Option<EventSelection> {
    let items = item.array(1..=MAX_PATTERNS)?;
    let mut patterns = Vec::new();
    for pattern in items.iter() {
        let Some(text) = pattern.string(1..) else { continue };
        if !is_pattern(text) {
            pattern.refuse(unknown_pattern(text));
        }
        patterns.push(text.to_owned());
    }
    checked(item, patterns)
}

/// Returns the selection of patterns. A list with an unknown pattern was refused already.
fn checked(item: &Item<'_, '_>, patterns: Vec<String>) -> Option<EventSelection> {
    if patterns.is_empty() || !patterns.iter().all(|pattern| is_pattern(pattern)) {
        return None;
    }
    EventSelection::of_patterns(patterns).map_err(|error| item.refuse(error.to_string())).ok()
}

/// Reads one kind of event.
pub(crate) fn event_kind(item: &Item<'_, '_>) -> Option<EventKind> {
    let text = item.string(1..)?;
    let kind = text.parse().ok();
    if kind.is_none() {
        item.refuse(unknown_name(text, &EventKind::ALL.map(EventKind::as_str)));
    }
    kind
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

/// Returns the reason why a pattern is refused, with the most similar valid pattern.
fn unknown_pattern(text: &str) -> String {
    if text == "-*" {
        return "excludes every event; to receive none, disable the webhook or delete it".to_owned();
    }
    let names = inclusions();
    let names: Vec<_> = names.iter().map(String::as_str).filter(|name| *name != ALL_EVENTS).collect();
    match text.strip_prefix('-') {
        Some(name) => match nearest_of(name, &names, SYNONYMS) {
            Some(nearest) => format!("unknown event `{name}`; did you mean `-{nearest}`?"),
            None => unknown_name(name, &[]),
        },
        None => unknown_name(text, &names),
    }
}

/// Returns the reason why a name is refused, with the most similar of the valid names.
fn unknown_name(name: &str, names: &[&str]) -> String {
    match nearest_of(name, names, SYNONYMS) {
        Some(nearest) => format!("unknown event `{name}`; did you mean `{nearest}`?"),
        None => format!("unknown event `{name}`: no event of this version has this name"),
    }
}

/// Returns the schema of a kind of event.
pub(crate) fn kind_schema() -> Schema {
    Schema::enumeration(EventKind::ALL.iter().map(|kind| kind.as_str()))
}

/// Returns the schema of a list of patterns in a request: at least one of them includes events.
pub(crate) fn selection_schema() -> Schema {
    let included = inclusions();
    let excluded: Vec<_> =
        included.iter().filter(|name| *name != ALL_EVENTS).map(|name| format!("-{name}")).collect();
    let pattern = Schema::enumeration(included.iter().chain(&excluded).map(String::as_str));
    Schema::array(pattern, 1..=MAX_PATTERNS).set("contains", Schema::pattern("^[^-]"))
}

/// Returns the schema of a list of patterns in a response. Another version may have stored patterns that this version
/// does not know.
pub(crate) fn stored_selection_schema() -> Schema {
    Schema::array(Schema::string(1..), 1..).about(PATTERNS)
}
