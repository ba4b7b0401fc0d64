//! The business profile.

use serde_json::{Map, Value, json};

use crate::error::{Checked, GraphError};
use crate::graph::numbers::change;
use crate::graph::{Call, Reply};
use crate::send::product;
use crate::state::{Number, State};
use crate::validate::{length, not_one_of, unstring};

const VERTICALS: [&str; 25] = [
    "OTHER",
    "AUTO",
    "BEAUTY",
    "APPAREL",
    "EDU",
    "ENTERTAIN",
    "EVENT_PLAN",
    "FINANCE",
    "GROCERY",
    "GOVT",
    "HOTEL",
    "HEALTH",
    "NONPROFIT",
    "PROF_SERVICES",
    "RETAIL",
    "TRAVEL",
    "RESTAURANT",
    "ALCOHOL",
    "ONLINE_GAMBLING",
    "PHYSICAL_GAMBLING",
    "OTC_DRUGS",
    "MATRIMONY_SERVICE",
    "UNDEFINED",
    "NOT_A_BIZ",
    "",
];

/// The texts of a profile with their limits.
const TEXTS: [(&str, usize, usize); 4] =
    [("about", 1, 139), ("address", 0, 256), ("description", 0, 512), ("email", 0, 128)];

pub(crate) fn read(call: &Call, number: &Number) -> Checked<Reply> {
    let asked: Vec<&str> =
        call.text("fields").unwrap_or_default().split(',').map(str::trim).filter(|f| !f.is_empty()).collect();
    let mut shown = Map::new();
    for (key, value) in &number.profile {
        if asked.is_empty() || asked.contains(&key.as_str()) {
            shown.insert(key.clone(), value.clone());
        }
    }
    shown.insert("messaging_product".to_owned(), json!("whatsapp"));
    Ok(Reply::json(json!({"data": [shown]})))
}

pub(crate) fn write(state: &mut State, call: &Call, id: &str) -> Checked<Reply> {
    product(&call.params)?;
    let mut changes: Vec<(String, Value)> = Vec::new();
    for (key, min, max) in TEXTS {
        let Some(value) = call.params.get(key) else { continue };
        let text =
            value.as_str().ok_or_else(|| GraphError::schema(format!("Param {key} must be a string.")))?;
        length(key, text.chars().count(), min, max)?;
        changes.push((key.to_owned(), json!(text)));
    }
    if let Some(value) = call.params.get("websites") {
        let mut value = value.clone();
        unstring(&mut value);
        let sites = value.as_array().cloned().unwrap_or_else(|| vec![value]);
        let is_site = |site: &Value| {
            site.as_str().is_some_and(|text| {
                text.len() <= 256 && (text.starts_with("http://") || text.starts_with("https://"))
            })
        };
        let sites: Vec<Value> = sites.into_iter().filter(|site| site.as_str() != Some("")).collect();
        if sites.len() > 2 || !sites.iter().all(is_site) {
            return Err(GraphError::schema(
                "Param websites must hold at most 2 http or https addresses of 256 characters.",
            ));
        }
        changes.push(("websites".to_owned(), json!(sites)));
    }
    if let Some(vertical) = call.text("vertical") {
        if !VERTICALS.contains(&vertical) {
            return Err(not_one_of("vertical", &VERTICALS, vertical));
        }
        changes.push(("vertical".to_owned(), json!(vertical)));
    }
    if let Some(handle) = call.text("profile_picture_handle") {
        let is_known = state.uploads.values().any(|upload| upload.handle.as_deref() == Some(handle));
        if !is_known {
            return Err(GraphError::schema("Param profile_picture_handle is not the handle of an upload."));
        }
        let url = format!("https://scontent.whatsapp.net/v/t61/{id}_profile.jpg");
        changes.push(("profile_picture_url".to_owned(), json!(url)));
    }
    change(state, id, |number| number.profile.extend(changes))
}
