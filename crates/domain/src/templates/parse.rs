//! Reading Meta's description of a template.

use super::{
    Button, ButtonKind, Card, Components, Header, LimitedTimeOffer, ParameterFormat, Template,
    TemplateCategory, TemplateStatus, Text,
};
use crate::check::{Item, Place, Violation, Violations};
use crate::json::Value;

/// What Meta shows when it keeps the words of an authentication template to itself.
const CODE_TEXT: &str = "{{1}} is your verification code.";

pub(crate) fn node(node: &Value) -> Result<Template, Vec<Violation>> {
    let found = Violations::new();
    let mut texts = [""; 4];
    let mut format = ParameterFormat::default();
    if let Some(fields) = Item::new(node, Place::root(), &found).object() {
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

pub(crate) fn components(value: &Value, format: ParameterFormat, category: &TemplateCategory) -> Components {
    let mut components = Components::default();
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

fn card(value: &Value, format: ParameterFormat, category: &TemplateCategory) -> Card {
    let parts = value.get("components").map(|parts| components(parts, format, category));
    let parts = parts.unwrap_or_default();
    Card { header: parts.header, body: parts.body, buttons: parts.buttons }
}

fn header(component: &Value, format: ParameterFormat) -> Header {
    let kind = word(component, "format");
    match kind.as_str() {
        "TEXT" => Header::Text(Text::parse(text(component, "text"), format)),
        "IMAGE" => Header::Image,
        "VIDEO" => Header::Video,
        "GIF" => Header::Gif,
        "DOCUMENT" => Header::Document,
        "LOCATION" => Header::Location,
        "PRODUCT" => Header::Product,
        _ => Header::Other(kind),
    }
}

fn body(component: &Value, format: ParameterFormat, category: &TemplateCategory) -> Text {
    match component.get("text").and_then(Value::as_str) {
        Some(raw) => Text::parse(raw, format),
        // As created, an authentication template has no words of its own, and one slot for the code (F.3).
        None if *category == TemplateCategory::Authentication => {
            Text::parse(CODE_TEXT, ParameterFormat::Positional)
        }
        None => Text::default(),
    }
}

fn buttons(component: &Value) -> Vec<Button> {
    let buttons = component.get("buttons").and_then(Value::as_array).unwrap_or_default();
    buttons
        .iter()
        .map(|button| {
            let kind = word(button, "type");
            Button {
                kind: match kind.as_str() {
                    "QUICK_REPLY" => ButtonKind::QuickReply,
                    // The slot of a URL is `{{1}}`, also in a template with names.
                    "URL" => ButtonKind::Url(Text::parse(text(button, "url"), ParameterFormat::Named)),
                    "OTP" => ButtonKind::OneTimeCode,
                    "PHONE_NUMBER" => ButtonKind::PhoneNumber,
                    "COPY_CODE" => ButtonKind::CopyCode,
                    "FLOW" => ButtonKind::Flow,
                    "CATALOG" => ButtonKind::Catalog,
                    "MPM" => ButtonKind::MultiProduct,
                    "SPM" => ButtonKind::SingleProduct,
                    "VOICE_CALL" => ButtonKind::VoiceCall,
                    "ORDER_DETAILS" => ButtonKind::OrderDetails,
                    _ => ButtonKind::Other(kind),
                },
                text: text(button, "text").to_owned(),
            }
        })
        .collect()
}

/// A word of an enumeration, which Meta takes in any case (reference, base rules).
fn word(value: &Value, key: &str) -> String {
    text(value, key).to_ascii_uppercase()
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}
