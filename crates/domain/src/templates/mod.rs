//! Templates: what Meta approved, and whether a message fits it.
//!
//! A [`Template`] is read from Meta's own description of it (reference F.1, F.3) into the slots that a message has to
//! fill. [`Template::bind`] compares a message with them and tells every mismatch at once, so that a send that Meta
//! would refuse (132000, 132012, 131008, 132018, 132005) is refused before it costs anything.
//!
//! **Invariant:** what is not known is not judged. A component or button of a type that this code has never heard of is
//! kept, and nothing about it is a mismatch.

mod bind;
mod draft;
mod parse;
mod render;
mod sample;
mod text;

use std::fmt;

use crate::check::Violation;
use crate::json::Value;
use crate::messages::content::TemplateMessage;

pub use draft::{LibraryDraft, NewTemplate, TemplateDraft, TemplateEdit};

/// A template as synced from Meta.
#[derive(Clone, Debug, PartialEq)]
pub struct Template {
    /// Its name, `[a-z0-9_]`, at most 512 characters.
    pub name: String,
    /// Its language code, such as `en` or `pt_BR`. Name and language together identify it within a WABA.
    pub language: String,
    /// How far Meta's review is.
    pub status: TemplateStatus,
    /// What it is for, as Meta sees it.
    pub category: TemplateCategory,
    /// Whether its slots have numbers or names.
    pub parameter_format: ParameterFormat,
    /// What it consists of.
    pub components: TemplateComponents,
}

impl Template {
    /// Reads a template node of the Graph API (reference F.1): `name`, `language`, `status`, `category`,
    /// `parameter_format` and `components`; other fields are left alone.
    ///
    /// # Errors
    /// What is missing or of the wrong type; only `name`, `language`, `status` and `category` must be there.
    pub fn from_node(node: &Value) -> Result<Self, Vec<Violation>> {
        parse::node(node)
    }

    /// Reads Meta's `components` array (reference F.3) into slots. Lenient: types in any case, unknown components and
    /// buttons kept by name, anything malformed skipped.
    #[must_use]
    pub fn components_from(
        components: &Value,
        format: ParameterFormat,
        category: &TemplateCategory,
    ) -> TemplateComponents {
        parse::components(components, format, category)
    }

    /// Whether a message fits, before it is sent. `base` is the JSON pointer of the template object in the send body
    /// (`/template`, `/fallback_template`). Name, language and status are the caller's matter.
    ///
    /// # Errors
    /// Every mismatch at once (up to [`Violations::MAX`](crate::check::Violations::MAX)), in the order of the message's
    /// components, then what is missing.
    pub fn bind(&self, message: &TemplateMessage<'_>, base: &str) -> Result<(), Vec<TemplateMismatch>> {
        bind::bind(self, message, base)
    }

    /// The text that the customer will see. A slot that the message does not fill stays as `{{1}}` or `{{name}}`.
    #[must_use]
    pub fn render(&self, message: &TemplateMessage<'_>) -> RenderedTemplate {
        render::render(self, message)
    }

    /// The components of a message that fills the texts of a template with the samples that it was created with;
    /// `components` is Meta's array.
    #[must_use]
    pub fn samples(components: &Value) -> Vec<Value> {
        sample::components(components)
    }
}

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
}

/// What a template is for (reference F.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TemplateCategory {
    /// One-time codes.
    Authentication,
    /// Offers; subject to opt-out and to Meta's limit per person.
    Marketing,
    /// Messages about something the customer did.
    Utility,
    /// A category that this code has not heard of, in Meta's spelling.
    Other(String),
}

impl TemplateCategory {
    /// Reads Meta's word, in any case; an unknown one is kept.
    #[must_use]
    pub fn parse(word: &str) -> Self {
        match word.to_ascii_uppercase().as_str() {
            "AUTHENTICATION" => Self::Authentication,
            "MARKETING" => Self::Marketing,
            "UTILITY" => Self::Utility,
            _ => Self::Other(word.to_owned()),
        }
    }

    /// Meta's word for it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Authentication => "AUTHENTICATION",
            Self::Marketing => "MARKETING",
            Self::Utility => "UTILITY",
            Self::Other(word) => word,
        }
    }
}

/// How a template's text names its slots (reference F.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ParameterFormat {
    /// `{{1}}`, `{{2}}`: filled by the order of the parameters.
    #[default]
    Positional,
    /// `{{port}}`: filled by `parameter_name`.
    Named,
}

impl ParameterFormat {
    /// Reads Meta's word, in any case; everything but `NAMED` is positional, as is a template without the field.
    #[must_use]
    pub const fn parse(word: &str) -> Self {
        if word.eq_ignore_ascii_case("NAMED") { Self::Named } else { Self::Positional }
    }

    /// Meta's word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Positional => "POSITIONAL",
            Self::Named => "NAMED",
        }
    }
}

