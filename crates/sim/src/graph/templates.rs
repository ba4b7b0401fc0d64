//! Template management.
//!
//! **Invariant:** a name and language exist once in an account. The name of a deleted approved template is reserved
//! for 30 days.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use crate::{
    clock::{DAY, HOUR},
    error::{Checked, GraphError},
    graph::{
        Call, Reply,
        paging::{self, Fields},
    },
    state::State,
    template::{DEFAULT_FIELDS, FIELDS, Template, library, rules},
};

/// The most templates of an account.
const MOST: usize = 6_000;
/// Time for which a deleted name is reserved.
const HELD_FOR: i64 = 30 * DAY;
/// The most edits of an approved template in 30 days; and one per day.
const MOST_EDITS: usize = 10;

const SHOWN: Fields<'_> =
    Fields { node_type: "WhatsAppMessageTemplate", default: &DEFAULT_FIELDS, known: &FIELDS };

/// A call on an account's templates.
pub(crate) fn edge(state: &mut State, call: &Call, waba_id: &str) -> Checked<Reply> {
    match call.method.as_str() {
        "GET" => list(state, call, waba_id),
        "POST" => create(state, call, waba_id),
        "DELETE" => delete(state, call, waba_id),
        method => Err(GraphError::no_method(method)),
    }
}

/// A call on one template.
pub(crate) fn node(
    state: &mut State,
    call: &Call,
    waba_id: &str,
    id: &str,
    edge: Option<&str>,
) -> Checked<Reply> {
    let template = state.wabas.get(waba_id).and_then(|waba| waba.templates.get(id)).cloned();
    let Some(template) = template else { return Err(GraphError::no_node(call.method.as_str(), id)) };
    match (call.method.as_str(), edge) {
        ("GET", None) => SHOWN.pick(state, call, &template.node()).map(Reply::json),
        ("POST", None) => edit(state, call, waba_id, template),
        ("POST", Some("unpause")) => {
            if template.status != "PAUSED" {
                return Ok(Reply::json(json!({"success": false, "reason": "The template is not paused."})));
            }
            state.decide(waba_id, id, "APPROVED", None);
            Ok(Reply::success())
        }
        (method, None | Some("unpause")) => Err(GraphError::no_method(method)),
        (_, Some(edge)) => Err(GraphError::no_edge(edge)),
    }
}

fn list(state: &State, call: &Call, waba_id: &str) -> Checked<Reply> {
    let Some(waba) = state.wabas.get(waba_id) else { return Err(GraphError::no_node("get", waba_id)) };
    let time = |key: &str| call.text(key).and_then(|text| text.parse::<i64>().ok());
    let (since, until) = (time("since"), time("until"));
    let mut found: Vec<&Template> = waba
        .templates
        .values()
        .filter(|template| matches(call, template))
        .filter(|template| since.is_none_or(|since| crate::clock::seconds(template.created_at) >= since))
        .filter(|template| until.is_none_or(|until| crate::clock::seconds(template.created_at) <= until))
        .collect();
    found.sort_by_key(|template| std::cmp::Reverse(template.seq));
    let n_found = found.len();
    let rows = found
        .into_iter()
        .map(|template| Ok((template.seq, SHOWN.pick(state, call, &template.node())?)))
        .collect::<Checked<Vec<_>>>()?;
    let mut page = paging::page(state, call, &format!("message_templates/{waba_id}"), rows)?;
    if let Some(asked) = call.text("summary") {
        let mut summary = Map::new();
        let all = asked == "true" || asked == "1";
        for (key, value) in [
            ("total_count", json!(n_found)),
            ("message_template_count", json!(waba.templates.len())),
            ("message_template_limit", json!(MOST)),
            // Asked for by public clients; here every language stands for itself.
            ("are_translations_complete", json!(true)),
        ] {
            if all || asked.split(',').any(|name| name.trim() == key) {
                summary.insert(key.to_owned(), value);
            }
        }
        page.insert("summary".to_owned(), Value::Object(summary));
    }
    Ok(Reply::json(Value::Object(page)))
}

/// The library of templates that are approved beforehand.
pub(crate) fn library(state: &State, call: &Call) -> Checked<Reply> {
    if call.method != "GET" {
        return Err(GraphError::no_method(call.method.as_str()));
    }
    let rows = library::found(|key| call.text(key)).map(|entry| (entry.key(), entry.node())).collect();
    paging::page(state, call, "message_template_library", rows).map(|page| Reply::json(Value::Object(page)))
}

