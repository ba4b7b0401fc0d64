//! The rules of creating and editing templates.
//!
//! **Invariant:** a template that passes can be sent with some parameters; types and formats are converted to upper
//! case.

use serde_json::{Map, Value, json};

use crate::error::{Checked, GraphError};
use crate::template::{placeholders, rules_buttons};
use crate::validate::Pointed;

const LIMIT: i64 = 2_388_040;
const HEADER_FORMAT: i64 = 2_388_047;
const BODY_FORMAT: i64 = 2_388_072;
const FOOTER_FORMAT: i64 = 2_388_073;
const CANNOT: i64 = 2_388_109;
const TOO_MANY_PARAMETERS: i64 = 2_388_293;
const EDGE_PARAMETER: i64 = 2_388_299;

/// Kind of template that a component belongs to.
#[derive(Clone, Copy)]
pub(crate) struct Rules<'a> {
    pub(crate) category: &'a str,
    pub(crate) is_named: bool,
    pub(crate) is_card: bool,
    pub(crate) has_offer: bool,
}

/// Checks a template name.
pub(crate) fn name(name: &str) -> Checked<()> {
    if name.is_empty() || name.chars().count() > 512 {
        return Err(too_long("Template name", 512));
    }
    if !name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_') {
        return Err(GraphError::template(
            CANNOT,
            "Invalid template name",
            "A template name may hold lower-case letters, digits and underscores only.",
        ));
    }
    Ok(())
}

/// Checks a language code.
pub(crate) fn language(code: &str) -> Checked<()> {
    let (language, region) = code.split_once('_').map_or((code, None), |(a, b)| (a, Some(b)));
    let is_code = (2..=3).contains(&language.len())
        && language.bytes().all(|byte| byte.is_ascii_lowercase())
        && region.is_none_or(|region| {
            (2..=3).contains(&region.len()) && region.bytes().all(|byte| byte.is_ascii_uppercase())
        });
    if is_code {
        Ok(())
    } else {
        Err(GraphError::schema(format!("Param language must be a supported language code - got \"{code}\".")))
    }
}

/// The category in upper case.
pub(crate) fn category(text: &str) -> Checked<String> {
    let upper = text.to_uppercase();
    if matches!(upper.as_str(), "AUTHENTICATION" | "MARKETING" | "UTILITY") {
        Ok(upper)
    } else {
        Err(GraphError::schema(format!(
            "Param category must be one of {{UTILITY, MARKETING, AUTHENTICATION}} - got \"{text}\"."
        )))
    }
}

/// The components as they are stored.
pub(crate) fn components(given: &Value, category: &str, is_named: bool) -> Checked<Vec<Value>> {
    let given = Pointed::root("components", given).list()?;
    let kinds = given
        .iter()
        .map(|at| Ok(at.any_object()?.need("type")?.text()?.to_uppercase()))
        .collect::<Checked<Vec<String>>>()?;
    let has = |kind: &str| kinds.iter().any(|other| other == kind);
    if let Some(twice) = kinds.iter().find(|kind| kinds.iter().filter(|other| other == kind).count() > 1) {
        return Err(cannot(format!("The component {twice} appears twice.")));
    }
    if !has("BODY") {
        return Err(GraphError::template(
            BODY_FORMAT,
            "Body is missing",
            "A template needs a BODY component.",
        ));
    }
    let rules = Rules { category, is_named, is_card: false, has_offer: has("LIMITED_TIME_OFFER") };
    if category == "AUTHENTICATION" {
        if let Some(other) = kinds.iter().find(|kind| !matches!(kind.as_str(), "BODY" | "FOOTER" | "BUTTONS"))
        {
            return Err(cannot(format!("Authentication templates have no {other} component.")));
        }
        if !has("BUTTONS") {
            return Err(cannot("Authentication templates need an OTP button."));
        }
    }
    if rules.has_offer {
        if category != "MARKETING" {
            return Err(cannot("Limited-time offers are for MARKETING templates only."));
        }
        if has("FOOTER") {
            return Err(cannot("A limited-time offer has no footer."));
        }
    }
    given.iter().zip(&kinds).map(|(at, kind)| rules.component(at, kind)).collect()
}

