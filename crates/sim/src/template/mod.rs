//! Templates: what is stored, how Graph shows them, and what a send must bring along.
//!
//! **Invariant:** a stored template has passed the rules of creation, its components in upper-case types and formats.

pub(crate) mod bind;
pub(crate) mod library;
pub(crate) mod lifecycle;
pub(crate) mod rules;
pub(crate) mod rules_buttons;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// A template of a WABA, one language of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Template {
    pub(crate) id: String,
    /// Counts creations, for a stable order of lists.
    pub(crate) seq: u64,
    pub(crate) name: String,
    pub(crate) language: String,
    pub(crate) category: String,
    pub(crate) previous_category: Option<String>,
    pub(crate) sub_category: Option<String>,
    pub(crate) status: String,
    pub(crate) is_named: bool,
    pub(crate) components: Vec<Value>,
    pub(crate) quality: String,
    pub(crate) rejected_reason: String,
    pub(crate) ttl_seconds: Option<i64>,
    pub(crate) created_at: i64,
    pub(crate) updated_at: i64,
    /// Times at which the template was edited while approved, within the last 30 days.
    pub(crate) edits: Vec<i64>,
    /// Time of the automatic review.
    pub(crate) review_at: Option<i64>,
    pub(crate) n_pauses: u32,
    pub(crate) unpause_at: Option<i64>,
    /// Template of the library that it was created from.
    #[serde(default)]
    pub(crate) library_name: Option<String>,
}

impl Template {
    /// The node with all fields that Graph can show of it.
    pub(crate) fn node(&self) -> Map<String, Value> {
        let mut components = self.components.clone();
        for component in &mut components {
            show_handles(component, &self.id);
        }
        let mut node = Map::new();
        let mut put = |key: &str, value: Value| node.insert(key.to_owned(), value);
        put("name", json!(self.name));
        put("parameter_format", json!(if self.is_named { "NAMED" } else { "POSITIONAL" }));
        put("components", json!(components));
        put("language", json!(self.language));
        put("status", json!(self.status));
        put("category", json!(self.category));
        if let Some(sub_category) = &self.sub_category {
            put("sub_category", json!(sub_category));
        }
        if let Some(previous) = &self.previous_category {
            put("previous_category", json!(previous));
        }
        put("id", json!(self.id));
        put("quality_score", json!({"score": self.quality, "date": crate::clock::seconds(self.updated_at)}));
        put("rejected_reason", json!(self.rejected_reason));
        if let Some(name) = &self.library_name {
            put("library_template_name", json!(name));
        }
        if let Some(ttl) = self.ttl_seconds {
            put("message_send_ttl_seconds", json!(ttl));
        }
        put("last_updated_time", json!(crate::clock::text(self.updated_at)));
        let can_send = if self.status == "APPROVED" { "AVAILABLE" } else { "BLOCKED" };
        let mut entity =
            json!({"entity_type": "MESSAGE_TEMPLATE", "id": self.id, "can_send_message": can_send});
        if can_send == "BLOCKED"
            && let Some(entity) = entity.as_object_mut()
        {
            entity.insert(
                "errors".to_owned(),
                json!([{"error_code": 141_002, "error_description": "The template is not approved.",
                        "possible_solution": "Wait for the review, or change the template."}]),
            );
        }
        put("health_status", json!({"can_send_message": can_send, "entities": [entity]}));
        node
    }
}

/// The fields shown when none are asked for.
pub(crate) const DEFAULT_FIELDS: [&str; 9] = [
    "name",
    "parameter_format",
    "components",
    "language",
    "status",
    "category",
    "sub_category",
    "previous_category",
    "id",
];

/// Every field that can be asked for; those that a template does not have are left out.
pub(crate) const FIELDS: [&str; 20] = [
    "id",
    "name",
    "language",
    "category",
    "sub_category",
    "previous_category",
    "correct_category",
    "status",
    "parameter_format",
    "components",
    "quality_score",
    "rejected_reason",
    "message_send_ttl_seconds",
    "library_template_name",
    "cta_url_link_tracking_opted_out",
    "health_status",
    "is_primary_device_delivery_only",
    "last_updated_time",
    "display_format",
    "send_type",
];

/// Handles come back as addresses of the content network.
fn show_handles(component: &mut Value, template_id: &str) {
    if let Some(handles) = component.get_mut("example").and_then(|example| example.get_mut("header_handle")) {
        let n = handles.as_array().map_or(1, Vec::len);
        let urls: Vec<String> =
            (0..n).map(|n| format!("https://scontent.whatsapp.net/v/t61/{template_id}_{n}.bin")).collect();
        *handles = json!(urls);
    }
    let cards = component.get_mut("cards").and_then(Value::as_array_mut);
    for card in cards.into_iter().flatten() {
        for part in card.get_mut("components").and_then(Value::as_array_mut).into_iter().flatten() {
            show_handles(part, template_id);
        }
    }
}

/// Parameters that the header of a template needs in a send.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum HeaderNeed {
    #[default]
    Nothing,
    Text(Vec<String>),
    Media(&'static str),
    Location,
    Product,
}

/// Parameters that one button needs in a send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ButtonNeed {
    /// The word in `sub_type`.
    pub(crate) sub_type: &'static str,
    /// The word in sentences.
    pub(crate) label: &'static str,
    pub(crate) is_needed: bool,
    /// `true` if it takes parameters.
    pub(crate) takes: bool,
}