/// `true` if a template passes the filters. A filter is one value, several with commas, or a JSON list.
fn matches(call: &Call, template: &Template) -> bool {
    let words = |key: &str| -> Option<BTreeSet<String>> {
        let text = call.text(key).filter(|text| !text.is_empty())?;
        let list: Vec<String> = serde_json::from_str(text)
            .unwrap_or_else(|_| text.split(',').map(|word| word.trim().to_owned()).collect());
        Some(list.iter().map(|word| word.to_uppercase()).collect())
    };
    let is_in = |key: &str, value: &str| words(key).is_none_or(|words| words.contains(&value.to_uppercase()));
    let holds = |key: &str, texts: &[&str]| {
        call.text(key).is_none_or(|wanted| {
            let wanted = wanted.to_lowercase();
            texts.iter().any(|text| text.to_lowercase().contains(&wanted))
        })
    };
    // Only written out when it is looked into: an account may have thousands.
    let is_searched = call.params.contains_key("content") || call.params.contains_key("name_or_content");
    let content =
        if is_searched { Value::Array(template.components.clone()).to_string() } else { String::new() };
    is_in("category", &template.category)
        && is_in("language", &template.language)
        && is_in("status", &template.status)
        && is_in("quality_score", &template.quality)
        && is_in("source", "MANUAL")
        && holds("name", &[&template.name])
        && holds("content", &[&content])
        && holds("name_or_content", &[&template.name, &content])
}

fn create(state: &mut State, call: &Call, waba_id: &str) -> Checked<Reply> {
    let now = state.env.now;
    let Some(waba) = state.wabas.get_mut(waba_id) else { return Err(GraphError::no_node("post", waba_id)) };
    waba.creations.retain(|at| *at > now - HOUR);
    if waba.creations.len() >= usize::try_from(state.settings.templates_per_hour).unwrap_or(usize::MAX) {
        return Err(GraphError::of(80_007).details("Too many templates were created in this hour"));
    }
    let template = state.new_template(waba_id, &call.params)?;
    let answer = json!({"id": template.id, "status": template.status, "category": template.category});
    if let Some(waba) = state.wabas.get_mut(waba_id) {
        waba.creations.push(now);
        waba.templates.insert(template.id.clone(), template);
    }
    state.is_dirty = true;
    Ok(Reply::json(answer))
}

impl State {
    /// A checked new template, pending unless it comes from the library, not yet stored.
    pub(crate) fn new_template(&mut self, waba_id: &str, params: &Map<String, Value>) -> Checked<Template> {
        let text = |key: &str| params.get(key).and_then(Value::as_str);
        let need = |key: &str| {
            text(key).ok_or_else(|| GraphError::schema(format!("The parameter {key} is required.")))
        };
        let (name, language) = (need("name")?.to_owned(), need("language")?.to_owned());
        rules::name(&name)?;
        rules::language(&language)?;
        let category = rules::category(need("category")?)?;
        let is_named = match text("parameter_format").map(str::to_uppercase).as_deref() {
            None | Some("POSITIONAL") => false,
            Some("NAMED") => true,
            Some(other) => {
                return Err(crate::validate::not_one_of("parameter_format", &["POSITIONAL", "NAMED"], other));
            }
        };
        let library_name = text(library::NAME).map(str::to_owned);
        let components = match &library_name {
            Some(from) => &library::components(params, from, &language, &category)?,
            None => params
                .get("components")
                .ok_or_else(|| GraphError::schema("The parameter components is required."))?,
        };
        let components = rules::components(components, &category, is_named)?;
        let ttl_seconds = ttl(params, &category)?;
        let now = self.env.now;
        if let Some(waba) = self.wabas.get_mut(waba_id) {
            waba.held_names.retain(|(_, _, until)| *until > now);
            if waba.held_names.iter().any(|(held, of, _)| *held == name && *of == language) {
                return Err(GraphError::template(
                    2_388_023,
                    "Name is still held",
                    "A template with this name and language was deleted; the name is free again after 30 days.",
                ));
            }
            if waba.templates.values().any(|other| other.name == name && other.language == language) {
                return Err(GraphError::template(
                    2_388_024,
                    "Content in this language already exists",
                    "A template with this name already exists in this language.",
                ));
            }
            if waba.templates.len() >= MOST {
                return Err(GraphError::template(
                    2_388_019,
                    "Template limit reached",
                    "The account has as many templates as it may have.",
                ));
            }
        }
        let id = self.mint_id("template");
        Ok(Template {
            id,
            seq: self.next,
            name,
            language,
            category,
            previous_category: None,
            sub_category: text("sub_category").map(str::to_owned),
            // What comes from the library needs no review.
            status: if library_name.is_some() { "APPROVED" } else { "PENDING" }.to_owned(),
            is_named,
            components,
            quality: "UNKNOWN".to_owned(),
            rejected_reason: "NONE".to_owned(),
            ttl_seconds,
            created_at: now,
            updated_at: now,
            edits: Vec::new(),
            review_at: self.review_due().filter(|_| library_name.is_none()),
            n_pauses: 0,
            unpause_at: None,
            library_name,
        })
    }
}

