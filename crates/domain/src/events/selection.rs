//! Selection of events by patterns.

use super::kind::EventKind;

/// Pattern that names every event.
pub const ALL_EVENTS: &str = "*";

/// Maximum number of patterns of a selection.
pub const MAX_PATTERNS: usize = 100;

/// Reason for which a list of patterns is no selection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EventSelectionError {
    /// The list has no pattern that includes events.
    #[error("only excludes events: begin with `*`, the events from which the others are excluded")]
    OnlyExclusions,
    /// Every included event is excluded.
    #[error("excludes every event that it includes")]
    Nothing,
}

/// Events that a subscription or a reader selects: those that a pattern includes and no pattern excludes.
///
/// A pattern is `*`, a subject (`message.*`) or a kind (`message.read`); with a leading `-` it excludes. The patterns are
/// stored as they were given: kinds of later versions are matched by the patterns of today.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventSelection(Vec<String>);

impl EventSelection {
    /// Creates the selection of all events.
    #[must_use]
    pub fn all() -> Self {
        Self(vec![ALL_EVENTS.to_owned()])
    }

    /// Checks patterns of a caller, each of which names a kind ([`is_pattern`]).
    ///
    /// # Errors
    /// [`EventSelectionError`].
    pub fn of_patterns(patterns: Vec<String>) -> Result<Self, EventSelectionError> {
        if patterns.iter().all(|pattern| pattern.starts_with('-')) {
            return Err(EventSelectionError::OnlyExclusions);
        }
        let selection = Self(patterns);
        if selection.kinds().is_empty() { Err(EventSelectionError::Nothing) } else { Ok(selection) }
    }

    /// Creates a selection of stored patterns, which another version may have checked.
    #[must_use]
    pub const fn from_stored(patterns: Vec<String>) -> Self {
        Self(patterns)
    }

    /// Returns the patterns as they were given.
    #[must_use]
    pub fn patterns(&self) -> &[String] {
        &self.0
    }

    /// Returns the selected kinds of this version.
    #[must_use]
    pub fn kinds(&self) -> Vec<EventKind> {
        EventKind::ALL.into_iter().filter(|kind| self.selects(*kind)).collect()
    }

    fn selects(&self, kind: EventKind) -> bool {
        let mut is_included = false;
        for pattern in &self.0 {
            match pattern.strip_prefix('-') {
                Some(excluded) if names(excluded, kind) => return false,
                Some(_) => {}
                None => is_included |= names(pattern, kind),
            }
        }
        is_included
    }
}

/// Returns `true` if a pattern, with or without a leading `-`, names a kind of this version. `-*` would exclude
/// everything and is no pattern.
#[must_use]
pub fn is_pattern(text: &str) -> bool {
    let name = text.strip_prefix('-').unwrap_or(text);
    text != "-*" && EventKind::ALL.into_iter().any(|kind| names(name, kind))
}

/// Returns the patterns that include events: `*`, each subject, each kind.
#[must_use]
pub fn inclusions() -> Vec<String> {
    let mut patterns = vec![ALL_EVENTS.to_owned()];
    let kinds = EventKind::ALL.map(EventKind::as_str);
    let mut subjects: Vec<_> = kinds
        .iter()
        .filter_map(|kind| kind.split_once('.'))
        .map(|(subject, _)| format!("{subject}.*"))
        .collect();
    subjects.dedup();
    patterns.append(&mut subjects);
    patterns.extend(kinds.map(str::to_owned));
    patterns
}

/// Returns `true` if a pattern without its `-` names the kind.
fn names(pattern: &str, kind: EventKind) -> bool {
    match pattern.strip_suffix(".*") {
        _ if pattern == ALL_EVENTS => true,
        Some(subject) => kind.as_str().split_once('.').is_some_and(|(of, _)| of == subject),
        None => kind.as_str() == pattern,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(patterns: &[&str]) -> Result<Vec<EventKind>, EventSelectionError> {
        let patterns = patterns.iter().map(|pattern| (*pattern).to_owned()).collect();
        EventSelection::of_patterns(patterns).map(|selection| selection.kinds())
    }

    #[test]
    fn a_selection_has_the_included_kinds_without_the_excluded_kinds() {
        use EventKind::{ContactCreated, ContactUpdated, MessageRead};
        assert_eq!(kinds(&["*"]).unwrap(), EventKind::ALL);
        assert_eq!(kinds(&["message.read"]).unwrap(), [MessageRead]);
        assert_eq!(
            kinds(&["contact.*", "message.read"]).unwrap(),
            [MessageRead, ContactCreated, ContactUpdated]
        );
        let without = kinds(&["*", "-message.*"]).unwrap();
        assert!(without.iter().all(|kind| !kind.as_str().starts_with("message.")));
        assert!(without.contains(&ContactCreated));
        // The order does not matter: an exclusion always wins.
        assert_eq!(kinds(&["-contact.updated", "contact.*"]).unwrap(), [ContactCreated]);
        assert_eq!(kinds(&["contact.*", "contact.updated", "-contact.updated"]).unwrap(), [ContactCreated]);
    }

    #[test]
    fn a_selection_of_nothing_is_refused() {
        assert_eq!(kinds(&["-message.read"]), Err(EventSelectionError::OnlyExclusions));
        assert_eq!(kinds(&["message.read", "-message.*"]), Err(EventSelectionError::Nothing));
    }

    #[test]
    fn only_patterns_that_name_a_kind_are_patterns() {
        for inclusion in inclusions() {
            assert!(is_pattern(&inclusion), "{inclusion}");
            assert_eq!(is_pattern(&format!("-{inclusion}")), inclusion != "*", "-{inclusion}");
        }
        for unknown in [
            "",
            "-",
            "-*",
            "**",
            "message",
            "message.",
            "message.r*",
            "mess*",
            "sms.*",
            ".*",
            "--message.read",
        ] {
            assert!(!is_pattern(unknown), "{unknown}");
        }
    }

    #[test]
    fn stored_patterns_of_another_version_select_what_this_version_knows() {
        let patterns = ["campaign.completed", "contact.*"].map(str::to_owned).to_vec();
        let selection = EventSelection::from_stored(patterns.clone());
        assert_eq!(selection.patterns(), patterns);
        assert_eq!(selection.kinds(), [EventKind::ContactCreated, EventKind::ContactUpdated]);
    }
}