/// Parameters that a send of a template, or of one of its cards, must contain.
#[derive(Clone, Debug, Default)]
pub(crate) struct Needs {
    pub(crate) header: HeaderNeed,
    pub(crate) body_text: String,
    /// The body's placeholders: names, or numbers in order.
    pub(crate) body: Vec<String>,
    pub(crate) buttons: Vec<ButtonNeed>,
    pub(crate) cards: Vec<Self>,
    /// A limited-time offer, and whether it expires.
    pub(crate) offer: Option<bool>,
    pub(crate) has_only_body: bool,
}

impl Needs {
    pub(crate) fn of(components: &[Value]) -> Self {
        let mut needs = Self { has_only_body: components.len() == 1, ..Self::default() };
        for component in components {
            let text = component.get("text").and_then(Value::as_str).unwrap_or_default();
            match component.get("type").and_then(Value::as_str).unwrap_or_default() {
                "HEADER" => {
                    needs.header = match component.get("format").and_then(Value::as_str).unwrap_or_default() {
                        "TEXT" => match placeholders(text) {
                            names if names.is_empty() => HeaderNeed::Nothing,
                            names => HeaderNeed::Text(names),
                        },
                        "IMAGE" => HeaderNeed::Media("IMAGE"),
                        "VIDEO" => HeaderNeed::Media("VIDEO"),
                        "DOCUMENT" => HeaderNeed::Media("DOCUMENT"),
                        "GIF" => HeaderNeed::Media("GIF"),
                        "LOCATION" => HeaderNeed::Location,
                        "PRODUCT" => HeaderNeed::Product,
                        _ => HeaderNeed::Nothing,
                    };
                }
                "BODY" => {
                    needs.body = placeholders(text);
                    text.clone_into(&mut needs.body_text);
                }
                "BUTTONS" => {
                    let buttons = component.get("buttons").and_then(Value::as_array);
                    needs.buttons = buttons.into_iter().flatten().map(button_need).collect();
                }
                "CAROUSEL" => {
                    let cards = component.get("cards").and_then(Value::as_array);
                    needs.cards = cards
                        .into_iter()
                        .flatten()
                        .filter_map(|card| card.get("components").and_then(Value::as_array))
                        .map(|components| Self::of(components))
                        .collect();
                }
                "LIMITED_TIME_OFFER" => {
                    let expires = component
                        .get("limited_time_offer")
                        .and_then(|offer| offer.get("has_expiration"))
                        .and_then(Value::as_bool);
                    needs.offer = Some(expires.unwrap_or(false));
                }
                _ => {}
            }
        }
        needs
    }
}

fn button_need(button: &Value) -> ButtonNeed {
    let need = |sub_type, label, is_needed, takes| ButtonNeed { sub_type, label, is_needed, takes };
    let url = button.get("url").and_then(Value::as_str).unwrap_or_default();
    match button.get("type").and_then(Value::as_str).unwrap_or_default() {
        "URL" => {
            let is_dynamic = url.contains("{{");
            need("URL", "Url", is_dynamic, is_dynamic)
        }
        "QUICK_REPLY" => need("QUICK_REPLY", "QuickReply", false, true),
        "COPY_CODE" => need("COPY_CODE", "CopyCode", true, true),
        "FLOW" => need("FLOW", "Flow", false, true),
        "CATALOG" => need("CATALOG", "Catalog", false, true),
        "MPM" => need("MPM", "MPM", true, true),
        "ORDER_DETAILS" => need("ORDER_DETAILS", "OrderDetails", true, true),
        "VOICE_CALL" => need("VOICE_CALL", "VoiceCall", false, true),
        "PHONE_NUMBER" => need("PHONE_NUMBER", "PhoneNumber", false, false),
        _ => need("OTHER", "Other", false, false),
    }
}

/// The placeholders of a text: each once, numbers in their order, names in the order of their first use.
pub(crate) fn placeholders(text: &str) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    let mut rest = text;
    while let Some((_, after)) = rest.split_once("{{") {
        let Some((name, after)) = after.split_once("}}") else { break };
        let name = name.trim().to_owned();
        if !name.is_empty() && !names.contains(&name) {
            names.push(name);
        }
        rest = after;
    }
    if names.iter().all(|name| name.parse::<u32>().is_ok()) {
        names.sort_by_key(|name| name.parse::<u32>().unwrap_or(0));
    }
    names
}

/// A text with its placeholders filled in.
pub(crate) fn fill(text: &str, values: &[(String, String)]) -> String {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{{") {
        filled.push_str(before);
        let Some((name, after)) = after.split_once("}}") else {
            filled.push_str("{{");
            rest = after;
            continue;
        };
        let value = values.iter().find(|(key, _)| key == name.trim());
        filled.push_str(value.map_or("", |(_, value)| value));
        rest = after;
    }
    filled.push_str(rest);
    filled
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_come_once_and_in_order() {
        assert_eq!(placeholders("{{2}} and {{ 1 }} and {{2}}"), ["1", "2"]);
        assert_eq!(placeholders("{{port}} {{at}} {{port}}"), ["port", "at"]);
        assert!(placeholders("a {{ b").is_empty());
        let values = [("1".to_owned(), "A".to_owned()), ("2".to_owned(), "B".to_owned())];
        assert_eq!(fill("x {{1}} y {{2}} z {{", &values), "x A y B z {{");
    }
}