fn ttl(params: &Map<String, Value>, category: &str) -> Checked<Option<i64>> {
    let Some(value) = params.get("message_send_ttl_seconds") else { return Ok(None) };
    let ttl = crate::validate::Pointed::root("message_send_ttl_seconds", value).integer()?;
    let (least, most) = match category {
        "AUTHENTICATION" => (30, 900),
        "UTILITY" => (30, 43_200),
        _ => (43_200, 2_592_000),
    };
    if ttl == -1 || (least..=most).contains(&ttl) {
        Ok(Some(ttl))
    } else {
        Err(GraphError::schema(format!("Param message_send_ttl_seconds must be -1 or {least} to {most}.")))
    }
}

fn edit(state: &mut State, call: &Call, waba_id: &str, mut template: Template) -> Checked<Reply> {
    let now = state.env.now;
    if !matches!(template.status.as_str(), "APPROVED" | "REJECTED" | "PAUSED") {
        return Err(GraphError::template(
            2_388_039,
            "Template cannot be changed",
            "Only approved, rejected and paused templates can be changed.",
        ));
    }
    let is_approved = template.status == "APPROVED";
    if is_approved {
        template.edits.retain(|at| *at > now - 30 * DAY);
        let is_too_soon = template.edits.iter().any(|at| *at > now - DAY);
        if is_too_soon || template.edits.len() >= MOST_EDITS {
            return Err(GraphError::template(
                2_388_039,
                "Template was changed too often",
                "An approved template can be changed once a day and ten times in 30 days.",
            ));
        }
    }
    if let Some(category) = call.text("category") {
        let category = rules::category(category)?;
        if is_approved && category != template.category {
            return Err(GraphError::template(
                2_388_039,
                "Category cannot be changed",
                "The category of an approved template cannot be changed.",
            ));
        }
        template.category = category;
    }
    if let Some(components) = call.params.get("components") {
        template.components = rules::components(components, &template.category, template.is_named)?;
    }
    if let Some(ttl) = ttl(&call.params, &template.category)? {
        template.ttl_seconds = Some(ttl);
    }
    if is_approved {
        template.edits.push(now);
    }
    "PENDING".clone_into(&mut template.status);
    template.updated_at = now;
    template.unpause_at = None;
    template.review_at = state.review_due();
    let answer =
        json!({"success": true, "id": template.id, "name": template.name, "category": template.category});
    let id = template.id.clone();
    if let Some(waba) = state.wabas.get_mut(waba_id) {
        waba.templates.insert(id.clone(), template);
    }
    state.is_dirty = true;
    let reason = Map::from_iter([("reason".to_owned(), json!("NONE"))]);
    state.tell_status(waba_id, &id, "PENDING", reason);
    Ok(Reply::json(answer))
}

fn delete(state: &mut State, call: &Call, waba_id: &str) -> Checked<Reply> {
    let now = state.env.now;
    let Some(waba) = state.wabas.get(waba_id) else { return Err(GraphError::no_node("delete", waba_id)) };
    let Some(name) = call.text("name").filter(|name| !name.is_empty()) else {
        return Err(GraphError::schema("The parameter name is required."));
    };
    let hsm_id = call.text("hsm_id");
    let ids: Vec<String> = waba
        .templates
        .values()
        .filter(|template| template.name == name && hsm_id.is_none_or(|id| id == template.id))
        .map(|template| template.id.clone())
        .collect();
    let found: Vec<&Template> = ids.iter().filter_map(|id| waba.templates.get(id)).collect();
    if found.is_empty() {
        return Err(GraphError::template(
            2_593_002,
            "Template not found",
            "There is no template with this name, or with this name and id.",
        ));
    }
    if found.iter().any(|template| template.status == "DISABLED") {
        return Err(GraphError::template(
            2_388_039,
            "Template cannot be deleted",
            "A disabled template cannot be deleted.",
        ));
    }
    for id in &ids {
        state.tell_status(waba_id, id, "PENDING_DELETION", Map::new());
        let Some(waba) = state.wabas.get_mut(waba_id) else { continue };
        if let Some(template) = waba.templates.remove(id)
            && template.status == "APPROVED"
        {
            waba.held_names.push((template.name, template.language, now + HELD_FOR));
        }
    }
    state.is_dirty = true;
    Ok(Reply::success())
}
