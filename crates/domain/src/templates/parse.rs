//! Parsing of Meta's definitions of templates.

use super::status::TemplateStatus;
use super::template::{
    LimitedTimeOffer, Template, TemplateButton, TemplateButtonKind, TemplateCard, TemplateCategory,
    TemplateComponents, TemplateHeader,
};
use super::text::{ParameterFormat, TemplateText};
use crate::check::{Item, JsonPointer, Violation, Violations};
use crate::json::Value;

/// Text that stands for the body of an authentication template if Meta does not show it.
const CODE_TEXT: &str = "{{1}} is your verification code.";

impl Template {
    /// Reads a template node of the Graph API: `name`, `language`, `status`, `category`, `parameter_format` and
    /// `components`. Other fields are ignored.
    ///
    /// # Errors
    /// Fields that are missing or have the wrong type; only `name`, `language`, `status` and `category` are required.
    pub fn from_node(node: &Value) -> Result<Self, Vec<Violation>> {
        self::node(node)
    }

    /// Reads Meta's `components` array into slots. Types may be in any case, unknown components and buttons are kept
    /// by name, malformed parts are skipped.
    #[must_use]
    pub fn components_from(
        components: &Value,
        format: ParameterFormat,
        category: &TemplateCategory,
    ) -> TemplateComponents {
        self::components(components, format, category)
    }
}

fn node(node: &Value) -> Result<Template, Vec<Violation>> {
    let found = Violations::new();
    let mut texts = [""; 4];
    let mut format = ParameterFormat::default();
    if let Some(fields) = Item::new(node, JsonPointer::root(), &found).object() {
        for (text, name) in texts.iter_mut().zip(["name", "language", "status", "category"]) {
            *text = fields.required(name).string(1..).unwrap_or_default();
        }
        format = fields
            .optional("parameter_format")
            .string(..)
            .map_or(ParameterFormat::default(), ParameterFormat::parse);
        fields.finish_open();
    }
    found.result(())?;
    let [name, language, status, category] = texts;
    let category = TemplateCategory::parse(category);
    Ok(Template {
        name: name.to_owned(),
        language: language.to_owned(),
        status: TemplateStatus::parse(status),
        components: node
            .get("components")
            .map(|value| components(value, format, &category))
            .unwrap_or_default(),
        category,
        parameter_format: format,
    })
}

fn components(value: &Value, format: ParameterFormat, category: &TemplateCategory) -> TemplateComponents {
    let mut components = TemplateComponents::default();
    for component in value.as_array().unwrap_or_default() {
        let kind = word(component, "type");
        match kind.as_str() {
            "HEADER" => components.header = Some(header(component, format)),
            "BODY" => components.body = Some(body(component, format, category)),
            "FOOTER" => components.footer = Some(text(component, "text").to_owned()),
            "BUTTONS" => components.buttons = buttons(component),
            "CAROUSEL" => {
                let cards = component.get("cards").and_then(Value::as_array).unwrap_or_default();
                components.cards = cards.iter().map(|value| card(value, format, category)).collect();
            }
            "LIMITED_TIME_OFFER" => {
                let offer = component.get("limited_time_offer").unwrap_or(component);
                components.limited_time_offer = Some(LimitedTimeOffer {
                    text: text(offer, "text").to_owned(),
                    has_expiration: offer.get("has_expiration").and_then(Value::as_bool).unwrap_or(false),
                });
            }
            _ => components.others.push(kind),
        }
    }
    components
}

fn card(value: &Value, format: ParameterFormat, category: &TemplateCategory) -> TemplateCard {
    let parts = value.get("components").map(|parts| components(parts, format, category));
    let parts = parts.unwrap_or_default();
    TemplateCard { header: parts.header, body: parts.body, buttons: parts.buttons }
}

fn header(component: &Value, format: ParameterFormat) -> TemplateHeader {
    let kind = word(component, "format");
    match kind.as_str() {
        "TEXT" => TemplateHeader::Text(TemplateText::parse(text(component, "text"), format)),
        "IMAGE" => TemplateHeader::Image,
        "VIDEO" => TemplateHeader::Video,
        "GIF" => TemplateHeader::Gif,
        "DOCUMENT" => TemplateHeader::Document,
        "LOCATION" => TemplateHeader::Location,
        "PRODUCT" => TemplateHeader::Product,
        _ => TemplateHeader::Other(kind),
    }
}

fn body(component: &Value, format: ParameterFormat, category: &TemplateCategory) -> TemplateText {
    match component.get("text").and_then(Value::as_str) {
        Some(raw) => TemplateText::parse(raw, format),
        // At its creation an authentication template has no text, and one slot for the code.
        None if *category == TemplateCategory::Authentication => {
            TemplateText::parse(CODE_TEXT, ParameterFormat::Positional)
        }
        None => TemplateText::default(),
    }
}

fn buttons(component: &Value) -> Vec<TemplateButton> {
    let buttons = component.get("buttons").and_then(Value::as_array).unwrap_or_default();
    buttons
        .iter()
        .map(|button| {
            let kind = word(button, "type");
            TemplateButton {
                kind: match kind.as_str() {
                    "QUICK_REPLY" => TemplateButtonKind::QuickReply,
                    // The slot of a URL is `{{1}}`, also in a template with named parameters.
                    "URL" => TemplateButtonKind::Url(TemplateText::parse(
                        text(button, "url"),
                        ParameterFormat::Named,
                    )),
                    "OTP" => TemplateButtonKind::OneTimeCode,
                    "PHONE_NUMBER" => TemplateButtonKind::PhoneNumber,
                    "COPY_CODE" => TemplateButtonKind::CopyCode,
                    "FLOW" => TemplateButtonKind::Flow,
                    "CATALOG" => TemplateButtonKind::Catalog,
                    "MPM" => TemplateButtonKind::MultiProduct,
                    "SPM" => TemplateButtonKind::SingleProduct,
                    "VOICE_CALL" => TemplateButtonKind::VoiceCall,
                    "ORDER_DETAILS" => TemplateButtonKind::OrderDetails,
                    _ => TemplateButtonKind::Other(kind),
                },
                text: text(button, "text").to_owned(),
            }
        })
        .collect()
}

/// Returns a value of an enumeration in upper case, because Meta accepts any case.
fn word(value: &Value, key: &str) -> String {
    text(value, key).to_ascii_uppercase()
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}
