//! Texts of a template, written into its stored components.
//!
//! Meta's update of the components contains the texts only. Examples, formats and types of buttons do not change until
//! the templates are synchronized.

use domain::json::Value;
use domain::webhooks_in::update::TemplateTextUpdate;
use engine::ports::ListedTemplate;
use rusqlite::{Connection, OptionalExtension};

use crate::error::{SqlError, SqlResult};
use crate::row::json;
use crate::templates::template_key::TemplateKey;

/// Updates the texts. Returns the number of changed templates: one or none.
pub(crate) fn update_text(
    connection: &Connection,
    key: TemplateKey<'_>,
    text: &TemplateTextUpdate,
) -> SqlResult<usize> {
    let Some(mut components) = get_components(connection, key)? else { return Ok(0) };
    let before = components.clone();
    replace_text(&mut components, text);
    if components == before {
        return Ok(0);
    }
    let n_rows = connection
        .prepare_cached(
            "update templates set components = ?5
             where workspace_id = ?1 and waba_id = ?2 and name = ?3 and language = ?4",
        )?
        .execute((key.workspace.as_bytes(), key.waba_id, key.name, key.language, json(&components)?))?;
    Ok(n_rows)
}

/// Returns `true` if the listed texts or buttons differ from the stored ones.
pub(crate) fn differs(
    connection: &Connection,
    key: TemplateKey<'_>,
    listed: &ListedTemplate,
) -> SqlResult<bool> {
    let Some(stored) = get_components(connection, key)? else { return Ok(false) };
    let listed: Value = serde_json::from_str(&listed.components)
        .map_err(|_| SqlError::Bug("the listed components are not valid JSON"))?;
    Ok(texts(&stored) != texts(&listed))
}

fn get_components(connection: &Connection, key: TemplateKey<'_>) -> SqlResult<Option<Value>> {
    let stored: Option<String> = connection
        .prepare_cached(
            "select components from templates
             where workspace_id = ?1 and waba_id = ?2 and name = ?3 and language = ?4",
        )?
        .query_row(key.parameters(), |row| row.get(0))
        .optional()?;
    Ok(stored.and_then(|stored| serde_json::from_str(&stored).ok()))
}

fn has_type(component: &Value, kind: &str) -> bool {
    component.get("type").and_then(Value::as_str).is_some_and(|found| found.eq_ignore_ascii_case(kind))
}

/// Returns the texts of each component and each button.
fn texts(components: &Value) -> Vec<[Option<&str>; 3]> {
    let mut all = Vec::new();
    for component in components.as_array().unwrap_or_default() {
        all.push(text_fields(component));
        let buttons = component.get("buttons").and_then(Value::as_array).unwrap_or_default();
        all.extend(buttons.iter().map(text_fields));
    }
    all
}

fn text_fields(value: &Value) -> [Option<&str>; 3] {
    ["text", "url", "phone_number"].map(|name| value.get(name).and_then(Value::as_str))
}

fn replace_text(components: &mut Value, text: &TemplateTextUpdate) {
    let Value::Array(components) = components else { return };
    for component in components {
        let new = [("HEADER", &text.header), ("BODY", &text.body), ("FOOTER", &text.footer)]
            .into_iter()
            .find_map(|(kind, text)| text.as_deref().filter(|_| has_type(component, kind)));
        // A header without a text is a media header and does not change.
        if let (Some(new), Some(text)) = (new, component.get_mut("text")) {
            *text = new.into();
        }
        if has_type(component, "BUTTONS")
            && let Some(Value::Array(buttons)) = component.get_mut("buttons")
            && buttons.len() == text.buttons.len()
        {
            for (button, (label, target)) in buttons.iter_mut().zip(&text.buttons) {
                replace_button_text(button, label, target.as_deref());
            }
        }
    }
}

/// Replaces the label of a button, and its target: a URL or a phone number.
fn replace_button_text(button: &mut Value, label: &str, target: Option<&str>) {
    if let Some(text) = button.get_mut("text").filter(|_| !label.is_empty()) {
        *text = label.into();
    }
    for name in ["url", "phone_number"] {
        if let (Some(target), Some(value)) = (target, button.get_mut(name)) {
            *value = target.into();
        }
    }
}