impl Rules<'_> {
    /// One component, stored form.
    pub(crate) fn component(&self, at: &Pointed<'_>, kind: &str) -> Checked<Value> {
        match kind {
            "HEADER" => self.header(at),
            "BODY" if self.category == "AUTHENTICATION" => {
                let body = at.object(&["type", "add_security_recommendation", "text", "example"])?;
                if body.has("text") {
                    return Err(GraphError::template(
                        BODY_FORMAT,
                        "Body text is fixed",
                        "The body of an authentication template has no text of its own.",
                    ));
                }
                let warns =
                    body.get("add_security_recommendation").map(|at| at.flag()).transpose()?.unwrap_or(false);
                let text = "*{{1}}* is your verification code.";
                let text = if warns {
                    format!("{text} Keep it to yourself, for your safety.")
                } else {
                    text.to_owned()
                };
                Ok(json!({"type": "BODY", "text": text, "add_security_recommendation": warns,
                          "example": {"body_text": [["123456"]]}}))
            }
            "BODY" => self.body(at),
            "FOOTER" => self.footer(at),
            "BUTTONS" => rules_buttons::check(self, at),
            "LIMITED_TIME_OFFER" => {
                let offer = at.object(&["type", "limited_time_offer"])?;
                let offer = offer.need("limited_time_offer")?.object(&["text", "has_expiration"])?;
                let text = offer.need("text")?.text()?;
                limit("Limited-time offer text", text, 16)?;
                let expires = offer.get("has_expiration").map(|at| at.flag()).transpose()?.unwrap_or(false);
                Ok(json!({"type": kind, "limited_time_offer": {"text": text, "has_expiration": expires}}))
            }
            "CAROUSEL" => self.carousel(at),
            "CALL_PERMISSION_REQUEST" => {
                at.object(&["type"])?;
                Ok(json!({"type": kind}))
            }
            other => Err(GraphError::schema(format!(
                "Param {}['type'] must be one of {{HEADER, BODY, FOOTER, BUTTONS, CAROUSEL, LIMITED_TIME_OFFER, \
                 CALL_PERMISSION_REQUEST}} - got \"{other}\".",
                at.path
            ))),
        }
    }

    fn header(&self, at: &Pointed<'_>) -> Checked<Value> {
        let header = at.object(&["type", "format", "text", "example"])?;
        let format = header.need("format")?.text()?.to_uppercase();
        let example = header.get("example");
        let refuse =
            |text: String| GraphError::template(HEADER_FORMAT, "Message header format is wrong", text);
        let allowed: &[&str] = if self.is_card {
            &["IMAGE", "VIDEO", "PRODUCT"]
        } else if self.has_offer {
            &["IMAGE", "VIDEO"]
        } else {
            &["TEXT", "IMAGE", "VIDEO", "DOCUMENT", "GIF", "LOCATION", "PRODUCT"]
        };
        if !allowed.contains(&format.as_str()) {
            return Err(refuse(format!("The header format must be one of {}.", allowed.join(", "))));
        }
        let mut stored = Map::new();
        stored.insert("type".to_owned(), json!("HEADER"));
        stored.insert("format".to_owned(), json!(format));
        match format.as_str() {
            "TEXT" => {
                let text = header.text("text")?.unwrap_or_default();
                if text.is_empty() {
                    return Err(refuse("A text header needs a text.".to_owned()));
                }
                limit("Header text", text, 60)?;
                if text.contains('\n') {
                    return Err(refuse("A text header has one line.".to_owned()));
                }
                let names = self.names(text, HEADER_FORMAT)?;
                if names.len() > 1 {
                    return Err(refuse("A text header has at most one parameter.".to_owned()));
                }
                stored.insert("text".to_owned(), json!(text));
                if !names.is_empty() {
                    let example =
                        example.ok_or_else(|| refuse("The parameter needs an example.".to_owned()))?;
                    self.examples(&example, "header_text", &names, HEADER_FORMAT)?;
                    stored.insert("example".to_owned(), example.value.clone());
                }
            }
            "IMAGE" | "VIDEO" | "DOCUMENT" | "GIF" => {
                let handles = example.as_ref().and_then(|example| example.value.get("header_handle"));
                let has_handle = handles.is_some_and(|handles| match handles.as_array() {
                    Some(handles) => {
                        handles.iter().any(|handle| handle.as_str().is_some_and(|h| !h.is_empty()))
                    }
                    None => handles.as_str().is_some_and(|handle| !handle.is_empty()),
                });
                if !has_handle {
                    return Err(refuse(format!("A header of format {format} needs example.header_handle.")));
                }
                if let Some(example) = example {
                    stored.insert("example".to_owned(), example.value.clone());
                }
            }
            _ => {}
        }
        Ok(Value::Object(stored))
    }

    fn body(&self, at: &Pointed<'_>) -> Checked<Value> {
        let body = at.object(&["type", "text", "example"])?;
        let text = body.text("text")?.unwrap_or_default();
        let refuse = |text: &str| GraphError::template(BODY_FORMAT, "Message body format is wrong", text);
        if text.trim().is_empty() {
            return Err(refuse("The body needs a text."));
        }
        let most = match (self.is_card, self.has_offer) {
            (true, _) => 160,
            (false, true) => 600,
            (false, false) => 1024,
        };
        limit("Body text", text, most)?;
        let names = self.names(text, BODY_FORMAT)?;
        if text.trim().starts_with("{{") || text.trim().ends_with("}}") {
            return Err(GraphError::template(
                EDGE_PARAMETER,
                "Parameter at the start or end",
                "Parameters must not stand at the start or at the end of the body.",
            ));
        }
        let n_words = fixed_words(text);
        if n_words < names.len() {
            return Err(GraphError::template(
                TOO_MANY_PARAMETERS,
                "Too many parameters for the length",
                "The body has too many parameters for the number of its words.",
            ));
        }
        let mut stored = Map::new();
        stored.insert("type".to_owned(), json!("BODY"));
        stored.insert("text".to_owned(), json!(text));
        if !names.is_empty() {
            let example = body.get("example").ok_or_else(|| refuse("Each parameter needs an example."))?;
            self.examples(&example, "body_text", &names, BODY_FORMAT)?;
            stored.insert("example".to_owned(), example.value.clone());
        }
        Ok(Value::Object(stored))
    }

    fn footer(&self, at: &Pointed<'_>) -> Checked<Value> {
        let footer = at.object(&["type", "text", "code_expiration_minutes"])?;
        if self.category == "AUTHENTICATION" {
            let minutes = footer.need("code_expiration_minutes")?.integer()?;
            if !(1..=90).contains(&minutes) {
                return Err(GraphError::template(
                    FOOTER_FORMAT,
                    "Code expiration is out of range",
                    "code_expiration_minutes must be between 1 and 90.",
                ));
            }
            return Ok(json!({"type": "FOOTER", "text": format!("This code expires in {minutes} minutes."),
                             "code_expiration_minutes": minutes}));
        }
        let text = footer.text("text")?.unwrap_or_default();
        if text.is_empty() || text.contains("{{") {
            return Err(GraphError::template(
                FOOTER_FORMAT,
                "Message footer format is wrong",
                "The footer needs a text and has no parameters.",
            ));
        }
        limit("Footer text", text, 60)?;
        Ok(json!({"type": "FOOTER", "text": text}))
    }

    fn carousel(&self, at: &Pointed<'_>) -> Checked<Value> {
        let carousel = at.object(&["type", "cards"])?;
        let cards = carousel.need("cards")?.list()?;
        if !(2..=10).contains(&cards.len()) {
            return Err(cannot("A carousel has 2 to 10 cards."));
        }
        let rules = Rules { is_card: true, ..*self };
        let mut stored: Vec<Value> = Vec::new();
        let mut structure: Option<Vec<String>> = None;
        for card in &cards {
            let card = card.object(&["components", "card_index"])?;
            let mut parts = Vec::new();
            let mut this = Vec::new();
            for part in card.need("components")?.list()? {
                let kind = part.any_object()?.need("type")?.text()?.to_uppercase();
                if !matches!(kind.as_str(), "HEADER" | "BODY" | "BUTTONS") {
                    return Err(cannot(format!("A card has no {kind} component.")));
                }
                let part = rules.component(&part, &kind)?;
                this.push(format!("{kind} {}", structure_of(&part)));
                parts.push(part);
            }
            this.sort();
            if !this.iter().any(|part| part.starts_with("HEADER")) {
                return Err(GraphError::template(
                    HEADER_FORMAT,
                    "Card header is missing",
                    "Each card needs a header.",
                ));
            }
            if structure.get_or_insert_with(|| this.clone()) != &this {
                return Err(cannot(
                    "All cards must have the same components, header format and button types.",
                ));
            }
            stored.push(json!({"components": parts}));
        }
        Ok(json!({"type": "CAROUSEL", "cards": stored}))
    }

    /// The placeholders of a text, well formed.
    pub(crate) fn names(&self, text: &str, subcode: i64) -> Checked<Vec<String>> {
        let names = placeholders(text);
        let refuse = |text: String| GraphError::template(subcode, "Parameters are not well formed", text);
        if text.matches("{{").count() != text.matches("}}").count() {
            return Err(refuse("A parameter is opened and not closed.".to_owned()));
        }
        for (position, name) in names.iter().enumerate() {
            if self.is_named {
                let is_name = name
                    .bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
                    && name.bytes().any(|byte| !byte.is_ascii_digit());
                if !is_name {
                    return Err(refuse(format!(
                        "The parameter name {name} may hold lower-case letters, digits and underscores only."
                    )));
                }
            } else if name.parse() != Ok(position + 1) {
                return Err(refuse(format!("Parameters must count from 1 without a gap; found {name}.")));
            }
        }
        Ok(names)
    }

    /// Checks that each placeholder has an example.
    fn examples(&self, example: &Pointed<'_>, key: &str, names: &[String], subcode: i64) -> Checked<()> {
        let example = example.any_object()?;
        let refuse =
            || GraphError::template(subcode, "Examples are missing", "Each parameter needs an example.");
        if self.is_named {
            let key = format!("{key}_named_params");
            let given = example.get(&key).ok_or_else(refuse)?.list()?;
            for name in names {
                let has_example = given.iter().any(|item| {
                    let text = |key: &str| item.value.get(key).and_then(Value::as_str).unwrap_or_default();
                    text("param_name") == name && !text("example").is_empty()
                });
                if !has_example {
                    return Err(refuse());
                }
            }
            return Ok(());
        }
        let given = example.get(key).ok_or_else(refuse)?;
        let n_given = match given.value.as_array() {
            Some(items) => match items.first().and_then(Value::as_array) {
                Some(first) => first.len(),
                None => items.len(),
            },
            None => usize::from(given.value.as_str().is_some_and(|text| !text.is_empty())),
        };
        if n_given == names.len() { Ok(()) } else { Err(refuse()) }
    }
}

