//! Rendering of templates.

use std::fmt;

use super::message::TemplateMessage;
use super::template::{Template, TemplateButton, TemplateHeader};
use super::text::{ParameterFormat, TemplateText};
use crate::json::Value;

/// A template with filled slots. `Display` writes it as plain text, one line per part.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RenderedTemplate {
    /// Text of the header, or the kind of its media in brackets: `[image]`.
    pub header: Option<String>,
    /// Text of the body.
    pub body: String,
    /// Text of the footer.
    pub footer: Option<String>,
    /// Labels of the buttons.
    pub buttons: Vec<String>,
    /// Cards of a carousel.
    pub cards: Vec<Self>,
}

impl Template {
    /// Returns the text that the customer will see. A slot that the message does not fill stays as `{{1}}` or
    /// `{{name}}`.
    #[must_use]
    pub fn render(&self, message: &TemplateMessage<'_>) -> RenderedTemplate {
        render(self, message)
    }
}

fn render(template: &Template, message: &TemplateMessage<'_>) -> RenderedTemplate {
    let parts = &template.components;
    let format = template.parameter_format;
    let common =
        CommonParts { header: parts.header.as_ref(), body: parts.body.as_ref(), buttons: &parts.buttons };
    let mut rendered = render_parts(&common, message.components, format);
    rendered.footer.clone_from(&parts.footer);
    let sent = component(message.components, "carousel").and_then(|carousel| carousel.get("cards"));
    let sent = sent.and_then(Value::as_array).unwrap_or_default();
    // A carousel of products is created with two cards and sent with up to ten.
    let n_cards = if parts.cards.is_empty() { 0 } else { parts.cards.len().max(sent.len()) };
    for index in 0..n_cards {
        let Some(card) = parts.cards.get(index).or(parts.cards.first()) else { continue };
        let given = sent.iter().find(|card| number(card, "card_index") == i64::try_from(index).ok());
        let given = given.and_then(|card| card.get("components")).and_then(Value::as_array);
        let common =
            CommonParts { header: card.header.as_ref(), body: card.body.as_ref(), buttons: &card.buttons };
        rendered.cards.push(render_parts(&common, given.unwrap_or_default(), format));
    }
    rendered
}

/// Parts that a template and a card have in common.
struct CommonParts<'t> {
    header: Option<&'t TemplateHeader>,
    body: Option<&'t TemplateText>,
    buttons: &'t [TemplateButton],
}

fn render_parts(parts: &CommonParts<'_>, given: &[Value], format: ParameterFormat) -> RenderedTemplate {
    let header = parts.header.map(|header| match header {
        TemplateHeader::Text(text) => fill(text, component(given, "header"), format),
        TemplateHeader::Image => "[image]".to_owned(),
        TemplateHeader::Video | TemplateHeader::Gif => "[video]".to_owned(),
        TemplateHeader::Document => "[document]".to_owned(),
        TemplateHeader::Location => "[location]".to_owned(),
        TemplateHeader::Product => "[product]".to_owned(),
        TemplateHeader::Other(format) => format!("[{}]", format.to_ascii_lowercase()),
    });
    RenderedTemplate {
        header,
        body: parts.body.map(|body| fill(body, component(given, "body"), format)).unwrap_or_default(),
        footer: None,
        buttons: parts.buttons.iter().map(|button| button.text.clone()).collect(),
        cards: Vec::new(),
    }
}

fn fill(text: &TemplateText, component: Option<&Value>, format: ParameterFormat) -> String {
    let given = component.and_then(|component| component.get("parameters")).and_then(Value::as_array);
    let given = given.unwrap_or_default();
    text.fill(|index, name| {
        let parameter = match format {
            ParameterFormat::Positional => given.get(index),
            ParameterFormat::Named => given
                .iter()
                .find(|parameter| parameter.get("parameter_name").and_then(Value::as_str) == Some(name)),
        };
        parameter.and_then(shown)
    })
}

/// Returns the text of a parameter as the customer sees it.
pub(crate) fn shown(parameter: &Value) -> Option<&str> {
    let kind = parameter.get("type")?.as_str()?;
    let value = parameter.get(kind)?;
    value.as_str().or_else(|| value.get("fallback_value")?.as_str())
}

fn component<'a>(given: &'a [Value], kind: &str) -> Option<&'a Value> {
    given.iter().find(|component| component.get("type").and_then(Value::as_str) == Some(kind))
}

/// Returns a number that may be written as a string.
pub(crate) fn number(value: &Value, key: &str) -> Option<i64> {
    let value = value.get(key)?;
    value.as_i64().or_else(|| value.as_str()?.parse().ok())
}

impl fmt::Display for RenderedTemplate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lines: Vec<String> = Vec::new();
        lines.extend(self.header.clone());
        lines.push(self.body.clone());
        lines.extend(self.footer.clone());
        lines.extend(self.buttons.iter().map(|label| format!("[{label}]")));
        lines.extend(self.cards.iter().map(|card| format!("---\n{card}")));
        lines.retain(|line| !line.is_empty());
        formatter.write_str(&lines.join("\n"))
    }
}
