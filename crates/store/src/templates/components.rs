//! Texts of a template, written into its stored components.
//!
//! Meta reports the texts alone when they change. Examples, formats and types of buttons stay unchanged until the
//! list of templates is read again.

use domain::id::WorkspaceId;
use domain::json::Value;
use domain::webhooks_in::update::TemplateTextUpdate;
use engine::ports::ListedTemplate;
use rusqlite::{Connection, OptionalExtension};

use crate::error::{SqlError, SqlResult};
use crate::row::json;

/// Updates the texts. Returns the number of changed templates: one or none.
pub(crate) fn update_text(
    connection: &Connection,
    place: (WorkspaceId, &str),
    identity: (&str, &str),
    text: &TemplateTextUpdate,
) -> SqlResult<usize> {
    let Some(mut components) = get_components(connection, place, identity)? else { return Ok(0) };
    let before = components.clone();
    replace_text(&mut components, text);
    if components == before {
        return Ok(0);
    }
    let ((workspace, waba_id), (name, language)) = (place, identity);
    let n_rows = connection
        .prepare_cached(
            "update templates set components = ?5
             where workspace_id = ?1 and waba_id = ?2 and name = ?3 and language = ?4",
        )?
        .execute((workspace.as_bytes(), waba_id, name, language, json(&components)?))?;
    Ok(n_rows)
}

/// Returns `true` if the listed texts or buttons differ from the stored ones.
pub(crate) fn differs(
    connection: &Connection,
    place: (WorkspaceId, &str),
    identity: (&str, &str),
    listed: &ListedTemplate,
) -> SqlResult<bool> {
    let Some(kept) = get_components(connection, place, identity)? else { return Ok(false) };
    let listed: Value = serde_json::from_str(&listed.components)
        .map_err(|_| SqlError::Bug("the listed components are not valid JSON"))?;
    Ok(texts(&kept) != texts(&listed))
}

fn get_components(
    connection: &Connection,
    (workspace, waba_id): (WorkspaceId, &str),
    (name, language): (&str, &str),
) -> SqlResult<Option<Value>> {
    let kept: Option<String> = connection
        .prepare_cached(
            "select components from templates
             where workspace_id = ?1 and waba_id = ?2 and name = ?3 and language = ?4",
        )?
        .query_row((workspace.as_bytes(), waba_id, name, language), |row| row.get(0))
        .optional()?;
    Ok(kept.and_then(|kept| serde_json::from_str(&kept).ok()))
}

fn is_a(component: &Value, kind: &str) -> bool {
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
            .find_map(|(kind, words)| words.as_deref().filter(|_| is_a(component, kind)));
        // A header without a text is a media header and stays unchanged.
        if let (Some(words), Some(said)) = (new, component.get_mut("text")) {
            *said = words.into();
        }
        if is_a(component, "BUTTONS")
            && let Some(Value::Array(buttons)) = component.get_mut("buttons")
            && buttons.len() == text.buttons.len()
        {
            for (button, (words, behind)) in buttons.iter_mut().zip(&text.buttons) {
                replace_button_text(button, words, behind.as_deref());
            }
        }
    }
}

fn replace_button_text(button: &mut Value, words: &str, behind: Option<&str>) {
    if let Some(said) = button.get_mut("text").filter(|_| !words.is_empty()) {
        *said = words.into();
    }
    for name in ["url", "phone_number"] {
        if let (Some(behind), Some(said)) = (behind, button.get_mut(name)) {
            *said = behind.into();
        }
    }
}
