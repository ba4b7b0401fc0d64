//! Ids of messages in paths and filters.

use engine::ports::MessageKey;

/// Description of the id of a message in a path.
pub(crate) const MESSAGE_ID: &str = "Waypost's ID of the message, or Meta's. Meta's ID must be percent-encoded, because it can contain `/` and `+`.";

/// Returns the key of a message: an id of Waypost, or else an id of Meta.
pub(crate) fn key_of(id: &str) -> MessageKey {
    id.parse().map_or_else(|_| MessageKey::Wamid(id.to_owned()), MessageKey::Id)
}
