//! Templates and their parts.

use super::status::TemplateStatus;
use super::text::{ParameterFormat, TemplateText};

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