/// What a template consists of (reference F.3), with the slots of each part.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TemplateComponents {
    /// What stands above the body.
    pub header: Option<TemplateHeader>,
    /// The body. Only a description that Meta never gives lacks it.
    pub body: Option<TemplateText>,
    /// What stands below the body; it has no slots.
    pub footer: Option<String>,
    /// The buttons, in order: a button's index is its place here.
    pub buttons: Vec<TemplateButton>,
    /// The cards of a carousel; empty without one.
    pub cards: Vec<TemplateCard>,
    /// The limited-time offer.
    pub limited_time_offer: Option<LimitedTimeOffer>,
    /// Types of components that are not checked, in Meta's spelling.
    pub others: Vec<String>,
}

/// The header of a template or of a card.
#[derive(Clone, Debug, PartialEq)]
pub enum TemplateHeader {
    /// Text with at most one slot.
    Text(TemplateText),
    /// A picture.
    Image,
    /// A video.
    Video,
    /// A looping video, in marketing templates.
    Gif,
    /// A file.
    Document,
    /// A place.
    Location,
    /// A product of the catalog.
    Product,
    /// A format that this code has not heard of; not checked.
    Other(String),
}

/// Text with slots.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TemplateText {
    /// The text as Meta has it, with `{{…}}`.
    pub raw: String,
    /// The slots: numbers in ascending order, or names in order of appearance; each once.
    pub slots: Vec<String>,
    pieces: Vec<Piece>,
    /// Characters outside of slots.
    n_fixed: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Fixed(String),
    /// An index into the slots.
    Slot(usize),
}

/// A button of a template.
#[derive(Clone, Debug, PartialEq)]
pub struct TemplateButton {
    /// What it does.
    pub kind: TemplateButtonKind,
    /// Its label; empty where Meta supplies it.
    pub text: String,
}

/// What a template's button does, and what it needs.
#[derive(Clone, Debug, PartialEq)]
pub enum TemplateButtonKind {
    /// Answers with a payload.
    QuickReply,
    /// Opens a URL, which may end in a slot.
    Url(TemplateText),
    /// Copies or fills in a one-time code; on sending it is a `url` button.
    OneTimeCode,
    /// Calls a number.
    PhoneNumber,
    /// Copies a coupon code.
    CopyCode,
    /// Opens a flow.
    Flow,
    /// Opens the catalog.
    Catalog,
    /// Opens several products.
    MultiProduct,
    /// Opens the header's product.
    SingleProduct,
    /// Calls the business on WhatsApp.
    VoiceCall,
    /// Pays an order.
    OrderDetails,
    /// A type that this code has not heard of; not checked.
    Other(String),
}

/// A card of a carousel.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TemplateCard {
    /// Its picture, video or product.
    pub header: Option<TemplateHeader>,
    /// Its text.
    pub body: Option<TemplateText>,
    /// Its buttons, in order.
    pub buttons: Vec<TemplateButton>,
}

/// A limited-time offer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LimitedTimeOffer {
    /// What is offered.
    pub text: String,
    /// Whether the message must say when it ends.
    pub has_expiration: bool,
}

/// One thing in which a message does not fit its template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateMismatch {
    /// JSON pointer into the send body; of something missing, where it should be or what should hold it.
    pub pointer: String,
    /// The part of the template: `header`, `body`, `button 0`, `card 1 body` (cards and buttons by their index).
    pub component: String,
    /// What kind of fault it is.
    pub kind: TemplateMismatchKind,
    /// The fault in words, without full stop: "needs 2 parameters, has 1: `{{2}}` is missing".
    pub reason: String,
}

/// The kinds of mismatch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TemplateMismatchKind {
    /// The template needs something that the message does not give.
    Missing,
    /// The message gives something that the template has no place for, or gives it twice.
    Extra,
    /// A parameter or button of another kind than the template's.
    WrongKind,
    /// A parameter name that the template does not have, or none where it needs one.
    WrongName,
    /// A text, or the whole body with it, is too long.
    TooLong,
    /// A value that Meta does not take there: an empty text, a line break, a code that differs from its twin.
    Invalid,
}

impl TemplateMismatchKind {
    /// The kind as a word for answers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Extra => "extra",
            Self::WrongKind => "wrong_kind",
            Self::WrongName => "wrong_name",
            Self::TooLong => "too_long",
            Self::Invalid => "invalid",
        }
    }
}

impl fmt::Display for TemplateMismatch {
    /// "body: needs 2 parameters, has 1: `{{2}}` is missing"
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.component, self.reason)
    }
}

/// A template with its slots filled. Its `Display` is the whole as plain text, one line per part.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RenderedTemplate {
    /// The header's text, or the kind of its medium in brackets: `[image]`.
    pub header: Option<String>,
    /// The body's text.
    pub body: String,
    /// The footer's text.
    pub footer: Option<String>,
    /// The labels of the buttons.
    pub buttons: Vec<String>,
    /// The cards of a carousel.
    pub cards: Vec<Self>,
}
