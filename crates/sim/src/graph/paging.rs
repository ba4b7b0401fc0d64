//! Lists and fields: cursors, `limit`, `fields`.
//!
//! **Invariant:** following `after` from the first page returns each row once, also while rows are added.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value, json};

use crate::{
    error::{Checked, GraphError},
    graph::Call,
    state::State,
};

/// The most rows of a page.
const MOST: usize = 1_000;

/// One page of rows that are sorted by a falling key. `list` names the list, so that cursors of others are refused.
pub(crate) fn page(
    state: &State,
    call: &Call,
    list: &str,
    rows: Vec<(u64, Value)>,
) -> Checked<Map<String, Value>> {
    let limit = match call.params.get("limit") {
        None => 25,
        Some(limit) => limit
            .as_u64()
            .or_else(|| limit.as_str().and_then(|text| text.parse().ok()))
            .and_then(|limit| usize::try_from(limit).ok())
            .filter(|limit| *limit > 0)
            .ok_or_else(|| GraphError::schema("Param limit must be an integer greater than 0."))?
            .min(MOST),
    };
    let cursor = |key: &str| -> Checked<Option<u64>> {
        let Some(text) = call.text(key).filter(|text| !text.is_empty()) else { return Ok(None) };
        unpack(list, text).map(Some).ok_or_else(|| {
            if call.version >= 24 && list.starts_with("message_templates") {
                GraphError::of(131_059)
            } else {
                GraphError::schema("Invalid cursors values").kind("OAuthException")
            }
        })
    };
    let (after, before) = (cursor("after")?, cursor("before")?);
    let n_all = rows.len();
    let first = rows.first().map(|(key, _)| *key);
    let last = rows.last().map(|(key, _)| *key);
    let mut rows: Vec<(u64, Value)> = rows
        .into_iter()
        .filter(|(key, _)| after.is_none_or(|after| *key < after))
        .filter(|(key, _)| before.is_none_or(|before| *key > before))
        .collect();
    if before.is_some() && after.is_none() {
        rows = rows.split_off(rows.len().saturating_sub(limit));
    } else {
        rows.truncate(limit);
    }
    let edges = rows.first().zip(rows.last()).map(|((first, _), (last, _))| (*first, *last));
    let mut answer = Map::new();
    let data: Vec<Value> = rows.into_iter().map(|(_, row)| row).collect();
    answer.insert("data".to_owned(), json!(data));
    let Some((from, to)) = edges.filter(|_| n_all > 0) else { return Ok(answer) };
    let mut paging = json!({"cursors": {"before": pack(list, from), "after": pack(list, to)}});
    if let Some(paging) = paging.as_object_mut() {
        if last.is_some_and(|last| last < to) {
            paging.insert("next".to_owned(), json!(link(state, call, "after", &pack(list, to))));
        }
        if first.is_some_and(|first| first > from) {
            paging.insert("previous".to_owned(), json!(link(state, call, "before", &pack(list, from))));
        }
    }
    answer.insert("paging".to_owned(), paging);
    Ok(answer)
}

fn link(state: &State, call: &Call, key: &str, cursor: &str) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    for (name, value) in &call.query {
        if name != "after" && name != "before" {
            query.append_pair(name, value);
        }
    }
    query.append_pair(key, cursor);
    format!("{}/{}?{}", state.env.base_url, call.path(), query.finish())
}

fn pack(list: &str, key: u64) -> String {
    URL_SAFE_NO_PAD.encode(format!("{list}#{key}"))
}

fn unpack(list: &str, cursor: &str) -> Option<u64> {
    let text = String::from_utf8(URL_SAFE_NO_PAD.decode(cursor).ok()?).ok()?;
    text.strip_prefix(list)?.strip_prefix('#')?.parse().ok()
}

/// The fields of a node that were asked for, always with its id.
pub(crate) struct Fields<'a> {
    /// The type in Meta's error.
    pub(crate) node_type: &'a str,
    pub(crate) default: &'a [&'a str],
    /// Every field that exists, whether or not this node has it.
    pub(crate) known: &'a [&'a str],
}

impl Fields<'_> {
    /// Keeps what was asked for. An unknown field is left out, or Meta's error when the settings say so.
    pub(crate) fn pick(&self, state: &State, call: &Call, node: &Map<String, Value>) -> Checked<Value> {
        let asked = call.text("fields").map(names).unwrap_or_default();
        if state.settings.strict_fields
            && let Some(unknown) = asked
                .iter()
                .find(|name| !self.known.contains(&name.as_str()) && !node.contains_key(name.as_str()))
        {
            return Err(GraphError::schema(format!(
                "Tried accessing nonexisting field ({unknown}) on node type ({})",
                self.node_type
            )));
        }
        let mut picked = Map::new();
        let mut put = |name: &str| {
            if let Some(value) = node.get(name) {
                picked.insert(name.to_owned(), value.clone());
            }
        };
        if asked.is_empty() {
            self.default.iter().for_each(|name| put(name));
        } else {
            asked.iter().for_each(|name| put(name));
        }
        put("id");
        Ok(Value::Object(picked))
    }
}

/// The names in a `fields` parameter; what stands in braces or after a dot belongs to the name before it.
fn names(text: &str) -> Vec<String> {
    let mut names = Vec::new();
    let (mut depth, mut name) = (0_u32, String::new());
    for letter in text.chars() {
        match letter {
            '{' | '(' => depth += 1,
            '}' | ')' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => names.push(std::mem::take(&mut name)),
            letter if depth == 0 => name.push(letter),
            _ => {}
        }
    }
    names.push(name);
    names
        .into_iter()
        .map(|name| name.split('.').next().unwrap_or_default().trim().to_owned())
        .filter(|name| !name.is_empty())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn braces_and_modifiers_are_no_fields() {
        assert_eq!(
            names("id, name,components{type,text},quality_score.limit(1),x(1,2)"),
            ["id", "name", "components", "quality_score", "x"]
        );
    }

    #[test]
    fn a_cursor_belongs_to_its_list() {
        let cursor = pack("message_templates/1", 7);
        assert_eq!(unpack("message_templates/1", &cursor), Some(7));
        assert_eq!(unpack("message_templates/2", &cursor), None);
        assert_eq!(unpack("message_templates/1", "rubbish"), None);
    }
}
