//! Status of templates.

use crate::text_enum;

/// Status of a template in Meta's review (Meta: Template status,
/// <https://developers.facebook.com/docs/whatsapp/business-management-api/message-templates>).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TemplateStatus {
    /// Approved: can be sent.
    Approved,
    /// In review.
    Pending,
    /// Rejected by the review.
    Rejected,
    /// Paused because of low quality for 3 or 6 hours, or during template pacing until somebody unpauses the template
    /// (Meta: Template pausing,
    /// <https://developers.facebook.com/documentation/business-messaging/whatsapp/templates/template-pausing>).
    Paused,
    /// Disabled because of negative feedback.
    Disabled,
    /// Rejected; the business has appealed.
    InAppeal,
    /// Being deleted.
    PendingDeletion,
    /// Deleted.
    Deleted,
    /// Not accepted: the account has the maximum number of templates.
    LimitExceeded,
    /// Archived because it was not used.
    Archived,
    /// Restored from the archive; can be sent.
    Unarchived,
    /// Close to being disabled because of negative feedback; can still be sent.
    Flagged,
    /// No longer flagged or disabled; can be sent.
    Reinstated,
    /// Locked by Meta.
    Locked,
    /// Unknown status, in Meta's spelling.
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

    /// Parses Meta's status, in any case. An unknown status becomes `Other`.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let known = Self::ALL.iter().find(|(name, _)| name.eq_ignore_ascii_case(text));
        known.map_or_else(|| Self::Other(text.to_owned()), |(_, status)| status.clone())
    }

    /// Returns Meta's spelling of the status.
    #[must_use]
    pub fn as_str(&self) -> &str {
        if let Self::Other(text) = self {
            return text;
        }
        Self::ALL.iter().find(|(_, status)| status == self).map_or("", |(name, _)| name)
    }

    /// Returns `true` if messages with the template can be sent. For an unknown status it returns `false`.
    #[must_use]
    pub const fn is_sendable(&self) -> bool {
        matches!(self, Self::Approved | Self::Flagged | Self::Reinstated | Self::Unarchived)
    }

    /// Returns a description that completes the sentence "The template …": "is in review".
    #[must_use]
    pub fn explanation(&self) -> String {
        match self {
            Self::Approved | Self::Reinstated | Self::Unarchived => "is approved",
            Self::Flagged => "is approved, but customers dislike it and Meta may disable it",
            Self::Pending => "is still in Meta's review",
            Self::Rejected => "was rejected by Meta's review",
            Self::Paused => {
                "is paused by Meta because of negative feedback: improve and resubmit it, or unpause it in WhatsApp \
                 Manager. Only a pause because of low quality ends on its own, after 3 or 6 hours"
            }
            Self::Disabled => "was disabled by Meta because of negative feedback",
            Self::InAppeal => "was rejected by Meta's review, and the appeal is not decided",
            Self::PendingDeletion => "is being deleted",
            Self::Deleted => "was deleted",
            Self::LimitExceeded => {
                "was not accepted by Meta: the account has the maximum number of templates"
            }
            Self::Archived => "is archived by Meta because it was not used",
            Self::Locked => "is locked by Meta",
            Self::Other(text) => return format!("is in the state {text}"),
        }
        .to_owned()
    }

    /// Returns `true` if Meta accepts changes of a template in this status. For an unknown status it returns `true`.
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
    /// Property of a template that Meta has changed.
    pub enum TemplateChange {
        /// Status.
        Status = "status",
        /// Category.
        Category = "category",
        /// Quality score.
        Quality = "quality",
        /// Components.
        Components = "components",
    }
}
