//! Templates and their parts.

use super::status::TemplateStatus;
use super::text::{ParameterFormat, TemplateText};

/// Template, as synchronized from Meta.
#[derive(Clone, Debug, PartialEq)]
pub struct Template {
    /// Name, `[a-z0-9_]`, at most 512 characters.
    pub name: String,
    /// Language code, such as `en` or `pt_BR`. Name and language identify a template of a WhatsApp Business Account.
    pub language: String,
    /// Status in Meta's review.
    pub status: TemplateStatus,
    /// Category, as Meta assigned it.
    pub category: TemplateCategory,
    /// Format of the slots.
    pub parameter_format: ParameterFormat,
    /// Components with their slots.
    pub components: TemplateComponents,
}

/// Category of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TemplateCategory {
    /// One-time codes.
    Authentication,
    /// Marketing; subject to opt-outs and to Meta's limit per recipient.
    Marketing,
    /// Messages about an action of the customer.
    Utility,
    /// Unknown category, in Meta's spelling.
    Other(String),
}

impl TemplateCategory {
    /// Parses Meta's category, in any case; an unknown one is kept.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        match text.to_ascii_uppercase().as_str() {
            "AUTHENTICATION" => Self::Authentication,
            "MARKETING" => Self::Marketing,
            "UTILITY" => Self::Utility,
            _ => Self::Other(text.to_owned()),
        }
    }

    /// Returns Meta's spelling of the category.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Authentication => "AUTHENTICATION",
            Self::Marketing => "MARKETING",
            Self::Utility => "UTILITY",
            Self::Other(text) => text,
        }
    }
}

/// Components of a template, with the slots of each part.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TemplateComponents {
    /// Header.
    pub header: Option<TemplateHeader>,
    /// Body. It is missing only in an incomplete definition.
    pub body: Option<TemplateText>,
    /// Footer; it has no slots.
    pub footer: Option<String>,
    /// Buttons, in order; the index of a button is its position.
    pub buttons: Vec<TemplateButton>,
    /// Cards of a carousel; empty if there is none.
    pub cards: Vec<TemplateCard>,
    /// Limited-time offer.
    pub limited_time_offer: Option<LimitedTimeOffer>,
    /// Types of unknown components, which are not checked, in Meta's spelling.
    pub others: Vec<String>,
}

/// Header of a template or of a card.
#[derive(Clone, Debug, PartialEq)]
pub enum TemplateHeader {
    /// Text with at most one slot.
    Text(TemplateText),
    /// Image.
    Image,
    /// Video.
    Video,
    /// Looping video, in marketing templates.
    Gif,
    /// Document.
    Document,
    /// Location.
    Location,
    /// Product of the catalog.
    Product,
    /// Unknown format, which is not checked.
    Other(String),
}

/// Button of a template.
#[derive(Clone, Debug, PartialEq)]
pub struct TemplateButton {
    /// Type of the button.
    pub kind: TemplateButtonKind,
    /// Label; empty if Meta supplies it.
    pub text: String,
}

/// Type of a template's button.
#[derive(Clone, Debug, PartialEq)]
pub enum TemplateButtonKind {
    /// Replies with a payload.
    QuickReply,
    /// Opens a URL, which may end in a slot.
    Url(TemplateText),
    /// Copies or fills in a one-time code. In a message it is a `url` button.
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
    /// Unknown type, which is not checked.
    Other(String),
}

/// Card of a carousel.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TemplateCard {
    /// Image, video or product.
    pub header: Option<TemplateHeader>,
    /// Text.
    pub body: Option<TemplateText>,
    /// Buttons, in order.
    pub buttons: Vec<TemplateButton>,
}

/// Limited-time offer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LimitedTimeOffer {
    /// Text of the offer.
    pub text: String,
    /// `true` if the message must have the time at which the offer ends.
    pub has_expiration: bool,
}
