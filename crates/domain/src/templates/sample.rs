//! Samples of a template's parameters, as the components of a message.

use super::template::Template;
use crate::json::{Object, Value};

impl Template {
    /// Returns the components of a message that fills the texts of a template with the samples from its creation.
    /// `components` is Meta's array.
    #[must_use]
    pub fn samples(components: &Value) -> Vec<Value> {
        self::components(components)
    }
}

/// Returns the components of a message that fills the texts of a template with its samples.
fn components(components: &Value) -> Vec<Value> {
    let mut filled = Vec::new();
    for component in components.as_array().unwrap_or_default() {
        match word(component, "type").as_str() {
            "HEADER" if word(component, "format") == "TEXT" => {
                filled.extend(texts(component, "header_text").map(|parameters| part("header", parameters)));
            }
            "BODY" => {
                filled.extend(texts(component, "body_text").map(|parameters| part("body", parameters)));
            }
            "CAROUSEL" => {
                let cards = component.get("cards").and_then(Value::as_array).unwrap_or_default();
                let cards = cards.iter().enumerate().map(|(index, card)| {
                    let mut shown = Object::new();
                    shown.insert("card_index", i64::try_from(index).unwrap_or_default());
                    let parts = card.get("components").map(self::components).unwrap_or_default();
                    shown.insert("components", Value::Array(parts));
                    Value::Object(shown)
                });
                let mut carousel = Object::new();
                carousel.insert("type", "carousel");
                carousel.insert("cards", Value::Array(cards.collect()));
                filled.push(Value::Object(carousel));
            }
            _ => {}
        }
    }
    filled
}

fn part(kind: &str, parameters: Vec<Value>) -> Value {
    let mut part = Object::new();
    part.insert("type", kind);
    part.insert("parameters", Value::Array(parameters));
    Value::Object(part)
}

/// Returns the parameters from `example.<key>` or `example.<key>_named_params`.
fn texts(component: &Value, key: &str) -> Option<Vec<Value>> {
    let example = component.get("example")?;
    if let Some(named) = example.get(&format!("{key}_named_params")).and_then(Value::as_array) {
        let parameter = |sample: &Value| {
            let name = sample.get("param_name")?.as_str()?;
            Some(parameter(sample.get("example")?.as_str()?, Some(name)))
        };
        return Some(named.iter().filter_map(parameter).collect());
    }
    let given = example.get(key)?;
    let list = match given.as_array() {
        Some([Value::Array(inner), ..]) => inner.as_slice(),
        Some(list) => list,
        None => std::slice::from_ref(given),
    };
    Some(list.iter().filter_map(Value::as_str).map(|text| parameter(text, None)).collect())
}

fn parameter(text: &str, name: Option<&str>) -> Value {
    let mut parameter = Object::new();
    parameter.insert("type", "text");
    parameter.insert("text", text);
    if let Some(name) = name {
        parameter.insert("parameter_name", name);
    }
    Value::Object(parameter)
}

fn word(value: &Value, key: &str) -> String {
    value.get(key).and_then(Value::as_str).unwrap_or_default().to_ascii_uppercase()
}