/// Returns the structure that must be equal on all cards.
fn structure_of(part: &Value) -> String {
    let format = part.get("format").and_then(Value::as_str).unwrap_or_default();
    let buttons = part.get("buttons").and_then(Value::as_array);
    let kinds: Vec<&str> = buttons
        .into_iter()
        .flatten()
        .filter_map(|button| button.get("type").and_then(Value::as_str))
        .collect();
    format!("{format} {}", kinds.join(","))
}

/// The words outside of parameters.
fn fixed_words(text: &str) -> usize {
    let mut outside = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{{") {
        outside.push_str(before);
        outside.push(' ');
        rest = after.split_once("}}").map_or("", |(_, after)| after);
    }
    outside.push_str(rest);
    outside.split_whitespace().filter(|word| word.chars().any(char::is_alphanumeric)).count()
}

/// The error for a text above its limit.
pub(crate) fn limit(label: &str, text: &str, most: usize) -> Checked<()> {
    if text.chars().count() > most { Err(too_long(label, most)) } else { Ok(()) }
}

fn too_long(label: &str, most: usize) -> GraphError {
    GraphError::template(
        LIMIT,
        "Field exceeds its limit",
        format!("{label} must have at most {most} characters."),
    )
}

/// The error for a combination that cannot be created.
pub(crate) fn cannot(explanation: impl Into<String>) -> GraphError {
    GraphError::template(CANNOT, "Template cannot be created", explanation)
}
