//! Ids of messages in paths and filters.

use engine::ports::MessageKey;

/// An id of ours, or else one of Meta's.
pub(crate) fn key_of(id: &str) -> MessageKey {
    id.parse().map_or_else(|_| MessageKey::Wamid(id.to_owned()), MessageKey::Id)
}
