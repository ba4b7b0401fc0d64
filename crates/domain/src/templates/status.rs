//! Status of templates.

use crate::text_enum;

/// The state of a template in Meta's review (reference F.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TemplateStatus {
    /// May be sent.
    Approved,
    /// In review.
    Pending,
    /// Refused by the review.
    Rejected,
    /// Held for some hours because customers disliked it.
    Paused,
    /// Blocked for good because customers disliked it.
    Disabled,
    /// Rejected, and the business objected.
    InAppeal,
    /// Being deleted.
    PendingDeletion,
    /// Deleted.
    Deleted,
    /// Not taken: the account has as many templates as it may.
    LimitExceeded,
    /// Put away because nobody used it.
    Archived,
    /// Taken back out of the archive; may be sent.
    Unarchived,
    /// Disliked by customers and close to being disabled; may still be sent.
    Flagged,
    /// No longer flagged or disabled; may be sent.
    Reinstated,
    /// Locked by Meta.
    Locked,
    /// A state that this code has not heard of, in Meta's spelling.
    Other(String),
}

impl TemplateStatus {
    const ALL: [(&'static str, Self); 14] = [
        ("APPROVED", Self::Approved),
        ("PENDING", Self::Pending),
        ("REJECTED", Self::Rejected),
        ("PAUSED", Self::Paused),
        ("DISABLED", Self::Disabled),
        ("IN_APPEAL", Self::InAppeal),
        ("PENDING_DELETION", Self::PendingDeletion),
        ("DELETED", Self::Deleted),
        ("LIMIT_EXCEEDED", Self::LimitExceeded),
        ("ARCHIVED", Self::Archived),
        ("UNARCHIVED", Self::Unarchived),
        ("FLAGGED", Self::Flagged),
        ("REINSTATED", Self::Reinstated),
        ("LOCKED", Self::Locked),
    ];

    /// Reads Meta's word, in any case; an unknown one is kept.
    #[must_use]
    pub fn parse(word: &str) -> Self {
        let known = Self::ALL.iter().find(|(name, _)| name.eq_ignore_ascii_case(word));
        known.map_or_else(|| Self::Other(word.to_owned()), |(_, status)| status.clone())
    }

    /// Meta's word for it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        if let Self::Other(word) = self {
            return word;
        }
        Self::ALL.iter().find(|(_, status)| status == self).map_or("", |(name, _)| name)
    }

    /// Whether Meta takes messages with it. An unknown state is not: Meta would refuse, and we cannot say why.
    #[must_use]
    pub const fn is_sendable(&self) -> bool {
        matches!(self, Self::Approved | Self::Flagged | Self::Reinstated | Self::Unarchived)
    }

    /// The state as the end of a sentence that begins with "The template": "is in review".
    #[must_use]
    pub fn explanation(&self) -> String {
        match self {
            Self::Approved | Self::Reinstated | Self::Unarchived => "is approved",
            Self::Flagged => "is approved, but customers dislike it and Meta may disable it",
            Self::Pending => "is still in Meta's review",
            Self::Rejected => "was rejected by Meta's review",
            Self::Paused => {
                "is paused by Meta because of negative feedback; it resumes on its own after some hours"
            }
            Self::Disabled => "was disabled by Meta because of negative feedback",
            Self::InAppeal => "was rejected by Meta's review, and the appeal is not decided",
            Self::PendingDeletion => "is being deleted",
            Self::Deleted => "was deleted",
            Self::LimitExceeded => "was not taken by Meta: the account has as many templates as it may have",
            Self::Archived => "is archived by Meta because it was not used",
            Self::Locked => "is locked by Meta",
            Self::Other(word) => return format!("is in the state {word}"),
        }
        .to_owned()
    }

    /// Whether Meta takes changes of a template in this state (reference F.2). Only what is known not to is not.
    #[must_use]
    pub const fn is_editable(&self) -> bool {
        match self {
            Self::Approved
            | Self::Rejected
            | Self::Paused
            | Self::Flagged
            | Self::Reinstated
            | Self::Unarchived
            | Self::Other(_) => true,
            Self::Pending
            | Self::Disabled
            | Self::InAppeal
            | Self::PendingDeletion
            | Self::Deleted
            | Self::LimitExceeded
            | Self::Archived
            | Self::Locked => false,
        }
    }
}

text_enum! {
    /// What of a template Meta has changed.
    pub enum TemplateChange {
        /// Whether it may be sent.
        Status = "status",
        /// Its category.
        Category = "category",
        /// Its quality score.
        Quality = "quality",
        /// What it says.
        Components = "components",
    }
}
